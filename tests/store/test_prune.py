# SPDX-License-Identifier: Apache-2.0
"""Pruning beside those who use the store: no row ever names a file that is not there, and nothing is left for good."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, select

from qualify.matrix import Cell
from qualify.store import (
    Artefact,
    CellKeys,
    Pruned,
    ResultRecord,
    RunWriter,
    Store,
    export_store,
    merge_store,
    open_store,
    prune_store,
)
from qualify.store.models import ArtefactRow

Begin = Callable[..., RunWriter]
KEYS = CellKeys(Cell("A", "B", "baseline", "simulator"), "1" * 64)


def _put(store: Store, folder: Path, text: str) -> Artefact:
    (folder / "log").write_text(text)
    return store.artefacts.put(folder / "log", "log")


def _record(store: Store, begin: Begin, uid: str, record: ResultRecord, *kept: Artefact) -> None:
    begin(store, uid, KEYS).record([(replace(record, artefacts=kept), [KEYS])])


def _files(store: Store) -> list[str]:
    return sorted(p.read_text() for p in store.artefacts.folder.rglob("*") if p.is_file())


def _dangling(store: Store) -> list[str]:
    with store.session() as session:
        return [sha for sha in session.scalars(select(ArtefactRow.sha256)) if not store.artefacts.path(sha).exists()]


def _prune(store: Store) -> Pruned:
    return prune_store(store, datetime.now(UTC))


def test_a_file_that_a_run_found_there_stays_for_its_row(
    store: Store, begin: Begin, record: ResultRecord, tmp_path: Path
) -> None:
    _record(store, begin, "old", record, _put(store, tmp_path, "x"))
    _record(store, begin, "new", record)
    with open_store(tmp_path / "a.sqlite") as running, running.artefacts.in_use():
        found = _put(running, tmp_path, "x")
        assert _prune(store) == Pruned(results=1, runs=1, artefacts=1, waiting=1)
        _record(running, begin, "running", record, found)
    assert _dangling(store) == []
    assert store.artefacts.read(found.sha256) == b"x"


def test_what_waited_and_what_killed_runs_left_goes_the_next_time(
    store: Store, begin: Begin, record: ResultRecord, tmp_path: Path
) -> None:
    _record(store, begin, "old", record, _put(store, tmp_path, "waits"))
    _record(store, begin, "new", record, _put(store, tmp_path, "named"))
    with store.artefacts.in_use():
        _prune(store)
    _put(store, tmp_path, "never named")
    store.artefacts.path("ab").parent.mkdir(exist_ok=True)
    (store.artefacts.path("ab").parent / f".{'a' * 32}").write_text("half written")
    (store.artefacts.path("ab").parent / "note").write_text("somebody's own")
    prune_store(store, datetime.now(UTC), dry_run=True)
    assert len(_files(store)) == 5
    assert _prune(store) == Pruned(results=0, runs=0, artefacts=0, waiting=0)
    assert _files(store) == ["named", "somebody's own"]
    assert _dangling(store) == []


def test_nothing_to_remove_needs_no_folder(store: Store, begin: Begin, record: ResultRecord) -> None:
    _record(store, begin, "old", record)
    _record(store, begin, "new", record)
    assert _prune(store) == Pruned(results=1, runs=1, artefacts=0, waiting=0)
    assert not store.artefacts.folder.exists()


@pytest.mark.parametrize("side", ["into", "other"])
def test_merges_use_both_stores(store: Store, begin: Begin, record: ResultRecord, tmp_path: Path, side: str) -> None:
    with open_store(tmp_path / "b.sqlite") as other:
        _record(other, begin, "theirs", record, _put(other, tmp_path, "x"))
        assert _free_during(store if side == "into" else other, other, lambda: merge_store(store, other)) == {False}


def test_exports_use_the_store(store: Store, begin: Begin, record: ResultRecord, tmp_path: Path) -> None:
    _record(store, begin, "a", record, _put(store, tmp_path, "x"))
    assert _free_during(store, store, lambda: export_store(store, StringIO())) == {False}


def _free_during(looked_at: Store, reads: Store, what: Callable[[], object]) -> set[bool]:
    """Whether `looked_at` was unused at any statement in which `what` reads from `reads`."""
    seen: set[bool] = set()

    def look(*_: Any) -> None:
        with looked_at.artefacts.unused() as free:
            seen.add(free)

    event.listen(reads.engine, "after_cursor_execute", look)
    try:
        what()
    finally:
        event.remove(reads.engine, "after_cursor_execute", look)
    with looked_at.artefacts.unused() as free:
        assert free
    return seen
