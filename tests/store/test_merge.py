# SPDX-License-Identifier: Apache-2.0
"""Merging: everything arrives, twice changes nothing, ids are made new and pointers follow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, select

from qualify.errors import StoreError
from qualify.matrix import Cell
from qualify.model import Verdict
from qualify.store import (
    CellKeys,
    Merged,
    ResultRecord,
    RunWriter,
    Store,
    dump_log,
    load_artefacts,
    load_latest,
    load_objects,
    merge_store,
    open_store,
)
from qualify.store.models import Base

Begin = Callable[..., RunWriter]


def _keys(source: str, target: str, digest: str) -> CellKeys:
    return CellKeys(Cell(source, target, "baseline", "simulator"), digest * 64)


def _dump(store: Store) -> dict[str, list[Any]]:
    with store.engine.connect() as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(select(table))]
            for table in Base.metadata.sorted_tables
        }


def _fill(store: Store, begin: Begin, uid: str, record: ResultRecord, *cells: CellKeys) -> RunWriter:
    writer = begin(store, uid, *cells)
    writer.record([(record, cells)])
    writer.finish({"cells": len(cells)})
    return writer


def test_everything_arrives_and_pointers_follow(
    store: Store, begin: Begin, record: ResultRecord, tmp_path: Path
) -> None:
    ours, theirs = _keys("A", "B", "1"), (_keys("B", "C", "2"), _keys("A", "C", "2"))
    _fill(store, begin, "ours", record, ours)
    (tmp_path / "log").write_text("x")
    with open_store(tmp_path / "b.sqlite") as other:
        kept = other.artefacts.put(tmp_path / "log", "log")
        other_record = replace(record, verdict="PANIC", artefacts=(kept,), log=None)
        _fill(other, begin, "theirs", other_record, *theirs)
        assert merge_store(store, other) == Merged(runs=1, results=2, artefacts=1)
    with store.session() as session:
        found = load_latest(session, [ours.cell, *(k.cell for k in theirs)])
        ran, shared = found[theirs[0].cell], found[theirs[1].cell]
        assert load_artefacts(session, [ran.result_id])[ran.result_id] == (kept,)
        assert len(load_objects(session, [ran.outcome_id or 0])[ran.outcome_id or 0]) == 2
    assert found[ours.cell].verdict is Verdict.REFUSED
    assert (ran.verdict, shared.verdict) == (Verdict.PANIC, Verdict.PANIC)
    assert shared.shared_from == ran.result_id
    assert (ran.log_id, ran.outcome_id) == (None, found[ours.cell].outcome_id)
    assert store.artefacts.read(kept.sha256) == b"x"


def test_merging_twice_adds_nothing(store: Store, begin: Begin, record: ResultRecord, tmp_path: Path) -> None:
    with open_store(tmp_path / "b.sqlite") as other:
        _fill(other, begin, "theirs", record, _keys("A", "B", "1"), _keys("A", "C", "1"))
        merge_store(store, other)
        once = _dump(store)
        assert merge_store(store, other) == Merged(runs=0, results=0, artefacts=0)
        assert _dump(store) == once


def test_merging_back_and_forth_makes_both_equal_in_what_they_know(
    store: Store, begin: Begin, record: ResultRecord, tmp_path: Path
) -> None:
    _fill(store, begin, "ours", record, _keys("A", "B", "1"))
    with open_store(tmp_path / "b.sqlite") as other:
        _fill(other, begin, "theirs", replace(record, verdict="LOST"), _keys("A", "B", "1"))
        merge_store(store, other)
        assert merge_store(other, store) == Merged(runs=1, results=1, artefacts=0)
        cell = Cell("A", "B", "baseline", "simulator")
        for side in (store, other):
            with side.session() as session:
                assert load_latest(session, [cell])[cell].verdict is Verdict.LOST  # the newer of the two


def test_a_run_that_went_on_after_a_merge_is_completed_by_the_next(
    store: Store, begin: Begin, record: ResultRecord, tmp_path: Path
) -> None:
    first, second = _keys("A", "B", "1"), _keys("A", "C", "2")
    with open_store(tmp_path / "b.sqlite") as other:
        writer = begin(other, "theirs", first, second)
        writer.record([(record, [first])])
        assert merge_store(store, other) == Merged(runs=1, results=1, artefacts=0)
        writer.record([(record, [second])])
        writer.finish({"cells": 2})
        assert merge_store(store, other) == Merged(runs=0, results=1, artefacts=0)
    assert len(_dump(store)["run_end"]) == 1


def test_a_database_that_is_being_written_is_merged_as_it_was_at_one_moment(
    store: Store, begin: Begin, record: ResultRecord, tmp_path: Path
) -> None:
    """A run that begins and records between any two statements of the merge: all of it or nothing arrives."""
    with open_store(tmp_path / "b.sqlite") as other, open_store(tmp_path / "b.sqlite") as theirs:
        _fill(other, begin, "first", record, _keys("A", "B", "1"))
        later: list[RunWriter] = []

        def write(*_: Any) -> None:
            cell = _keys("B", "C", "2")
            if len(later) < 40:
                later.append(begin(theirs, f"later-{len(later)}", cell))
                later[-1].record([(replace(record, log=dump_log([str(len(later))])), [cell])])

        event.listen(other.engine, "after_cursor_execute", write)
        merged = merge_store(store, other)
        event.remove(other.engine, "after_cursor_execute", write)
        assert len(later) > 10
        assert merged.runs == merged.results <= 2  # what was there when the first rows were read
        rest = 1 + len(later) - merged.runs
        assert merge_store(store, other) == Merged(runs=rest, results=rest, artefacts=0)


def test_the_merge_reads_by_the_one_moment(
    store: Store, begin: Begin, record: ResultRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Store] = []
    snapshots = Store._snapshots

    def noted(self: Store) -> Any:
        asked.append(self)
        return snapshots(self)

    with open_store(tmp_path / "b.sqlite") as other:
        _fill(other, begin, "theirs", record, _keys("A", "B", "1"))
        monkeypatch.setattr(Store, "_snapshots", noted)
        merge_store(store, other)
        assert asked == [other]


def test_a_damaged_artefact_is_told_and_nothing_is_merged(
    store: Store, begin: Begin, record: ResultRecord, tmp_path: Path
) -> None:
    (tmp_path / "log").write_text("x")
    with open_store(tmp_path / "b.sqlite") as other:
        kept = other.artefacts.put(tmp_path / "log", "log")
        _fill(other, begin, "theirs", replace(record, artefacts=(kept,)), _keys("A", "B", "1"))
        other.artefacts.path(kept.sha256).write_text("y")
        before = _dump(store)
        with pytest.raises(StoreError, match=f"b.sqlite.artefacts/.*{kept.sha256}: artefact is damaged"):
            merge_store(store, other)
        assert _dump(store) == before
        other.artefacts.remove(kept.sha256)
        assert merge_store(store, other) == Merged(runs=1, results=1, artefacts=0)


def test_merging_into_itself_changes_nothing(store: Store, begin: Begin, record: ResultRecord) -> None:
    _fill(store, begin, "ours", record, _keys("A", "B", "1"))
    before = _dump(store)
    assert merge_store(store, store) == Merged(runs=0, results=0, artefacts=0)
    assert _dump(store) == before
