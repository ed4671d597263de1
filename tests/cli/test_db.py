# SPDX-License-Identifier: Apache-2.0
"""`qualify db upgrade|merge|export|import|prune`."""

from __future__ import annotations

import base64
import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from typer.testing import Result

from qualify.matrix import Cell
from qualify.store import (
    CellKeys,
    NewRun,
    ReleaseKey,
    ResultRecord,
    RunWriter,
    ScenarioKey,
    load_artefacts,
    load_latest,
    open_store,
)
from qualify.store.revisions import HEAD, REVISIONS, migrate

Cli = Callable[..., Result]
CELL = Cell("A", "B", "baseline", "simulator")


def _fill(path: Path, uid: str, verdict: str, *, shared: bool = False, log: str = "") -> None:
    now = datetime.now(UTC)
    with open_store(path) as store:
        run = NewRun(uid, "m", "1" * 64, "2" * 64, "0.1.0", None, now, {})
        releases = [ReleaseKey(label, label.lower() * 64, "2" * 64, "read") for label in "AB"]
        writer = RunWriter(store, run, releases, [ScenarioKey("baseline", "3" * 64)])
        cells = [CellKeys(CELL, "d" * 64)] + (
            [CellKeys(Cell("B", "B", "baseline", "simulator"), "d" * 64)] if shared else []
        )
        writer.register(cells)
        artefacts = ()
        if log:
            (path.parent / "console.log").write_text(log)
            artefacts = (store.artefacts.put(path.parent / "console.log", "console.log"),)
        writer.record([(ResultRecord("DONE", verdict, "simulated", "", now, "box", artefacts=artefacts), cells)])
        writer.finish({"cells": len(cells)})


def _verdict(path: Path) -> str:
    with open_store(path, create=False) as store, store.session() as session:
        return str(load_latest(session, [CELL])[CELL].verdict)


