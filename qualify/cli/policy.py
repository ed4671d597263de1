# SPDX-License-Identifier: Apache-2.0
"""`qualify policy check|explain`: is a policy file right, and what does it mean."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Annotated

import typer

from qualify.cli.inputs import with_policy
from qualify.cli.options import JsonOption, ScenariosOption, SchemaOption
from qualify.cli.output import print_json
from qualify.cli.style import put
from qualify.gate import Demand, Policy, age_in_words, demands, plural

__all__ = ["register"]

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="A policy file (YAML).")]


def register(app: typer.Typer) -> None:
    """Add the group to the application."""
    group = typer.Typer(no_args_is_help=True, help="Check and explain release policies.")
    group.command("check")(_check)
    group.command("explain")(_explain)
    app.add_typer(group, name="policy")


def _check(
    file: FileArgument, schema: SchemaOption = None, scenarios: ScenariosOption = None, json_: JsonOption = False
) -> None:
    """Say whether a policy file is right; if not, every mistake with its line and column (exit status 2).

    Example: qualify policy check docs/examples/policy-window.yaml
    """
    policy, demanded = _load(file, schema, scenarios)
    pairs = {(d.source, d.target) for d in demanded}
    if json_:
        print_json({"policy": policy.name, "pairs": len(pairs), "demands": len(demanded)})
    else:
        demand = f"{plural(len(demanded), 'cell')} of {plural(len(pairs), 'pair')}"
        put([f"{file}: policy '{policy.name}' is right; it demands {demand}"])
    if not demanded:
        # The file is right and yet asks for nothing: a gate could never say yes, so this is no yes either.
        raise typer.Exit(3)


def _explain(
    file: FileArgument, schema: SchemaOption = None, scenarios: ScenariosOption = None, json_: JsonOption = False
) -> None:
    """Say in words what a policy demands, and which cells that are today.

    Example: qualify policy explain docs/examples/policy-window.yaml
    """
    policy, demanded = _load(file, schema, scenarios)
    if json_:
        cells = [[d.source, d.target, d.scenario] for d in demanded]
        print_json({"policy": policy.model_dump(mode="json"), "demands": cells})
        return
    put(_lines(policy, demanded))


def _lines(policy: Policy, demanded: tuple[Demand, ...]) -> Iterator[str]:
    yield f"{policy.name}" + (f": {policy.title}" if policy.title else "")
    for sentence in _sentences(policy):
        yield f"  {sentence}"
    yield f"demanded today ({plural(len(demanded), 'cell')}):"
    for (source, target), members in groupby(demanded, key=lambda d: (d.source, d.target)):
        yield f"  {source} → {target}: {', '.join(d.scenario for d in members)}"
    if not demanded:
        yield "  nothing; a gate with this policy answers unknown"


def _sentences(policy: Policy) -> list[str]:
    allowed = " or ".join(policy.allowed_verdicts)
    age = "of any age" if policy.maximum_age is None else f"at most {age_in_words(policy.maximum_age)} old"
    lines = [f"pairs: {selector}" for selector in policy.required_pairs]
    lines += [
        f"every demanded cell must be {allowed}" + (", or UNSUPPORTED" if policy.allow_unsupported else ""),
        f"evidence must be {policy.minimum_evidence} or stronger, and {age}",
    ]
    if policy.forbidden_consequences:
        lines.append(f"no cell may come with {' or '.join(policy.forbidden_consequences)}")
    if not policy.allow_disagreement:
        lines.append("no observation may contradict its prediction")
    if not policy.allow_predicted_worse:
        lines.append("nothing forbidden may be among what is predicted, whatever was observed")
    lines.append("a cell never run, or whose repeats differ, makes the answer unknown")
    return lines


def _load(file: Path, schema: list[Path] | None, scenarios: list[Path] | None) -> tuple[Policy, tuple[Demand, ...]]:
    return with_policy(file, schema, scenarios, lambda policy, *known: (policy, demands(policy, *known)))
