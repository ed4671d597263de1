# SPDX-License-Identifier: Apache-2.0
"""`qualify gate run`: may this release go out? The exit status is the answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from tabulate import tabulate

from qualify.cli.options import DbOption, JsonOption, ScenariosOption, SchemaOption, load_inputs
from qualify.gate import ADVICE, GateReason, GateResult, demands, evaluate, load_facts, load_policy
from qualify.store import default_location, open_store

__all__ = ["register"]

PolicyOption = Annotated[Path, typer.Option("--policy", metavar="FILE", help="The release policy (YAML).")]

_SHOWN = 25
"""Lines of reasons; --json has them all."""


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

    Example: qualify gate run --policy docs/examples/policy-window.yaml
    """
    chosen = load_policy(policy)
    loaded, library = load_inputs(schema, scenarios)
    demanded = demands(chosen, loaded, library)
    with open_store(db or default_location(), create=False) as store, store.session() as session:
        known = load_facts(session, demanded, loaded, library)
    result = evaluate(chosen, demanded, known, datetime.now(UTC))
    print(json.dumps(_as_dict(result), ensure_ascii=False) if json_ else "\n".join(_lines(result)))
    raise typer.Exit(result.answer.exit_status)


def _as_dict(result: GateResult) -> dict[str, object]:
    return {
        "policy": result.policy,
        "answer": result.answer.value,
        "exit_status": result.answer.exit_status,
        "demanded": result.demanded,
        "classes": [c.value for c in result.classes],
        "reasons": [_reason(r) for r in result.reasons],
    }


def _reason(reason: GateReason) -> dict[str, object]:
    demand = reason.demand
    return {
        "class": reason.cls.value,
        "answer": reason.cls.answer.value,
        "source": demand.source if demand else None,
        "target": demand.target if demand else None,
        "scenario": demand.scenario if demand else None,
        "backend": reason.backend or None,
        "message": reason.message,
        "advice": ADVICE[reason.cls],
    }


def _lines(result: GateResult) -> Iterator[str]:
    counts = f"{result.demanded} cells demanded, {len(result.reasons)} reasons against"
    yield f"{result.policy}: {result.answer.value.upper()} ({counts})"
    if not result.reasons:
        return
    rows = _rows(result)
    yield ""
    yield tabulate(rows[:_SHOWN], ["reason", "pair", "scenario", "what"], tablefmt="simple", disable_numparse=True)
    if len(rows) > _SHOWN:
        yield f"… and {len(rows) - _SHOWN} more lines; --json has them all"
    yield ""
    yield "what to do"
    for cls in result.classes:
        yield f"  {cls.value}: {ADVICE[cls]}"


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