def _results(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        return int(db.execute("SELECT count(*) FROM result").fetchone()[0])


def test_upgrade(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite"
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        migrate(connection, REVISIONS[0])
    engine.dispose()
    result = cli("db", "upgrade", "--db", path)
    assert (result.exit_code, result.stdout) == (0, f"{path}: upgraded from revision {REVISIONS[0]} to {HEAD}\n")
    assert cli("db", "upgrade", "--db", path).stdout == f"{path}: is up to date (revision {HEAD})\n"
    again = json.loads(cli("db", "upgrade", "--db", path, "--json").stdout)
    assert again == {"db": str(path), "before": HEAD, "after": HEAD}


def test_upgrading_what_is_not_there(cli: Cli, tmp_path: Path) -> None:
    result = cli("db", "upgrade", "--db", tmp_path / "none.sqlite")
    assert result.exit_code == 2
    assert "there is no such database" in result.stderr


def test_merge(cli: Cli, tmp_path: Path) -> None:
    _fill(tmp_path / "a.sqlite", "a", "LOST")
    _fill(tmp_path / "b.sqlite", "b", "PANIC", log="x")
    result = cli("db", "merge", "a.sqlite", "b.sqlite", "--db", "all.sqlite")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "a.sqlite: 1 run, 1 result and 0 artefacts were new",
        "b.sqlite: 1 run, 1 result and 1 artefact were new",
    ]
    assert _verdict(tmp_path / "all.sqlite") == "PANIC"
    again = json.loads(cli("db", "merge", "a.sqlite", "--db", "all.sqlite", "--json").stdout)
    assert again == {"db": "all.sqlite", "merged": [{"from": "a.sqlite", "runs": 0, "results": 0, "artefacts": 0}]}


@pytest.mark.parametrize("contents", [None, b"no database at all, but long enough to be one" * 100])
def test_merging_what_cannot_be_read(cli: Cli, tmp_path: Path, contents: bytes | None) -> None:
    if contents is not None:
        (tmp_path / "b.sqlite").write_bytes(contents)
    result = cli("db", "merge", "b.sqlite", "--db", "all.sqlite")
    assert result.exit_code == 2
    assert ("no such database" if contents is None else "is not an SQLite database") in result.stderr
    assert not (tmp_path / "all.sqlite").exists()


def test_a_merge_that_fails_half_way_leaves_nothing(cli: Cli, tmp_path: Path) -> None:
    """The second database is damaged where opening it does not look."""
    _fill(tmp_path / "a.sqlite", "a", "LOST", log="x")
    _fill(tmp_path / "b.sqlite", "b", "PANIC")
    with closing(sqlite3.connect(tmp_path / "b.sqlite")) as db, db:
        db.execute("DROP TABLE document")
    before = sorted(os.listdir(tmp_path))
    result = cli("db", "merge", "a.sqlite", "b.sqlite", "--db", "all.sqlite")
    assert (result.exit_code, result.stderr) == (2, "qualify: sqlite:///b.sqlite: no such table: document\n")
    assert sorted(os.listdir(tmp_path)) == before


def test_export_and_import_carry_everything(cli: Cli, tmp_path: Path) -> None:
    _fill(tmp_path / "a.sqlite", "a", "LOST", shared=True, log="the console")
    result = cli("db", "export", "a.jsonl", "--db", "a.sqlite")
    assert result.exit_code == 0
    assert result.stdout == f"wrote a.jsonl ({len((tmp_path / 'a.jsonl').read_text().splitlines())} lines)\n"
    result = cli("db", "import", "a.jsonl", "--db", "b.sqlite")
    assert result.stdout == "a.jsonl: 1 run, 2 results and 1 artefact were new\n"
    with open_store(tmp_path / "b.sqlite") as store, store.session() as session:
        found = load_latest(session, [CELL])[CELL]
        (kept,) = load_artefacts(session, [found.result_id])[found.result_id]
        assert (found.verdict, store.artefacts.read(kept.sha256)) == ("LOST", b"the console")
    again = json.loads(cli("db", "import", "a.jsonl", "--db", "b.sqlite", "--json").stdout)
    assert again == {"db": "b.sqlite", "file": "a.jsonl", "runs": 0, "results": 0, "artefacts": 0}


def test_an_export_of_an_import_is_the_same(cli: Cli, tmp_path: Path) -> None:
    _fill(tmp_path / "a.sqlite", "a", "LOST", shared=True, log="the console")
    cli("db", "export", "a.jsonl", "--db", "a.sqlite")
    cli("db", "import", "a.jsonl", "--db", "b.sqlite")
    assert cli("db", "export", "-", "--db", "b.sqlite").stdout == (tmp_path / "a.jsonl").read_text()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: [], "is not an export of qualify; 'qualify db export' writes them"),
        (lambda lines: ['{"a": 1}'], "is not an export of qualify; 'qualify db export' writes them"),
        (lambda lines: ["name: m"], "is not an export of qualify, or was cut short"),
        (lambda lines: ["[]"], "is not an export of qualify, or was cut short: expected an object"),
        (lambda lines: [*lines[:-1], lines[-1][:20]], "is not an export of qualify, or was cut short"),
        (lambda lines: [lines[0].replace(HEAD, "9999"), *lines[1:]],
         f"was exported at revision 9999, this qualify reads {HEAD}"),
        (lambda lines: [*lines, '{"table": "nonsense", "row": {}}'], "is not a row of an export: KeyError('nonsense')"),
        (lambda lines: [*lines, '{"table": "run", "row": {}}'], "is not a row of an export: KeyError('id')"),
        (lambda lines: [*lines, '{"artefact": "00", "data": "AA=="}'], "the artefact's contents do not match its name"),
        (lambda lines: [*lines, lines[1]], "UNIQUE constraint failed"),
    ],
)  # fmt: skip
def test_a_broken_export_changes_nothing(
    cli: Cli, tmp_path: Path, change: Callable[[list[str]], list[str]], message: str
) -> None:
    _fill(tmp_path / "a.sqlite", "a", "LOST")
    cli("db", "export", "a.jsonl", "--db", "a.sqlite")
    lines = (tmp_path / "a.jsonl").read_text().splitlines()
    (tmp_path / "bad.jsonl").write_text("\n".join(change(lines)))
    _fill(tmp_path / "b.sqlite", "b", "PANIC")
    result = cli("db", "import", "bad.jsonl", "--db", "b.sqlite")
    assert result.exit_code == 2
    assert message in result.stderr
    assert cli("db", "import", "bad.jsonl", "--db", "new.sqlite").exit_code == 2
    assert not (tmp_path / "new.sqlite").exists()
    assert (_results(tmp_path / "b.sqlite"), _verdict(tmp_path / "b.sqlite")) == (1, "PANIC")


