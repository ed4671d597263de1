# SPDX-License-Identifier: Apache-2.0
"""Stored results as the facts that a gate judges."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from sqlalchemy.orm import Session

from qualify.engine import load_current
from qualify.gate.result import Demand, Fact
from qualify.matrix import Cell
from qualify.model import Verdict, worst
from qualify.scenario import Scenario
from qualify.schema import Schema
from qualify.store import StoredResult, load_cells, load_last_done, load_latest
from qualify.store.history import load_unstable

__all__ = ["load_facts", "to_facts"]


def load_facts(
    session: Session, demanded: Sequence[Demand], schema: Schema, library: Mapping[str, Scenario]
) -> tuple[Fact, ...]:
    """What the store knows about the demanded cells, on any backend.

    Of a cell whose newest run failed that is also what an earlier run of the same input found out.
    """
    wanted = set(demanded)
    cells = {c for c in load_cells(session) if Demand(c.source, c.target, c.scenario) in wanted}
    latest, unstable = load_latest(session, cells), load_unstable(session)
    current = load_current(session, latest, schema, library)
    hidden = load_last_done(session, cells)
    return (*to_facts(latest.values(), unstable, current), *to_facts(hidden.values(), unstable, current, newest=False))


def to_facts(
    results: Iterable[StoredResult],
    unstable: Mapping[Cell, Collection[Verdict]],
    current: Collection[Cell],
    *,
    newest: bool = True,
) -> tuple[Fact, ...]:
    """`unstable` holds the verdicts of cells whose repeats differ, of which the worst counts; `current` the cells whose
    result is about schema, scenarios and tool as they are today."""
    return tuple(
        Fact(
            demand=Demand(r.cell.source, r.cell.target, r.cell.scenario),
            backend=r.cell.backend,
            status=r.status,
            verdict=worst(unstable.get(r.cell, (r.verdict,))) if r.verdict is not None else None,
            evidence=r.evidence,
            measured=r.measured,
            consequences=r.consequences,
            agrees=r.agrees,
            predicted=r.predicted,
            unstable=r.cell in unstable,
            current=r.cell in current,
            newest=newest,
            detail=r.detail,
        )
        for r in results
    )
