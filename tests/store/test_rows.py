# SPDX-License-Identifier: Apache-2.0
"""What is written comes back, latest first, shared where it was shared, in few queries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, func, select

from qualify.errors import StoreError
from qualify.matrix import Cell
from qualify.model import Consequence, Evidence, Outcome, Prediction, Status, Verdict
from qualify.store import (
    Artefact,
    CellKeys,
    ResultRecord,
    RunWriter,
    Store,
    load_artefacts,
    load_latest,
    load_logs,
    load_objects,
    load_predictions,
    load_reusable,
)
from qualify.store.models import DocumentRow, ObjectRow, OutcomeRow, PropertyRow, ResultRow, RunEndRow, RunRow

Begin = Callable[..., RunWriter]
DIGEST = "d" * 64


def _keys(source: str, target: str, digest: str = DIGEST) -> CellKeys:
    return CellKeys(Cell(source, target, "baseline", "simulator"), digest)


def _count(store: Store, row: Any) -> int:
    with store.session() as session:
        return session.scalar(select(func.count()).select_from(row)) or 0


def test_a_result_comes_back_as_it_was(
    store: Store, begin: Begin, record: ResultRecord, outcome: Outcome, prediction: Prediction
) -> None:
    cell = _keys("A", "B")
    begin(store, "r1", cell).record([(record, [cell])])
    with store.session() as session:
        found = load_latest(session, [cell.cell])[cell.cell]
        objects = load_objects(session, [found.outcome_id or 0])[found.outcome_id or 0]
        assert load_predictions(session, [found.prediction_id or 0]) == {found.prediction_id: prediction}
        assert load_logs(session, [found.log_id or 0]) == {found.log_id: outcome.log}
    assert (found.status, found.verdict, found.evidence) == (Status.DONE, Verdict.REFUSED, Evidence.SIMULATED)
    assert (found.detail, found.machine, found.measured) == (record.detail, "box", record.measured)
    assert found.consequences == frozenset({Consequence.LEAKED})
    assert (found.timings, found.counters) == (outcome.timings, outcome.counters)
    assert found.predicted == {Verdict.LOST, Verdict.REFUSED}
    assert (found.predicted_worst, found.agrees) == (Verdict.LOST, True)
    assert (found.shared_from, found.input_digest) == (None, DIGEST)
    for stored, judged in zip(objects, outcome.objects, strict=True):
        seen = judged.observation
        assert (stored.object_id, stored.component, stored.errno) == (seen.object_id, seen.component, seen.errno)
        assert (stored.interface, stored.reply) == (seen.interface, seen.reply)
        assert (stored.verdict, stored.why) == (judged.verdict, judged.why)
        assert (stored.consequences, stored.notes) == (seen.consequences, seen.notes)
        assert stored.properties == seen.properties
        assert stored.predicted == {judged.verdict}


def test_cells_that_share_a_run_point_at_it(store: Store, begin: Begin, record: ResultRecord) -> None:
    cells = [_keys("A", "B"), _keys("A", "C"), _keys("B", "C")]
    begin(store, "r1", *cells).record([(record, cells)])
    with store.session() as session:
        found = load_latest(session, [k.cell for k in cells])
    first, *others = (found[k.cell] for k in cells)
    assert first.shared_from is None
    assert [o.shared_from for o in others] == [first.result_id] * 2
    assert [o.timings for o in others] == [{}, {}]
    assert {o.outcome_id for o in others} == {first.outcome_id}


def test_what_results_have_in_common_is_stored_once(store: Store, begin: Begin, record: ResultRecord) -> None:
    cells = [_keys("A", "B", "1" * 64), _keys("A", "C", "2" * 64)]
    begin(store, "r1", *cells).record([(record, [cells[0]]), (record, [cells[1]])])
    begin(store, "r2", *cells).record([(record, [cells[0]])])
    assert [_count(store, row) for row in (ResultRow, OutcomeRow, ObjectRow, PropertyRow, DocumentRow)] == [
        3,
        1,
        2,
        2,
        2,
    ]


def test_the_latest_result_counts_and_history_stays(store: Store, begin: Begin, record: ResultRecord) -> None:
    cell = _keys("A", "B")
    begin(store, "r1", cell).record([(record, [cell])])
    begin(store, "r2", cell).record([(replace(record, verdict="CORRUPT"), [cell])])
    with store.session() as session:
        assert load_latest(session, [cell.cell])[cell.cell].verdict is Verdict.CORRUPT
        assert session.scalars(select(ResultRow.verdict).order_by(ResultRow.id)).all() == ["REFUSED", "CORRUPT"]


def test_a_cell_that_never_ran_has_no_latest_result(store: Store, begin: Begin) -> None:
    cell = _keys("A", "B")
    begin(store, "r1", cell)
    with store.session() as session:
        assert load_latest(session, [cell.cell]) == {}


def test_other_cells_stay_out_of_the_answer(store: Store, begin: Begin, record: ResultRecord) -> None:
    cells = [_keys("A", "B"), _keys("B", "A")]
    begin(store, "r1", *cells).record([(record, cells)])
    with store.session() as session:
        assert set(load_latest(session, [cells[1].cell])) == {cells[1].cell}


def test_a_cell_has_one_result_per_run(store: Store, begin: Begin, record: ResultRecord) -> None:
    cell = _keys("A", "B")
    writer = begin(store, "r1", cell)
    writer.record([(record, [cell])])
    with pytest.raises(StoreError, match="UNIQUE constraint failed"):
        writer.record([(record, [cell])])


def test_further_attempts_are_of_runs_that_name_the_first(store: Store, begin: Begin, record: ResultRecord) -> None:
    cells = _keys("A", "B"), _keys("B", "A")
    writer = begin(store, "r1", *cells)
    changed = replace(record, verdict="CORRUPT")
    writer.record([(record, [cells[0]]), (changed, [cells[0]]), (record, [cells[1]])], [0, 1, 0])
    writer.record([(record, [cells[0]])], [2])
    writer.finish({"cells": 2})
    with store.session() as session:
        runs = session.scalars(select(RunRow).order_by(RunRow.id)).all()
        found = session.execute(select(ResultRow.run_id, ResultRow.verdict).order_by(ResultRow.id)).all()
        latest = load_latest(session, [cells[0].cell])[cells[0].cell]
    assert [(run.host.get("attempt"), run.host.get("of")) for run in runs] == [(None, None), (2, "r1"), (3, "r1")]
    assert sorted(tuple(row) for row in found) == sorted(
        [(1, record.verdict), (1, record.verdict), (2, "CORRUPT"), (3, record.verdict)]
    )
    assert (latest.run_id, _count(store, RunEndRow)) == (3, 3)
    with pytest.raises(StoreError, match="UNIQUE constraint failed"):
        writer.record([(record, [cells[0]])], [2])


def test_a_group_is_written_whole_or_not_at_all(store: Store, begin: Begin, record: ResultRecord) -> None:
    cell, again = _keys("A", "B"), _keys("A", "B", "e" * 64)
    with pytest.raises(StoreError):
        begin(store, "r1", cell).record([(record, [cell, again])])
    assert [_count(store, row) for row in (ResultRow, OutcomeRow, ObjectRow, DocumentRow)] == [0, 0, 0, 0]


def test_only_done_results_can_be_reused(store: Store, begin: Begin, record: ResultRecord) -> None:
    done, broken = _keys("A", "B", "1" * 64), _keys("A", "C", "2" * 64)
    failed = ResultRecord("ERROR", None, "simulated", "broke", record.measured, "box")
    begin(store, "r1", done, broken).record([(record, [done]), (failed, [broken])])
    with store.session() as session:
        assert set(load_reusable(session, ["1" * 64, "2" * 64, "3" * 64])) == {"1" * 64}


def test_a_reused_result_keeps_the_time_of_its_measurement(store: Store, begin: Begin, record: ResultRecord) -> None:
    old, new = _keys("A", "B"), _keys("B", "C")
    shared = _keys("A", "C")
    begin(store, "r1", old, shared).record([(record, [old, shared])])
    with store.session() as session:
        first = load_latest(session, [old.cell])[old.cell]
        origin = load_latest(session, [shared.cell])[shared.cell]
    begin(store, "r2", new).reuse([(origin.result_id, [new])])
    with store.session() as session:
        found = load_latest(session, [new.cell])[new.cell]
    assert found.shared_from == first.result_id  # and not the row that shared it too
    assert (found.measured, found.verdict, found.predicted) == (first.measured, first.verdict, first.predicted)
    assert (found.outcome_id, found.prediction_id, found.log_id) == (
        first.outcome_id,
        first.prediction_id,
        first.log_id,
    )
    assert found.created > origin.created
    assert (found.timings, found.counters) == ({}, {})


def test_artefacts_are_listed_with_the_result_that_left_them(
    store: Store, begin: Begin, record: ResultRecord, tmp_path: Path
) -> None:
    (tmp_path / "console.log").write_text("panic")
    kept = store.artefacts.put(tmp_path / "console.log", "console.log")
    cells = [_keys("A", "B"), _keys("A", "C")]
    begin(store, "r1", *cells).record([(replace(record, artefacts=(kept,)), cells)])
    with store.session() as session:
        results = [r.result_id for r in load_latest(session, [k.cell for k in cells]).values()]
        assert load_artefacts(session, results) == {min(results): (Artefact("console.log", kept.sha256, 5),)}


def test_a_run_ends_with_a_row_of_its_own(store: Store, begin: Begin) -> None:
    writer = begin(store, "r1")
    assert (_count(store, RunRow), _count(store, RunEndRow)) == (1, 0)
    writer.finish({"executed": 3})
    with store.session() as session:
        assert session.scalars(select(RunEndRow.summary)).all() == [{"executed": 3}]


def test_reading_a_matrix_takes_a_fixed_number_of_queries(store: Store, begin: Begin, record: ResultRecord) -> None:
    cells = [_keys(s, t, f"{i:064x}") for i, (s, t) in enumerate((s, t) for s in "ABC" for t in "ABC")]
    writer = begin(store, "r1", *cells)
    for cell in cells:
        writer.record([(record, [cell])])
    with _queries(store) as seen, store.session() as session:
        found = load_latest(session, [k.cell for k in cells])
        load_objects(session, {r.outcome_id for r in found.values() if r.outcome_id})
        load_predictions(session, {r.prediction_id for r in found.values() if r.prediction_id})
    assert len(found) == 9
    assert len([statement for statement in seen if statement.startswith("SELECT")]) == 4


def test_foreign_keys_are_enforced(store: Store) -> None:
    with pytest.raises(StoreError, match="FOREIGN KEY"), store.writing() as connection:
        connection.exec_driver_sql("INSERT INTO run_end VALUES (99, '2026-01-01', '{}')")


def test_the_session_does_not_write(store: Store) -> None:
    with store.session() as session:
        session.add(OutcomeRow(digest="0" * 64))
        session.flush()
    assert _count(store, OutcomeRow) == 0


@contextmanager
def _queries(store: Store) -> Iterator[list[str]]:
    seen: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        seen.append(statement)

    event.listen(store.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(store.engine, "before_cursor_execute", note)
