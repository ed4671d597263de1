# SPDX-License-Identifier: Apache-2.0
"""`qualify gate run`: may this release go out? The exit status is the answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from qualify.cli.inputs import cell_arguments, with_policy
from qualify.cli.options import DbOption, JsonOption, ScenariosOption, SchemaOption, located
from qualify.cli.output import print_json
from qualify.cli.style import put, table
from qualify.errors import NoDatabaseError
from qualify.gate import (
    ADVICE,
    Basis,
    Fact,
    GateReason,
    GateResult,
    ReasonClass,
    basis,
    demands,
    evaluate,
    load_facts,
    plural,
)
from qualify.store import open_store

__all__ = ["register"]

PolicyOption = Annotated[Path, typer.Option("--policy", metavar="FILE", help="The release policy (YAML).")]

_SHOWN = 25
"""Lines of reasons; --json has them all."""


@dataclass(frozen=True)
class _Told:
    """An answer with what is to be said beside it."""

    result: GateResult
    basis: Basis | None
    location: str
    schema_digest: str
    schema: list[Path] | None
    scenarios: list[Path] | None


def register(app: typer.Typer) -> None:
    """Add the group to the application."""
    group = typer.Typer(no_args_is_help=True, help="Judge stored evidence by a release policy.")
    group.callback()(_group)
    group.command("run")(_run)
    app.add_typer(group, name="gate")


def _group() -> None:
    """Judge stored evidence by a release policy."""


def _run(
    policy: PolicyOption,
    db: DbOption = None,
    schema: SchemaOption = None,
    scenarios: ScenariosOption = None,
    json_: JsonOption = False,
) -> None:
    """Answer yes (0), no (1) or unknown (3), with reasons; 2 for bad input, 4 where the harness failed.

    A database that does not exist yet holds no evidence: unknown. One that cannot be read is bad input.

    Example: qualify gate run --policy docs/examples/policy-window.yaml
    """
    location = located(db)
    chosen, demanded, loaded, library = with_policy(
        policy, schema, scenarios, lambda read, *known: (read, demands(read, *known), *known)
    )
    nowhere = ""
    known: tuple[Fact, ...] = ()
    try:
        with open_store(location, create=False, reading=True) as store, store.session() as session:
            known = load_facts(session, demanded, loaded, library)
    except NoDatabaseError as error:
        nowhere = str(error)
    now = datetime.now(UTC)
    result = evaluate(chosen, demanded, known, now)
    if nowhere:
        result = replace(result, reasons=tuple(_without_database(r, nowhere) for r in result.reasons))
    told = _Told(result, basis(chosen, known, now), location, loaded.digest, schema, scenarios)
    if json_:
        print_json(_as_dict(told))
    else:
        put(_lines(told))
    raise typer.Exit(result.answer.exit_status)


def _without_database(reason: GateReason, nowhere: str) -> GateReason:
    if reason.cls is not ReasonClass.EVIDENCE_MISSING:
        return reason
    return replace(reason, message=f"{reason.message}: {nowhere}")


def _as_dict(told: _Told) -> dict[str, object]:
    result = told.result
    return {
        "policy": result.policy,
        "answer": result.answer.value,
        "exit_status": result.answer.exit_status,
        "demanded": result.demanded,
        "evidence": _basis(told.basis),
        "database": told.location,
        "schema_digest": told.schema_digest,
        "classes": [c.value for c in result.classes],
        "reasons": [_reason(r, told) for r in result.reasons],
    }


def _basis(found: Basis | None) -> dict[str, object] | None:
    if found is None:
        return None
    return {
        "weakest": found.evidence[0].value,
        "levels": [e.value for e in found.evidence],
        "oldest": found.oldest.isoformat(),
        "newest": found.newest.isoformat(),
        "backends": list(found.backends),
        "cells": found.cells,
    }


def _reason(reason: GateReason, told: _Told) -> dict[str, object]:
    demand = reason.demand
    return {
        "class": reason.cls.value,
        "answer": reason.cls.answer.value,
        "source": demand.source if demand else None,
        "target": demand.target if demand else None,
        "scenario": demand.scenario if demand else None,
        "backend": reason.backend or None,
        "message": reason.message,
        "advice": _advice(reason, told),
    }


def _advice(reason: GateReason, told: _Told) -> str:
    """What to do, with the very command where one is named."""
    demand = reason.demand
    cell = "SOURCE TARGET"
    if demand is not None:
        cell = cell_arguments(demand.source, demand.target, demand.scenario, told.schema, told.scenarios)
    return ADVICE[reason.cls].format(cell=cell)


def _lines(told: _Told) -> Iterator[str]:
    result = told.result
    counts = f"{plural(result.demanded, 'cell')} demanded, {plural(len(result.reasons), 'reason')} against"
    yield f"{result.policy}: {result.answer.value.upper()} ({counts})"
    yield f"evidence: {_evidence(told)}"
    if not result.reasons:
        return
    rows = _rows(result)
    yield ""
    yield from table(rows[:_SHOWN], ["reason", "pair", "scenario", "what"])
    if len(rows) > _SHOWN:
        yield f"… and {plural(len(rows) - _SHOWN, 'more line')}; --json has them all"
    yield ""
    yield "what to do"
    for cls in result.classes:
        first = next(r for r in result.reasons if r.cls is cls)
        yield f"  {cls.value}: {_advice(first, told)}"


def _evidence(told: _Told) -> str:
    """What the answer rests on, in words."""
    found = told.basis
    if found is None:
        return f"none in {told.location}"
    oldest, newest = f"{found.oldest:%Y-%m-%d}", f"{found.newest:%Y-%m-%d}"
    when = f"on {oldest}" if oldest == newest else f"from {oldest} to {newest}"
    cells = "" if found.cells == told.result.demanded else f" for {found.cells} of them"
    how = f"{', '.join(found.evidence)}{cells}, by {', '.join(found.backends)}"
    return f"{how}, measured {when}; schema {told.schema_digest[:12]}"


def _rows(result: GateResult) -> list[tuple[str, str, str, str]]:
    """The gravest first; scenarios of one pair with the same reason in one line."""
    grouped: dict[tuple[str, str, str], list[str]] = {}
    order = {cls: n for n, cls in enumerate(result.classes)}
    for r in sorted(result.reasons, key=lambda r: order[r.cls]):
        pair = f"{r.demand.source} → {r.demand.target}" if r.demand else "(all)"
        what = f"{r.message} [{r.backend}]" if r.backend else r.message
        grouped.setdefault((r.cls.value, pair, what), []).append(r.demand.scenario if r.demand else "(all)")
    return [(cls, pair, _few(names), what) for (cls, pair, what), names in grouped.items()]


def _few(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 2 else f"{names[0]} and {len(names) - 1} more"
