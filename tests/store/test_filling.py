# SPDX-License-Identifier: Apache-2.0
"""Databases made to be filled: filled, or not there."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from qualify.errors import StoreError
from qualify.store import RunWriter, Store, filling, merge_stores, open_store
from tests.store.conftest import keys


def fail(location: Path, before: Callable[[Store], object] = lambda store: None) -> None:
    """Begin to fill a database, and fail after `before`."""
    with filling(location) as store:
        before(store)
        raise StoreError("no")


def test_a_failure_takes_away_what_was_made_for_it(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("x")
    with pytest.raises(StoreError, match="no"):
        fail(tmp_path / "new.sqlite", lambda store: store.artefacts.put(tmp_path / "log", "log"))
    assert os.listdir(tmp_path) == ["log"]


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    open_store(tmp_path / "old.sqlite").close()
    with pytest.raises(StoreError, match="no"):
        fail(tmp_path / "old.sqlite")
    assert os.listdir(tmp_path) == ["old.sqlite"]


def test_a_failure_leaves_what_another_process_has_used_meanwhile(
    tmp_path: Path, begin: Callable[..., RunWriter]
) -> None:
    def use(_: Store) -> None:
        with open_store(tmp_path / "new.sqlite") as other:
            begin(other, "a", keys("A", "B"))

    with pytest.raises(StoreError, match="no"):
        fail(tmp_path / "new.sqlite", use)
    assert os.listdir(tmp_path) == ["new.sqlite"]


def test_of_several_databases_all_are_merged_or_none(
    tmp_path: Path, store: Store, begin: Callable[..., RunWriter]
) -> None:
    with open_store(tmp_path / "b.sqlite") as good, open_store(tmp_path / "c.sqlite") as bad:
        begin(good, "b", keys("A", "B"))
        with bad.writing() as connection:
            connection.exec_driver_sql("DROP TABLE document")
        with pytest.raises(StoreError, match=r"c\.sqlite: no such table: document"):  # the one at fault is named
            merge_stores(store, [good, bad])
        with store.session() as session:
            assert session.connection().exec_driver_sql("SELECT count(*) FROM run").scalar() == 0
        assert [m.runs for m in merge_stores(store, [good, good])] == [1, 0]
