# SPDX-License-Identifier: Apache-2.0
"""Reading where nothing can be written: read-only media, or somebody else's folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from qualify.errors import StoreError
from qualify.store import open_store
from tests.unprivileged import without_rights


@pytest.fixture
def sealed(tmp_path: Path) -> Iterator[Path]:
    """A database with one outcome in a folder that nobody can write to."""
    folder = tmp_path / "medium with 100% of it"
    with open_store(folder / "a.sqlite") as store, store.writing() as connection:
        connection.exec_driver_sql("INSERT INTO outcome (digest) VALUES ('x')")
    folder.chmod(0o555)
    yield folder / "a.sqlite"
    folder.chmod(0o755)


def outcomes(location: str | Path) -> list[str]:
    with open_store(location, create=False, reading=True) as store, store.session() as session:
        return list(session.connection().exec_driver_sql("SELECT digest FROM outcome").scalars())


def complaint(location: str | Path, *, reading: bool) -> str:
    try:
        with open_store(location, create=False, reading=reading) as store, store.writing() as connection:
            connection.exec_driver_sql("INSERT INTO outcome (digest) VALUES ('y')")
    except StoreError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("prefix", ["", "sqlite:///"])
def test_it_can_be_read_where_nothing_can_be_written(sealed: Path, prefix: str) -> None:
    assert without_rights(lambda: outcomes(f"{prefix}{sealed}")) == ["x"]
    assert os.listdir(sealed.parent) == ["a.sqlite"]


def test_a_file_that_cannot_be_written_can_be_read_too(sealed: Path) -> None:
    sealed.parent.chmod(0o755)
    sealed.chmod(0o444)
    assert without_rights(lambda: outcomes(sealed)) == ["x"]


def test_writing_there_says_why_it_cannot_be(sealed: Path) -> None:
    said = without_rights(lambda: complaint(sealed, reading=False))
    assert "attempt to write a readonly database; it or its folder cannot be written" in said


@pytest.mark.parametrize("index", [True, False])
def test_what_is_only_in_the_log_is_never_left_out(sealed: Path, tmp_path: Path, index: bool) -> None:
    """The medium was copied while somebody wrote: with the log's index it can be read, without it nobody says yes."""
    copy = tmp_path / "copy"
    sealed.parent.chmod(0o755)
    with open_store(sealed) as store:
        with store.writing() as connection:
            connection.exec_driver_sql("INSERT INTO outcome (digest) VALUES ('only in the log')")
        shutil.copytree(sealed.parent, copy)
    if not index:
        (copy / "a.sqlite-shm").unlink()
    copy.chmod(0o555)
    if index:
        assert without_rights(lambda: outcomes(copy / "a.sqlite")) == ["x", "only in the log"]
    else:
        said = without_rights(lambda: complaint(copy / "a.sqlite", reading=True))
        assert "unable to open database file; it or its folder cannot be read and written" in said
    copy.chmod(0o755)
