# SPDX-License-Identifier: Apache-2.0
"""Everything there is to say about one pair and scenario, as data: components in reading order, objects, rules."""

from __future__ import annotations

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
    """One component in the order in which the target reads them. `reader` is what leads the target there."""

    component: str
    title: str
    stage: Stage
    reader: str
    comparison: Comparison


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
    """One pair and scenario."""

    source: str
    target: str
    scenario: str
    direction: Direction
    prediction: Prediction
    steps: tuple[Step, ...]
    objects: tuple[ObjectStory, ...]
    causes: tuple[Cause, ...]

    @property
    def headlines(self) -> tuple[Comparison, ...]:
        """False accepts, then refusals, of what the target gets to read."""
        wanted = (Finding.FALSE_ACCEPT, Finding.OVER_STRICT_REFUSAL, Finding.TRUE_REFUSAL)
        return tuple(c for f in wanted for c in (s.comparison for s in self.steps) if c.reached and c.finding is f)


_ORDER = list(Stage)


def explain(schema: Schema, source: Release, target: Release, scenario: Scenario) -> Explanation:
    """Why the pair does to the scenario's objects what it does."""
    prediction = decide(schema, source, target, scenario)
    steps = []
    for comparison in compare(schema, source, target):
        component = schema.components[comparison.component]
        form = schema.formats.get(comparison.source_format or next(iter(comparison.target_formats), ""))
        reader = form.carrier.component if form is not None else ""
        steps.append(Step(component.id, component.title, component.stage, reader, comparison))
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
        tuple(steps),
        objects,
        _causes(prediction.reasons),
    )


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
