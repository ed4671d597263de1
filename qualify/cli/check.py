# SPDX-License-Identifier: Apache-2.0
"""`qualify check` and `qualify explain`: one pair, asked before anybody jumps; both show what the decision says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from qualify.cli.check_dumps import are_dumps, check_dumps
from qualify.cli.inputs import cell_arguments, load_inputs
from qualify.cli.options import JsonOption, ScenariosOption, SchemaOption
from qualify.cli.output import print_json
from qualify.cli.scenario import named_scenario
from qualify.cli.style import paint, put, table
from qualify.compat import Cause, Comparison, Explanation, ObjectStory, explain
from qualify.errors import Problems, UsageError
from qualify.model import Alternative, Direction, Finding, Prediction, Verdict
from qualify.scenario import Scenario
from qualify.schema import Schema

__all__ = ["register"]

YES, NO, UNKNOWN = 0, 1, 3

_EVIDENCE = "evidence: static, from the schema alone; nothing was run"

SourceArgument = Annotated[str, typer.Argument(metavar="SOURCE", help="The release that runs now (label or alias).")]
TargetArgument = Annotated[str, typer.Argument(metavar="TARGET", help="The release to kexec into (label or alias).")]
CheckSourceArgument = Annotated[
    str, typer.Argument(metavar="SOURCE", help="The release that runs now (label or alias), or a VMState dump (.json).")
]
CheckTargetArgument = Annotated[
    str, typer.Argument(metavar="TARGET", help="The release to kexec into (label or alias), or a VMState dump (.json).")
]
AcceptedOption = Annotated[
    Path | None,
    typer.Option(
        "--accepted",
        metavar="FILE",
        help="For dumps: differences that are accepted, with reasons (docs/examples/vmstate-accepted.yaml).",
        show_default=False,
    ),
]
ScenarioOption = Annotated[
    str, typer.Option("--scenario", metavar="ID", help="What is preserved and how ('qualify scenario list').")
]

_STANDING_OUT = (Finding.FALSE_ACCEPT, Finding.TRUE_REFUSAL, Finding.OVER_STRICT_REFUSAL)
_FINDING_WORDS = {
    Finding.AGREE: "agree",
    Finding.FALSE_ACCEPT: "FALSE ACCEPT",
    Finding.TRUE_REFUSAL: "TRUE REFUSAL",
    Finding.OVER_STRICT_REFUSAL: "OVER-STRICT REFUSAL",
    Finding.NO_READER: "no reader",
    Finding.NO_WRITER: "nothing written",
}
_FINDING_MEANS = {
    Finding.FALSE_ACCEPT: "the strings agree, the bytes or required nodes do not",
    Finding.TRUE_REFUSAL: "the strings differ, and so do the bytes",
    Finding.OVER_STRICT_REFUSAL: "the strings differ, the bytes are the same",
}


def register(app: typer.Typer) -> None:
    """Add both commands to the application."""
    app.command("check")(_check)
    app.command("explain")(_explain)


def _check(
    source: CheckSourceArgument,
    target: CheckTargetArgument,
    scenario: ScenarioOption = "baseline",
    schema: SchemaOption = None,
    scenarios: ScenariosOption = None,
    accepted: AcceptedOption = None,
    json_: JsonOption = False,
) -> None:
    """Say what becomes of preserved state when SOURCE kexecs into TARGET: the worst that can happen counts.

    Exit status: 0 everything is restored, 1 something is not, 3 nothing to judge (the source hands nothing over).

    With two .json files, made by qemu-system-ARCH -M TYPE -dump-vmstate FILE: say what breaks when TARGET loads a
    migration of SOURCE. Exit status: 0 no error, 1 some, 2 a bad file.

    Examples: qualify check 6.19 7.0; qualify check 7.1.13 7.1.13-nomemfd --scenario handler-missing --json;
    qualify check old.json new.json --accepted docs/examples/vmstate-accepted.yaml
    """
    if are_dumps(source, target):
        if schema or scenarios or scenario != "baseline":
            raise UsageError("--scenario, --scenarios and --schema say nothing about VMState dumps; leave them out")
        check_dumps(source, target, accepted, json_)
    if accepted is not None:
        raise UsageError("--accepted is for VMState dumps only; leave it out for releases")
    found = _explained(source, target, scenario, load_inputs(schema, scenarios))
    status = _status(found.prediction.worst)
    if json_:
        print_json(_checked(found, status))
    else:
        arguments = cell_arguments(found.source, found.target, found.scenario, schema, scenarios)
        put(_check_lines(found, status, arguments))
    raise typer.Exit(status)


def _explain(
    source: SourceArgument,
    target: TargetArgument,
    scenario: ScenarioOption = "baseline",
    schema: SchemaOption = None,
    scenarios: ScenariosOption = None,
    json_: JsonOption = False,
) -> None:
    """Say why: what SOURCE writes and TARGET reads, field by field, what TARGET will do, and what to do about it.

    Exit status: 0, whatever the verdict; `qualify check` answers yes or no.

    Examples: qualify explain 7.0 7.1; qualify explain 6.18 6.17.8 --scenario window-16m-next-page
    """
    found = _explained(source, target, scenario, load_inputs(schema, scenarios))
    if json_:
        print_json(_explained_json(found))
        return
    put(_explain_lines(found))


def _explained(source: str, target: str, name: str, known: tuple[Schema, dict[str, Scenario]]) -> Explanation:
    schema, library = known
    problems = Problems()
    releases = [problems.take(partial(schema.release, label)) for label in (source, target)]
    scenario = problems.take(lambda: named_scenario(library, name))
    problems.check()
    assert scenario is not None
    one, other = (r for r in releases if r is not None)
    return explain(schema, one, other, scenario)


def _status(verdict: Verdict) -> int:
    return {Verdict.RESTORED: YES, Verdict.UNSUPPORTED: UNKNOWN}.get(verdict, NO)


# --- text ----------------------------------------------------------------------------------------------------


def _head(found: Explanation) -> str:
    pair = f"{found.source} → {found.target} ({found.direction.value}), scenario {found.scenario}"
    return f"{pair}: {paint(found.prediction.worst)}"


def _check_lines(found: Explanation, status: int, arguments: str) -> Iterator[str]:
    yield _head(found)
    if len(found.prediction.alternatives) > 1:
        yield from (f"  {paint(a.verdict)} {_when(a)}".rstrip() for a in found.prediction.alternatives)
    if found.direction is not Direction.SAME:
        yield f"  {found.source} → itself: {paint(found.itself)}"
    yield ""
    rows = [row for story in found.objects for row in _object_rows(story)]
    yield from table(rows, ["object", "verdict", "when", "comes with"])
    yield from _cause_lines(found.causes)
    yield ""
    yield _EVIDENCE
    yield {
        YES: "yes: everything that is handed over comes back",
        NO: f"no: 'qualify explain {arguments}' says why",
        UNKNOWN: "unknown: the source hands nothing over, so there is nothing to judge",
    }[status]


def _object_rows(story: ObjectStory) -> Iterator[tuple[str, str, str, str]]:
    for number, a in enumerate(story.alternatives):
        when = a.condition or ("always" if len(story.alternatives) > 1 else "")
        yield ("" if number else story.object_id, paint(a.verdict), when, _comes_with(a))


def _when(alternative: Alternative) -> str:
    with_ = _comes_with(alternative)
    parts = (f"when {alternative.condition}" if alternative.condition else "", f"with {with_}" if with_ else "")
    return ", ".join(part for part in parts if part)


def _comes_with(alternative: Alternative) -> str:
    return ", ".join(sorted(alternative.consequences))


def _cause_lines(causes: Iterable[Cause], full: bool = False) -> Iterator[str]:
    """Rule by rule, with everything that it was found to say."""
    found = list(causes)
    for rule in dict.fromkeys(c.rule for c in found):
        mine = [c.reason for c in found if c.rule == rule]
        yield ""
        yield f"{rule.id} {rule.purpose}"
        yield from dict.fromkeys(f"  {r.component}: {r.message}" for r in mine)
        if full:
            yield f"  {rule.text} ({rule.documentation})"
        yield from dict.fromkeys(f"  what to do: {r.advice}" for r in mine if r.advice)


def _explain_lines(found: Explanation) -> Iterator[str]:
    yield _head(found)
    for step in found.headlines:
        comparison = step.comparison
        yield ""
        yield f"{_finding(comparison)}: {comparison.component} - {_FINDING_MEANS[comparison.finding]}"
        yield f"  what the target will do: {comparison.what_happens}"
        yield from (f"  what to do about it: {advice} ({rule})" for rule, advice in step.advice)
    stage = None
    for step in found.steps:
        if step.stage is not stage:
            stage = step.stage
            yield ""
            yield f"{stage.value}"
        yield from _step_lines(step.comparison, step.title, step.reader)
    yield ""
    yield "objects"
    for story in found.objects:
        yield f"  {story.object_id} ({' > '.join(story.chain)})"
        yield from (f"    {paint(a.verdict)} {_when(a)}".rstrip() for a in story.alternatives)
        if rules := list(dict.fromkeys(c.rule.id for c in story.causes)):
            yield f"    because of {', '.join(rules)}"
    yield from _cause_lines(found.causes, full=True)
    yield ""
    yield _EVIDENCE


def _step_lines(comparison: Comparison, title: str, reader: str) -> Iterator[str]:
    written, read = comparison.source_format or "nothing", ", ".join(comparison.target_formats) or "nothing"
    through = f", found through {reader}" if reader else ""
    yield f"  {comparison.component} ({title}{through})"
    yield f"    writes {written}, reads {read}: {_finding(comparison)}"
    yield from (f"      {line}" for line in comparison.differences)
    yield f"    {comparison.what_happens}"


def _finding(comparison: Comparison) -> str:
    """Capitals and colour for the three that must stand out, where the target gets that far."""
    words = _FINDING_WORDS[comparison.finding]
    if comparison.finding not in _STANDING_OUT:
        return words
    return paint(comparison.finding, words) if comparison.reached else f"{words.lower()}, not reached"


# --- JSON ----------------------------------------------------------------------------------------------------


def _checked(found: Explanation, status: int) -> dict[str, Any]:
    return {
        "source": found.source,
        "target": found.target,
        "direction": found.direction.value,
        "scenario": found.scenario,
        "evidence": "static",
        "verdict": found.prediction.worst.value,
        "source_to_itself": found.itself.value,
        "answer": {YES: "yes", NO: "no", UNKNOWN: "unknown"}[status],
        "exit_status": status,
        "alternatives": _alternatives(found.prediction),
        "objects": [
            {
                "object": story.object_id,
                "component": story.component,
                "verdict": story.worst.value,
                "alternatives": _alternatives(story),
                "reasons": [_cause(c) for c in story.causes],
            }
            for story in found.objects
        ],
        "reasons": [_cause(c) for c in found.causes],
    }


def _explained_json(found: Explanation) -> dict[str, Any]:
    components = [
        {
            "component": step.component,
            "stage": step.stage.value,
            "found_through": step.reader or None,
            "finding": step.comparison.finding.value,
            "reached": step.comparison.reached,
            "writes": step.comparison.source_format,
            "reads": list(step.comparison.target_formats),
            "differences": list(step.comparison.differences),
            "what_happens": step.comparison.what_happens,
            "finding_rule": step.comparison.rule or None,
            # the first of the lines that the text has; every other is among the reasons
            **dict(zip(("rule", "advice"), next(iter(step.advice), (None, None)), strict=True)),
        }
        for step in found.steps
    ]
    headlines = [s.component for s in found.headlines]
    return _checked(found, _status(found.prediction.worst)) | {"headlines": headlines, "components": components}


def _alternatives(subject: Prediction | ObjectStory) -> list[dict[str, Any]]:
    return [
        {"verdict": a.verdict.value, "condition": a.condition or None, "consequences": sorted(a.consequences)}
        for a in subject.alternatives
    ]


def _cause(cause: Cause) -> dict[str, Any]:
    return {
        "rule": cause.rule.id,
        "component": cause.reason.component,
        "message": cause.reason.message,
        "advice": cause.reason.advice or None,
    }
