# SPDX-License-Identifier: Apache-2.0
"""Writing one run. Core inserts only: a large matrix is thousands of small transactions."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, CursorResult, Insert, Select, Table, func, insert, literal, select
from sqlalchemy.dialects import postgresql, sqlite

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
from qualify.store.records import CellKeys, Document, NewRun, ReleaseKey, ResultRecord, ScenarioKey, StoredObjects

__all__ = ["RunWriter", "insert_or_ignore", "inserted_id"]


def insert_or_ignore(connection: Connection, row: type[Base]) -> Insert:
    """INSERT that leaves an existing row alone, in the words of the database at hand."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(row).on_conflict_do_nothing()
    return sqlite.insert(row).on_conflict_do_nothing()


def inserted_id(result: CursorResult[Any]) -> int:
    """The id that an INSERT of one row was given."""
    key = result.inserted_primary_key
    assert key is not None
    return int(key[0])


class RunWriter:
    """Writes the rows of one run. Every call is one transaction: it happened or it did not."""

    def __init__(
        self, store: Store, run: NewRun, releases: Iterable[ReleaseKey], scenarios: Iterable[ScenarioKey]
    ) -> None:
        self._store = store
        self._cells: dict[tuple[str, str, str, str], int] = {}
        self._known: dict[tuple[type[Base], str], int] = {}
        self._run = {name: getattr(run, name) for name in NewRun.__slots__}
        with store.writing() as connection:
            self.run_id: int = inserted_id(connection.execute(insert(RunRow).values(self._run)))
            self._runs = [self.run_id]
            self._releases = {key.label: _intern(connection, ReleaseRow, key) for key in releases}
            self._scenarios = {key.name: _intern(connection, ScenarioRow, key) for key in scenarios}

    def register(self, cells: Sequence[CellKeys]) -> None:
        """Make the rows of the cells that this run is about to fill."""
        with self._store.writing() as connection:
            rows = [{"source": k.cell.source, "target": k.cell.target, "scenario": k.cell.scenario,
                     "backend": k.cell.backend} for k in cells]  # fmt: skip
            if rows:
                connection.execute(insert_or_ignore(connection, CellRow), rows)
            wanted = select(CellRow.source, CellRow.target, CellRow.scenario, CellRow.backend, CellRow.id)
            self._cells = {(s, t, c, b): i for s, t, c, b, i in connection.execute(wanted)}

    def record(
        self, groups: Sequence[tuple[ResultRecord, Sequence[CellKeys]]], attempts: Sequence[int] | None = None
    ) -> None:
        """One result for every cell of every group; the first of a group ran, the others share its run.

        A run has one result of a cell. Further attempts (`attempts`, by group: how many the cell had before) are of
        runs of their own, which name the first: so databases with them merge like all others.
        """
        numbers = attempts or [0] * len(groups)
        if not groups:
            return
        with self._store.writing() as connection:
            for number in sorted(set(numbers)):
                part = [group for group, n in zip(groups, numbers, strict=True) if n == number]
                self._record(connection, part, self._run_of(connection, number))

    def _record(
        self, connection: Connection, groups: Sequence[tuple[ResultRecord, Sequence[CellKeys]]], run_id: int
    ) -> None:
        rows = [self._row(connection, record) | {"run_id": run_id} for record, _ in groups]
        ran = [self._identity(cells[0]) | row for row, (_, cells) in zip(rows, groups, strict=True)]
        # Ids come back in no order; within a run, a cell has one result.
        returned = connection.execute(insert(ResultRow).returning(ResultRow.cell_id, ResultRow.id), ran)
        ids = {row.cell_id: row.id for row in returned}
        sharing: list[dict[str, Any]] = []
        for first, row, (record, cells) in zip(ran, rows, groups, strict=True):
            result_id = ids[first["cell_id"]]
            self._artefacts(connection, result_id, record)
            shared = row | {"shared_from": result_id, "timings": {}, "counters": {}}
            sharing += [self._identity(keys) | shared for keys in cells[1:]]
        if sharing:
            connection.execute(insert(ResultRow), sharing)

    def _run_of(self, connection: Connection, attempt: int) -> int:
        while len(self._runs) <= attempt:
            host = self._run["host"] | {"attempt": len(self._runs) + 1, "of": self._run["uid"]}
            values = self._run | {"uid": uuid.uuid4().hex, "started": datetime.now(UTC), "host": host}
            self._runs.append(inserted_id(connection.execute(insert(RunRow).values(values))))
        return self._runs[attempt]

    def reuse(self, groups: Sequence[tuple[int, Sequence[CellKeys]]]) -> None:
        """Results that share a run already stored: (its result's id, cells)."""
        with self._store.writing() as connection:
            for result_id, cells in groups:
                for keys in cells:
                    connection.execute(_copy_result(result_id, self._identity(keys)))

    def finish(self, summary: dict[str, Any]) -> None:
        """Mark the run as ended, with those of its further attempts."""
        with self._store.writing() as connection:
            finished = datetime.now(UTC)
            rows = [{"run_id": run_id, "finished": finished, "summary": summary} for run_id in self._runs]
            connection.execute(insert(RunEndRow), rows)

    def _identity(self, keys: CellKeys) -> dict[str, Any]:
        cell = keys.cell
        return {
            "run_id": self.run_id,
            "cell_id": self._cells[cell.source, cell.target, cell.scenario, cell.backend],
            "source_id": self._releases[cell.source],
            "target_id": self._releases[cell.target],
            "scenario_id": self._scenarios[cell.scenario],
            "input_digest": keys.input_digest,
            "created": datetime.now(UTC),
        }

    def _row(self, connection: Connection, record: ResultRecord) -> dict[str, Any]:
        """The columns that a result has in common with those that share its run."""
        return {
            "status": record.status,
            "verdict": record.verdict,
            "evidence": record.evidence,
            "detail": record.detail,
            "consequences": record.consequences,
            "timings": record.timings,
            "counters": record.counters,
            "predicted_worst": record.predicted_worst,
            "predicted": record.predicted,
            "agrees": record.agrees,
            "machine": record.machine,
            "measured": record.measured,
            "shared_from": None,
            "outcome_id": self._outcome(connection, record.outcome),
            "prediction_id": self._document(connection, record.prediction),
            "log_id": self._document(connection, record.log),
        }

    def _document(self, connection: Connection, document: Document | None) -> int | None:
        if document is None:
            return None
        known = self._known.get((DocumentRow, document.digest))
        if known is None:
            values = {"digest": document.digest, "body": document.body}
            known, _ = self._remember(connection, DocumentRow, values)
        return known

    def _outcome(self, connection: Connection, outcome: StoredObjects | None) -> int | None:
        if outcome is None:
            return None
        known = self._known.get((OutcomeRow, outcome.digest))
        if known is not None:
            return known
        outcome_id, new = self._remember(connection, OutcomeRow, {"digest": outcome.digest})
        if new:
            for row_type, rows in ((ObjectRow, outcome.objects), (PropertyRow, outcome.properties)):
                if rows:
                    connection.execute(insert(row_type), [{**row, "outcome_id": outcome_id} for row in rows])
        return outcome_id

    def _remember(
        self, connection: Connection, row: type[DocumentRow] | type[OutcomeRow], values: dict[str, str]
    ) -> tuple[int, bool]:
        """(id, whether it is new); another process may have stored the same contents before."""
        made = connection.scalar(insert_or_ignore(connection, row).values(values).returning(row.id))
        row_id = made
        if row_id is None:
            row_id = connection.scalars(select(row.id).where(row.digest == values["digest"])).one()
        self._known[row, values["digest"]] = row_id
        return row_id, made is not None

    def _artefacts(self, connection: Connection, result_id: int, record: ResultRecord) -> None:
        for artefact in record.artefacts:
            values = {"sha256": artefact.sha256, "size": artefact.size}
            connection.execute(insert_or_ignore(connection, ArtefactRow), values)
            link = {"result_id": result_id, "name": artefact.name, "sha256": artefact.sha256}
            connection.execute(insert(ResultArtefactRow).values(link))