def test_an_export_that_is_not_there(cli: Cli) -> None:
    result = cli("db", "import", "none.jsonl", "--db", "b.sqlite")
    assert (result.exit_code, result.stderr) == (2, "qualify: none.jsonl: cannot be read: No such file or directory\n")


def test_exporting_to_nowhere_leaves_nothing(cli: Cli, tmp_path: Path) -> None:
    _fill(tmp_path / "a.sqlite", "a", "LOST")
    result = cli("db", "export", "none/a.jsonl", "--db", "a.sqlite")
    assert (result.exit_code, result.stderr) == (
        2,
        "qualify: cannot write none/a.jsonl: No such file or directory; give another path\n",
    )


def test_a_damaged_artefact_is_not_exported(cli: Cli, tmp_path: Path) -> None:
    _fill(tmp_path / "a.sqlite", "a", "LOST", log="x")
    (file,) = (p for p in (tmp_path / "a.sqlite.artefacts").rglob("*") if p.is_file())
    file.write_text("y")
    result = cli("db", "export", "a.jsonl", "--db", "a.sqlite")
    assert result.exit_code == 2
    assert "artefact is damaged" in result.stderr
    assert [name for name in os.listdir(tmp_path) if "jsonl" in name] == []


def test_prune_forgets_what_was_replaced_and_keeps_the_latest(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    _fill(path, "a", "LOST", log="first")
    _fill(path, "b", "PANIC", log="second")
    assert cli("db", "prune", "--older-than", "1d", "--db", path).stdout == "forgot 0 results, 0 runs and 0 artefacts\n"
    dry = cli("db", "prune", "--older-than", "0d", "--dry-run", "--db", path)
    assert dry.stdout == "would forget 1 result, 1 run and 1 artefact\n"
    assert _results(path) == 2
    done = json.loads(cli("db", "prune", "--older-than", "0d", "--json", "--db", path).stdout)
    assert done == {"db": str(path), "dry_run": False, "results": 1, "runs": 1, "artefacts": 1}
    assert (_results(path), _verdict(path)) == (1, "PANIC")
    files = [p.read_text() for p in (tmp_path / "a.sqlite.artefacts").rglob("*") if p.is_file()]
    assert files == ["second"]


def test_prune_keeps_the_run_that_a_latest_result_shares(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    _fill(path, "a", "LOST", shared=True)
    _fill(path, "b", "PANIC")
    assert cli("db", "prune", "--older-than", "0d", "--db", path).stdout == "forgot 0 results, 0 runs and 0 artefacts\n"
    assert _results(path) == 3


@pytest.mark.parametrize("age", ["soon", "3", "3w", "-1d", ""])
def test_an_age_that_is_none(cli: Cli, age: str) -> None:
    result = cli("db", "prune", f"--older-than={age}")
    assert result.exit_code == 2
    assert f"--older-than '{age}' is no age; give a number with d, h or m, such as 30d" in result.stderr


def test_an_age_before_the_calendar(cli: Cli) -> None:
    result = cli("db", "prune", "--older-than", "99999999d")
    assert (result.exit_code, result.stderr) == (
        2,
        "qualify: --older-than '99999999d' reaches back before the calendar\n",
    )


def test_artefacts_travel_as_base64(cli: Cli, tmp_path: Path) -> None:
    _fill(tmp_path / "a.sqlite", "a", "LOST", log="the console")
    last = json.loads(cli("db", "export", "-", "--db", tmp_path / "a.sqlite").stdout.splitlines()[-1])
    assert base64.b64decode(last["data"]) == b"the console"
