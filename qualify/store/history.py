# SPDX-License-Identifier: Apache-2.0
"""What the newest results are about, and which of them later runs did not repeat."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from qualify.matrix import Cell
from qualify.model import Status, Verdict
from qualify.store.models import ReleaseRow, ResultRow, ScenarioRow, latest_result

__all__ = ["Repeat", "Subject", "load_repeats", "load_subjects", "load_unstable"]


@dataclass(frozen=True, slots=True)
class Subject:
    """The releases and the scenario that a result was measured with, by what they were then."""

    source_fingerprint: str
    target_fingerprint: str
    scenario_digest: str


@dataclass(frozen=True, slots=True)
class Repeat:
    """One result with the input of its cell's newest. `ran` is the result whose run it is, which has the files."""

    status: Status
    verdict: Verdict | None
    measured: datetime
    machine: str
    detail: str
    ran: int


def load_subjects(session: Session) -> dict[Cell, Subject]:
    """Every cell that has a result -> what its newest result is about."""
    latest, source, target = latest_result.c, aliased(ReleaseRow), aliased(ReleaseRow)
    query = (
        select(
            latest.source,
            latest.target,
            latest.scenario,
            latest.backend,
            source.fingerprint.label("source_fingerprint"),
            target.fingerprint.label("target_fingerprint"),
            ScenarioRow.digest,
        )
        .select_from(latest_result)
        .join(source, source.id == latest.source_id)
        .join(target, target.id == latest.target_id)
        .join(ScenarioRow, ScenarioRow.id == latest.scenario_id)
    )
    return {Cell(*row[:4]): Subject(*row[4:]) for row in session.execute(query)}


def load_unstable(session: Session) -> dict[Cell, frozenset[Verdict]]:
    """Cell -> the verdicts that the input of its newest result has given over time, where there are several."""
    latest = latest_result.c
    done = ResultRow.status == Status.DONE
    suspects = (
        select(ResultRow.cell_id)
        .where(done)
        .group_by(ResultRow.cell_id, ResultRow.input_digest)
        .having(func.count(func.distinct(ResultRow.verdict)) > 1)
    )
    query = (
        select(latest.source, latest.target, latest.scenario, latest.backend, ResultRow.verdict)
        .select_from(latest_result)
        .join(ResultRow, (ResultRow.cell_id == latest.cell_id) & (ResultRow.input_digest == latest.input_digest))
        .where(done, latest.cell_id.in_(suspects))
        .distinct()
    )
    found: dict[Cell, set[Verdict]] = {}
    for source, target, scenario, backend, verdict in session.execute(query):
        found.setdefault(Cell(source, target, scenario, backend), set()).add(Verdict(verdict))
    return {cell: frozenset(verdicts) for cell, verdicts in found.items() if len(verdicts) > 1}


def load_repeats(session: Session, cells: Collection[Cell]) -> dict[Cell, tuple[Repeat, ...]]:
    """Cell -> every result that its newest input has given, oldest first, the runs without a verdict too.

    A run that several results share is one repeat.
    """
    latest, table = latest_result.c, ResultRow.__table__
    query = (
        select(latest.source, latest.target, latest.scenario, latest.backend, table)
        .select_from(latest_result)
        .join(ResultRow, (ResultRow.cell_id == latest.cell_id) & (ResultRow.input_digest == latest.input_digest))
        .where(latest.source.in_({c.source for c in cells}), latest.target.in_({c.target for c in cells}))
        .order_by(ResultRow.created, ResultRow.id)
    )
    found: dict[Cell, dict[int, Repeat]] = {}
    for row in session.execute(query):
        cell, ran = Cell(*row[:4]), row.shared_from or row.id
        verdict = None if row.verdict is None else Verdict(row.verdict)
        repeat = Repeat(Status(row.status), verdict, row.measured, row.machine, row.detail, ran)
        if cell in cells:
            found.setdefault(cell, {}).setdefault(ran, repeat)
    return {cell: tuple(repeats.values()) for cell, repeats in found.items()}
