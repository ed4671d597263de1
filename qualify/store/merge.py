# SPDX-License-Identifier: Apache-2.0
"""Merging databases. Rows are recognised by what they say, not by their ids: merging twice adds nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, Row, Table, insert, select

from qualify.store.database import Store
from qualify.store.models import (
    ArtefactRow,
    Base,
    CellRow,
    DocumentRow,
    ObjectRow,
    OutcomeRow,
    PropertyRow,
    ReleaseRow,
    ResultArtefactRow,
    ResultRow,
    RunEndRow,
    RunRow,
    ScenarioRow,
)
from qualify.store.writer import insert_or_ignore, inserted_id

__all__ = ["Merged", "merge_store", "merge_stores"]

#: Tables that stand alone, with the columns that say whether two rows are the same.
_NATURAL: dict[type[Base], tuple[str, ...]] = {
    RunRow: ("uid",),
    ReleaseRow: ("label", "fingerprint", "schema_digest"),
    ScenarioRow: ("name", "digest"),
    CellRow: ("source", "target", "scenario", "backend"),
    DocumentRow: ("digest",),
    OutcomeRow: ("digest",),
}
#: Columns of a result that point at those tables.
_POINTERS: dict[str, type[Base]] = {
    "run_id": RunRow,
    "cell_id": CellRow,
    "source_id": ReleaseRow,
    "target_id": ReleaseRow,
    "scenario_id": ScenarioRow,
    "outcome_id": OutcomeRow,
    "prediction_id": DocumentRow,
    "log_id": DocumentRow,
}
_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Merged:
    """How many rows were new."""

    runs: int
    results: int
    artefacts: int

    def as_dict(self) -> dict[str, int]:
        return asdict(self)


def merge_store(into: Store, other: Store) -> Merged:
    """Copy what `other` has and `into` has not."""
    return merge_stores(into, [other])[0]


def merge_stores(into: Store, others: Sequence[Store]) -> list[Merged]:
    """Copy what `others` have and `into` has not: all of it or nothing. Files come first, so that no row ever names one
    that is not there. `others` may be written to meanwhile: each is read as it was at one moment.
    """
    merged = []
    with ExitStack() as stack:
        stack.enter_context(into.artefacts.in_use())
        for other in others:
            stack.enter_context(other.artefacts.in_use(make=False))
        sources = [stack.enter_context(other.reading()) for other in others]
        files = [_adopt(into, other, source) for other, source in zip(others, sources, strict=True)]
        target = stack.enter_context(into.writing())
        for source, count in zip(sources, files, strict=True):
            merged.append(_merge_rows(target, source, count))
    return merged


def _adopt(into: Store, other: Store, source: Connection) -> int:
    shas = source.execute(select(ArtefactRow.sha256)).scalars().all()
    return sum(into.artefacts.adopt(other.artefacts, sha256) for sha256 in shas)


def _merge_rows(target: Connection, source: Connection, files: int) -> Merged:
    maps: dict[type[Base], dict[int, int]] = {}
    new: dict[type[Base], set[int]] = {}
    for row_type, natural in _NATURAL.items():
        maps[row_type], new[row_type] = _merge_table(target, source, row_type, natural)
    for row_type in (ObjectRow, PropertyRow):
        _copy(target, source, row_type, "outcome_id", maps[OutcomeRow], new[OutcomeRow])
    artefacts = [dict(row._mapping) for row in source.execute(select(_table(ArtefactRow)))]
    # A run that was merged while it went on may have ended since.
    ends = [dict(row._mapping) for row in source.execute(select(_table(RunEndRow)))]
    ends = [end | {"run_id": maps[RunRow][end["run_id"]]} for end in ends]
    for row_type, rows in ((ArtefactRow, artefacts), (RunEndRow, ends)):
        if rows:
            target.execute(insert_or_ignore(target, row_type), rows)
    results = _merge_results(target, source, maps)
    return Merged(len(new[RunRow]), results, files)


def _merge_table(
    target: Connection, source: Connection, row_type: type[Base], natural: tuple[str, ...]
) -> tuple[dict[int, int], set[int]]:
    """(id there -> id here, the ids there of rows that were new)."""
    table = _table(row_type)
    keys = [table.c[name] for name in natural]
    here = {tuple(row[1:]): row[0] for row in target.execute(select(table.c.id, *keys))}
    there = {tuple(row[1:]): row[0] for row in source.execute(select(table.c.id, *keys))}
    new = {row_id for key, row_id in there.items() if key not in here}
    if new:
        for rows in _batches(row for row in source.execute(select(table)) if row.id in new):
            target.execute(insert(table), [_without_id(row) for row in rows])
        here = {tuple(row[1:]): row[0] for row in target.execute(select(table.c.id, *keys))}
    return {row_id: here[key] for key, row_id in there.items()}, new


def _copy(
    target: Connection, source: Connection, row_type: type[Base], owner: str, ids: dict[int, int], new: set[int]
) -> None:
    """Rows that belong to others: copied with their owner, or there already."""
    table = _table(row_type)
    for rows in _batches(row for row in source.execute(select(table)) if row._mapping[owner] in new):
        values = [dict(row._mapping) for row in rows]
        target.execute(insert(table), [row | {owner: ids[row[owner]]} for row in values])


def _merge_results(target: Connection, source: Connection, maps: dict[type[Base], dict[int, int]]) -> int:
    table = _table(ResultRow)
    places = select(table.c.run_id, table.c.cell_id, table.c.id)
    here = {(run, cell): row_id for run, cell, row_id in target.execute(places)}
    ids: dict[int, int] = {}
    added: set[int] = set()
    # In order of id, a result comes after the one whose run it shares.
    for row in source.execute(select(table).order_by(table.c.id)):
        values = _without_id(row)
        for column, owner in _POINTERS.items():
            if values[column] is not None:
                values[column] = maps[owner][values[column]]
        known = here.get((values["run_id"], values["cell_id"]))
        if known is None:
            if values["shared_from"] is not None:
                values["shared_from"] = ids[values["shared_from"]]
            known = inserted_id(target.execute(insert(table).values(values)))
            added.add(row.id)
        ids[row.id] = known
    _copy(target, source, ResultArtefactRow, "result_id", ids, added)
    return len(added)


def _table(row_type: type[Base]) -> Table:
    table = row_type.__table__
    assert isinstance(table, Table)
    return table


def _without_id(row: Row[Any]) -> dict[str, Any]:
    return {name: value for name, value in row._mapping.items() if name != "id"}


def _batches(rows: Iterable[Row[Any]]) -> Iterator[list[Row[Any]]]:
    batch: list[Row[Any]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
