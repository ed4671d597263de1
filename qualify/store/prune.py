# SPDX-License-Identifier: Apache-2.0
"""Forgetting history on request: results that a newer one has replaced, and what nothing refers to any more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, delete, select
from sqlalchemy.orm import InstrumentedAttribute

from qualify.store.database import Store
from qualify.store.models import (
    ArtefactRow,
    DocumentRow,
    ObjectRow,
    OutcomeRow,
    PropertyRow,
    ResultArtefactRow,
    ResultRow,
    RunEndRow,
    RunRow,
    latest_result,
)

__all__ = ["Pruned", "prune_store"]

_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Pruned:
    """How much was, or would be, forgotten. The files of `waiting` artefacts stay until the next time."""

    results: int
    runs: int
    artefacts: int
    waiting: int

    def as_dict(self) -> dict[str, int]:
        return asdict(self)


def prune_store(store: Store, before: datetime, *, dry_run: bool = False) -> Pruned:
    """Forget results written before `before`, but for the latest of every cell and those whose run is shared by one
    that stays.

    Files go after the commit, for one without a row is harmless and a row without its file is not, and only while no
    run, merge or export is under way: it may have found a file there and be about to commit a row that names it.
    """
    with store.artefacts.unused() as free:
        with store.writing() as connection:
            files = set(connection.scalars(select(ArtefactRow.sha256)))
            doomed = _doomed(connection, before)
            runs = _delete(connection, doomed, before)
            named = set(connection.scalars(select(ArtefactRow.sha256)))
            if dry_run:
                connection.rollback()
        if free and not dry_run:
            store.artefacts.sweep(named)
    gone = len(files - named)
    return Pruned(len(doomed), runs, gone, 0 if free else gone)


def _doomed(connection: Connection, before: datetime) -> set[int]:
    latest = set(connection.scalars(select(latest_result.c.id)))
    rows = connection.execute(select(ResultRow.id, ResultRow.shared_from, ResultRow.created)).all()
    staying = {row_id for row_id, _, created in rows if created >= before or row_id in latest}
    staying |= {origin for row_id, origin, _ in rows if row_id in staying and origin is not None}
    return {row_id for row_id, _, _ in rows} - staying


def _delete(connection: Connection, doomed: set[int], before: datetime) -> int:
    """Delete them and what only they referred to; how many runs went with them."""
    # The highest first: a result comes after the one whose run it shares.
    for chunk in _chunks(sorted(doomed, reverse=True)):
        connection.execute(delete(ResultArtefactRow).where(ResultArtefactRow.result_id.in_(chunk)))
        connection.execute(delete(ResultRow).where(ResultRow.id.in_(chunk)))
    empty = select(RunRow.id).where(RunRow.started < before, RunRow.id.not_in(_used(ResultRow.run_id)))
    runs = list(connection.scalars(empty))
    for chunk in _chunks(runs):
        connection.execute(delete(RunEndRow).where(RunEndRow.run_id.in_(chunk)))
        connection.execute(delete(RunRow).where(RunRow.id.in_(chunk)))
    for row_type, column in ((PropertyRow, PropertyRow.outcome_id), (ObjectRow, ObjectRow.outcome_id)):
        connection.execute(delete(row_type).where(column.not_in(_used(ResultRow.outcome_id))))
    connection.execute(delete(OutcomeRow).where(OutcomeRow.id.not_in(_used(ResultRow.outcome_id))))
    documents = (_used(ResultRow.prediction_id), _used(ResultRow.log_id))
    connection.execute(delete(DocumentRow).where(*(DocumentRow.id.not_in(used) for used in documents)))
    connection.execute(delete(ArtefactRow).where(ArtefactRow.sha256.not_in(_used(ResultArtefactRow.sha256))))
    return len(runs)


def _used(column: InstrumentedAttribute[Any]) -> Select[Any]:
    # Without NULLs: NOT IN a list with one is never true.
    return select(column).where(column.is_not(None))


def _chunks(ids: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(ids), _CHUNK):
        yield ids[start : start + _CHUNK]