def _intern(connection: Connection, row: type[ReleaseRow] | type[ScenarioRow], key: ReleaseKey | ScenarioKey) -> int:
    """The id of the row with these values, made if need be."""
    values = {name: getattr(key, name) for name in key.__slots__}
    connection.execute(insert_or_ignore(connection, row), values)
    unique = {name: value for name, value in values.items() if name != "provenance"}
    return connection.execute(select(row.id).filter_by(**unique)).scalar_one()


def _copy_result(result_id: int, identity: dict[str, Any]) -> Insert:
    """A new row that shares the run of an old one, or of the one that the old one shared."""
    table: Table = ResultRow.__table__  # type: ignore[assignment]
    replaced = identity | {"timings": {}, "counters": {}}
    kept = [c for c in table.columns if c.name not in {"id", "shared_from", *replaced}]
    origin = select(table.c.id).where(table.c.id == result_id, table.c.shared_from.is_(None)).scalar_subquery()
    older = select(table.c.shared_from).where(table.c.id == result_id).scalar_subquery()
    columns: list[Any] = [literal(value, table.c[name].type).label(name) for name, value in replaced.items()]
    source: Select[Any] = select(*kept, *columns, func.coalesce(origin, older)).where(table.c.id == result_id)
    return insert(table).from_select([*(c.name for c in kept), *replaced, "shared_from"], source)
