# SPDX-License-Identifier: Apache-2.0
"""Reading in bulk: a handful of queries for a matrix of any size."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Row, Table, func, select
from sqlalchemy.orm import Session

from qualify.matrix import Cell
from qualify.model import (
    Consequence,
    Evidence,
    Interface,
    Prediction,
    PropertyObservation,
    PropertyState,
    Reply,
    Status,
    Verdict,
)
from qualify.store.artefacts import Artefact
from qualify.store.codec import load_log, load_prediction
from qualify.store.models import (
    ArtefactRow,
    DocumentRow,
    ObjectRow,
    PropertyRow,
    ResultArtefactRow,
    ResultRow,
    RunRow,
    latest_result,
)

__all__ = [
    "StoredObject",
    "StoredResult",
    "load_artefacts",
    "load_cells",
    "load_last_done",
    "load_latest",
    "load_logs",
    "load_objects",
    "load_predictions",
    "load_reusable",
]

T = TypeVar("T")
_CHUNK = 500  # SQLite allows some thousand variables in a statement; older builds 999


@dataclass(frozen=True, slots=True)
class StoredResult:
    """The newest result of a cell. Objects, prediction and log are fetched by their ids: many results share them."""

    cell: Cell
    result_id: int
    run_id: int
    input_digest: str
    status: Status
    verdict: Verdict | None
    evidence: Evidence
    detail: str
    consequences: frozenset[Consequence]
    timings: dict[str, float]
    counters: dict[str, int]
    predicted: frozenset[Verdict]
    predicted_worst: Verdict | None
    agrees: bool | None
    machine: str
    measured: datetime
    created: datetime
    shared_from: int | None
    outcome_id: int | None
    prediction_id: int | None
    log_id: int | None
    seed: int | None  # of its run; None: the scenario's own
    tool_version: str  # that ran


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object of a stored outcome."""

    object_id: str
    component: str
    verdict: Verdict
    interface: Interface
    reply: Reply
    errno: str
    why: str
    consequences: frozenset[Consequence]
    notes: tuple[str, ...]
    predicted: frozenset[Verdict]
    properties: tuple[PropertyObservation, ...]


def load_cells(session: Session) -> set[Cell]:
    """Every cell that has a result."""
    columns = (latest_result.c.source, latest_result.c.target, latest_result.c.scenario, latest_result.c.backend)
    return {Cell(*row) for row in session.execute(select(*columns))}


def load_latest(session: Session, cells: Collection[Cell]) -> dict[Cell, StoredResult]:
    """The newest result of each of these cells; a cell that never ran is not in the answer."""
    wanted = cells if isinstance(cells, set | frozenset | dict) else set(cells)
    view = latest_result.c
    query = (
        select(latest_result, RunRow.seed, RunRow.tool_version)
        .join(RunRow, RunRow.id == view.run_id)
        .where(view.backend.in_({cell.backend for cell in wanted}))
    )
    found: dict[Cell, StoredResult] = {}
    for row in session.execute(query):
        cell = Cell(row.source, row.target, row.scenario, row.backend)
        if cell in wanted:
            found[cell] = _result(cell, row)
    return found


def load_last_done(session: Session, cells: Collection[Cell]) -> dict[Cell, StoredResult]:
    """For each of these cells whose newest result is not DONE: the newest that is, of the same input, if any."""
    view, table = latest_result.c, ResultRow.__table__
    query = (
        select(table, view.source, view.target, view.scenario, view.backend, RunRow.seed, RunRow.tool_version)
        .join(latest_result, (view.cell_id == ResultRow.cell_id) & (view.input_digest == ResultRow.input_digest))
        .join(RunRow, RunRow.id == ResultRow.run_id)
        .where(view.status != Status.DONE, ResultRow.status == Status.DONE)
        .order_by(ResultRow.created, ResultRow.id)
    )
    rows = ((Cell(row.source, row.target, row.scenario, row.backend), row) for row in session.execute(query))
    return {cell: _result(cell, row) for cell, row in rows if cell in cells}


def _result(cell: Cell, row: Row[Any]) -> StoredResult:
    return StoredResult(
        cell,
        row.id,
        row.run_id,
        row.input_digest,
        Status(row.status),
        None if row.verdict is None else Verdict(row.verdict),
        Evidence(row.evidence),
        row.detail,
        frozenset(map(Consequence, row.consequences)),
        row.timings,
        row.counters,
        frozenset(map(Verdict, row.predicted)),
        None if row.predicted_worst is None else Verdict(row.predicted_worst),
        row.agrees,
        row.machine,
        row.measured,
        row.created,
        row.shared_from,
        row.outcome_id,
        row.prediction_id,
        row.log_id,
        row.seed,
        row.tool_version,
    )


