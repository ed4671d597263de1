# SPDX-License-Identifier: Apache-2.0
"""Everything there is to say about one pair and scenario, as data: components in reading order, objects, rules."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from qualify.compat.compare import Comparison, compare
from qualify.compat.decide import decide
from qualify.compat.rules import RULES, Rule
from qualify.model import Alternative, Direction, Finding, Prediction, Reason, Verdict
from qualify.scenario import Scenario
from qualify.schema import Release, Schema, Stage

__all__ = ["Cause", "Explanation", "ObjectStory", "Step", "explain"]


@dataclass(frozen=True, slots=True)
class Step:
    """One component in the order in which the target reads them. `reader` is what leads the target there.

    `causes`: what the decision has to say about the component in this pair, where the finding is one that stands out.
    """

    component: str
    title: str
    stage: Stage
    reader: str
    comparison: Comparison
    causes: tuple[Cause, ...] = ()

    @property
    def advice(self) -> tuple[tuple[str, str], ...]:
        """(rule, what to do): that of the fault itself; the finding's general one where the scenario meets no fault."""
        found = dict.fromkeys((c.rule.id, c.reason.advice) for c in self.causes if c.reason.advice)
        general = ((self.comparison.rule, self.comparison.advice),) if self.comparison.advice else ()
        return tuple(found) or general


@dataclass(frozen=True, slots=True)
class Cause:
    """A reason with its rule."""

    reason: Reason
    rule: Rule


@dataclass(frozen=True, slots=True)
class ObjectStory:
    """What can become of one object, and why; `chain` names the components that it depends on, outermost first."""

    object_id: str
    component: str
    chain: tuple[str, ...]
    worst: Verdict
    alternatives: tuple[Alternative, ...]
    causes: tuple[Cause, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """One pair and scenario. `itself` is the worst that the source does to itself in it: what was so before, too."""

    source: str
    target: str
    scenario: str
    direction: Direction
    prediction: Prediction
    itself: Verdict
    steps: tuple[Step, ...]
    objects: tuple[ObjectStory, ...]
    causes: tuple[Cause, ...]

    @property
    def headlines(self) -> tuple[Step, ...]:
        """False accepts, then refusals, of what the target gets to read."""
        reached = [s for s in self.steps if s.comparison.reached]
        return tuple(s for f in _STANDING_OUT for s in reached if s.comparison.finding is f)


_ORDER = list(Stage)
_STANDING_OUT = (Finding.FALSE_ACCEPT, Finding.OVER_STRICT_REFUSAL, Finding.TRUE_REFUSAL)
# what the operator did and what the source refused are no faults of a format
_NOT_ABOUT_FORMATS = ("OPS", "SRC")


def explain(schema: Schema, source: Release, target: Release, scenario: Scenario) -> Explanation:
    """Why the pair does to the scenario's objects what it does."""
    prediction = decide(schema, source, target, scenario)
    # what the source does to itself is no fault of the pair
    own = {(r.rule, r.component) for r in decide(schema, source, source, scenario).reasons}
    causes = [c for c in _causes(prediction.reasons) if (c.reason.rule, c.reason.component) not in own]
    steps = []
    for comparison in compare(schema, source, target):
        component = schema.components[comparison.component]
        form = schema.formats.get(comparison.source_format or next(iter(comparison.target_formats), ""))
        reader = form.carrier.component if form is not None else ""
        mine = _faults(comparison, causes)
        steps.append(Step(component.id, component.title, component.stage, reader, comparison, mine))
    steps.sort(key=lambda s: _ORDER.index(s.stage))
    objects = tuple(
        ObjectStory(o.object_id, o.component, _chain(schema, o.component), o.worst, o.alternatives, _causes(o.reasons))
        for o in prediction.objects
    )
    return Explanation(
        source.label,
        target.label,
        scenario.id,
        schema.direction(source, target),
        prediction,
        decide(schema, source, source, scenario).worst,
        _until_panic(steps, objects),
        objects,
        _causes(prediction.reasons),
    )


def _faults(comparison: Comparison, causes: list[Cause]) -> tuple[Cause, ...]:
    if comparison.finding not in _STANDING_OUT or not comparison.reached:
        return ()
    mine = (c for c in causes if c.reason.component == comparison.component)
    return tuple(c for c in mine if not c.rule.id.startswith(_NOT_ABOUT_FORMATS))


def _until_panic(steps: list[Step], objects: tuple[ObjectStory, ...]) -> tuple[Step, ...]:
    """Mark what a certain panic keeps the target from.

    Certain: nothing else can become of what was handed over. It ends at the latest component that all objects blame.
    """
    handed = [o for o in objects if o.worst is not Verdict.UNSUPPORTED]
    if not handed or any(a.verdict is not Verdict.PANIC for o in handed for a in o.alternatives):
        return tuple(steps)
    blamed = set.intersection(*({c.reason.component for c in o.causes} for o in handed))
    last = max((n for n, s in enumerate(steps) if s.component in blamed), default=len(steps))
    return tuple(_not_reached(s) if n > last else s for n, s in enumerate(steps))


def _not_reached(step: Step) -> Step:
    found = step.comparison
    if not found.reached or found.finding is Finding.NO_WRITER:
        return step
    text = "not reached: the target has panicked"
    if found.finding is Finding.AGREE:
        text = f"the bytes agree; {text}"
    return dataclasses.replace(step, comparison=dataclasses.replace(found, what_happens=text, reached=False), causes=())


def _causes(reasons: tuple[Reason, ...]) -> tuple[Cause, ...]:
    return tuple(Cause(r, RULES[r.rule]) for r in reasons)


def _chain(schema: Schema, component: str) -> tuple[str, ...]:
    """The components that `component` depends on, outermost first, and itself."""
    seen: list[str] = []

    def visit(name: str) -> None:
        for need in schema.components[name].depends:
            visit(need)
        if name not in seen:
            seen.append(name)

    visit(component)
    return tuple(seen)