def load_reusable(session: Session, inputs: Collection[str]) -> dict[str, int]:
    """Input digest -> the id of the newest DONE result with it."""
    found: dict[str, int] = {}
    for part in _parts(sorted(inputs)):
        query = (
            select(ResultRow.input_digest, func.max(ResultRow.id))
            .where(ResultRow.input_digest.in_(part), ResultRow.status == Status.DONE)
            .group_by(ResultRow.input_digest)
        )
        found.update((digest, result_id) for digest, result_id in session.execute(query))
    return found


def load_objects(session: Session, outcome_ids: Collection[int]) -> dict[int, tuple[StoredObject, ...]]:
    """Outcome id -> its objects in the scenario's order, with their properties."""
    properties: dict[tuple[int, int], list[PropertyObservation]] = {}
    order = (PropertyRow.outcome_id, PropertyRow.object_position, PropertyRow.position)
    shown = (PropertyRow.name, PropertyRow.state, PropertyRow.expected, PropertyRow.observed, PropertyRow.critical)
    for part in _parts(sorted(outcome_ids)):
        query = select(*order[:2], *shown).where(PropertyRow.outcome_id.in_(part)).order_by(*order)
        for outcome_id, position, name, state, *rest in session.execute(query):
            kept = properties.setdefault((outcome_id, position), [])
            kept.append(PropertyObservation(name, PropertyState(state), *rest))
    objects: dict[int, list[StoredObject]] = {outcome_id: [] for outcome_id in outcome_ids}
    table: Table = ObjectRow.__table__  # type: ignore[assignment]
    for part in _parts(sorted(outcome_ids)):
        in_part = select(table).where(ObjectRow.outcome_id.in_(part))
        for row in session.execute(in_part.order_by(ObjectRow.outcome_id, ObjectRow.position)):
            objects[row.outcome_id].append(
                StoredObject(
                    row.object_id,
                    row.component,
                    Verdict(row.verdict),
                    Interface(row.interface),
                    Reply(row.reply),
                    row.errno,
                    row.why,
                    frozenset(map(Consequence, row.consequences)),
                    tuple(row.notes),
                    frozenset(map(Verdict, row.predicted)),
                    tuple(properties.get((row.outcome_id, row.position), ())),
                )
            )
    return {outcome_id: tuple(rows) for outcome_id, rows in objects.items()}


def load_predictions(session: Session, ids: Collection[int]) -> dict[int, Prediction]:
    """`prediction_id` -> the prediction that stands beside the results with it."""
    return {row_id: load_prediction(body) for row_id, body in _documents(session, ids)}


def load_logs(session: Session, ids: Collection[int]) -> dict[int, tuple[str, ...]]:
    """`log_id` -> the lines, newest last."""
    return {row_id: load_log(body) for row_id, body in _documents(session, ids)}


def load_artefacts(session: Session, result_ids: Collection[int]) -> dict[int, tuple[Artefact, ...]]:
    """Result id -> the files its run left. Only the result that ran has any; follow `shared_from` to it."""
    found: dict[int, list[Artefact]] = {}
    for part in _parts(sorted(result_ids)):
        query = (
            select(ResultArtefactRow.result_id, ResultArtefactRow.name, ArtefactRow.sha256, ArtefactRow.size)
            .join(ArtefactRow, ArtefactRow.sha256 == ResultArtefactRow.sha256)
            .where(ResultArtefactRow.result_id.in_(part))
            .order_by(ResultArtefactRow.result_id, ResultArtefactRow.name)
        )
        for result_id, name, sha256, size in session.execute(query):
            found.setdefault(result_id, []).append(Artefact(name, sha256, size))
    return {result_id: tuple(files) for result_id, files in found.items()}


def _documents(session: Session, ids: Collection[int]) -> Iterator[tuple[int, str]]:
    for part in _parts(sorted(ids)):
        query = select(DocumentRow.id, DocumentRow.body).where(DocumentRow.id.in_(part))
        yield from ((row.id, row.body) for row in session.execute(query))


def _parts(values: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(values), _CHUNK):
        yield values[start : start + _CHUNK]
