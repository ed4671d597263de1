# SPDX-License-Identifier: Apache-2.0
"""`qualify run`, end to end on the simulator: what it prints, writes and answers; killed, interrupted, resumed."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from qualify.backends.simulator import SimulatorBackend
from qualify.model import Alternative, Prediction, Verdict

Cli = Callable[..., Result]

SMALL = """\
name: small
title: Two releases
releases: ["7.2.13", "7.3.4"]
scenarios: [baseline]
"""

# Enough cells that a run can be caught half way.
MANY = """\
name: many
title: Many cells
releases: ["6.18.15", "7.1.13", "7.3.4"]
scenarios: {tags: {exclude: [large]}}
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    return path


def _rows(db: Path) -> dict[tuple[str, ...], tuple[int, str]]:
    """Cell -> (row, when it was written)."""
    query = "SELECT source, target, scenario, r.id, created FROM result r JOIN cell c ON c.id = r.cell_id"
    with closing(sqlite3.connect(f"file:{db}?mode=ro", uri=True)) as connection:
        return {tuple(row[:3]): (row[3], row[4]) for row in connection.execute(query)}


def _count(db: Path) -> int:
    try:
        return len(_rows(db))
    except sqlite3.OperationalError:
        return 0


def test_it_prints_the_matrix_and_the_path_of_the_report_last(cli: Cli, small: Path, tmp_path: Path) -> None:
    result = cli("run", small, "--db", "q.sqlite", "--report", "out/r.html")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[-1] == "out/r.html"
    assert "4 cells: " in lines[-3]
    assert re.fullmatch(r"[\d.]+ s in all, [\d.]+ s running \(\d+ cells/s\)", lines[-2])
    assert "verdicts: RESTORED 4" in lines
    assert "disagreements: 0; predictions of more than two verdicts: 0; not measured: 0" in lines
    grid = [line for line in lines if line.startswith(("7.2.13", "7.3.4"))]
    assert [line.split() for line in grid][:2] == [["7.2.13", "ok", "ok"], ["7.3.4", "ok", "ok"]]
    assert "\x1b" not in result.stdout
    assert (tmp_path / "out" / "r.html").read_text().lstrip().startswith("<!DOCTYPE html>")


def test_where_things_go_by_default(cli: Cli, small: Path, tmp_path: Path) -> None:
    assert cli("run", small).stdout.splitlines()[-1] == str(tmp_path / "data" / "qualify" / "small.html")
    assert (tmp_path / "data" / "qualify" / "qualify.sqlite").is_file()
    (tmp_path / "reports").mkdir()
    assert cli("run", small).stdout.splitlines()[-1] == "reports/small.html"
    assert (tmp_path / "reports" / "qualify.sqlite").is_file()


def test_a_second_run_keeps_everything(cli: Cli, small: Path, tmp_path: Path) -> None:
    cli("run", small, "--db", "q.sqlite")
    before = _rows(tmp_path / "q.sqlite")
    result = cli("run", small, "--db", "q.sqlite")
    assert "4 cells: 0 run, 0 shared, 0 from earlier runs, 4 known before" in result.stdout
    assert _rows(tmp_path / "q.sqlite") == before


def test_json(cli: Cli, small: Path) -> None:
    result = cli("run", small, "--db", "q.sqlite", "--json", "--no-share", "--jobs", "1")
    shown = json.loads(result.stdout)
    assert (shown["matrix"], shown["cells"], shown["executed"], shown["shared"]) == ("small", 4, 4, 0)
    assert (shown["verdicts"], shown["statuses"]) == ({"RESTORED": 4}, {"DONE": 4})
    assert (shown["disagreements"], shown["failures"], shown["vague"]) == ([], [], 0)
    assert (shown["db"], shown["report"]) == ("q.sqlite", "small.html")
    assert shown["total_seconds"] >= shown["seconds"] > 0


def test_junit_by_suffix(cli: Cli, small: Path, tmp_path: Path) -> None:
    assert cli("run", small, "--db", "q.sqlite", "--report", "r.xml").exit_code == 0
    assert "<testsuites" in (tmp_path / "r.xml").read_text()


def test_fresh_runs_all_anew(cli: Cli, small: Path) -> None:
    cli("run", small, "--db", "q.sqlite")
    assert json.loads(cli("run", small, "--db", "q.sqlite", "--fresh", "--json").stdout)["kept"] == 0


def test_another_seed_is_another_input(cli: Cli, small: Path) -> None:
    cli("run", small, "--db", "q.sqlite")
    assert json.loads(cli("run", small, "--db", "q.sqlite", "--seed", "5", "--json").stdout)["kept"] == 0


def test_an_empty_matrix_is_3(cli: Cli, small: Path, tmp_path: Path) -> None:
    small.write_text(SMALL.replace('["7.2.13", "7.3.4"]', "{series: '5.4'}"))
    result = cli("run", small, "--db", "q.sqlite")
    assert result.exit_code == 3
    assert result.stderr == "qualify: matrix 'small' selects no release: nothing in the schema fits 'releases'\n"
    told = json.loads(cli("run", small, "--db", "q.sqlite", "--json").stdout)
    assert told["error"]["exit_status"] == 3
    assert not (tmp_path / "q.sqlite").exists()


def test_a_disagreement_is_1_and_is_shown_first(cli: Cli, small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = Prediction((Alternative(Verdict.PANIC),), (), ())
    monkeypatch.setattr("qualify.engine.worker.decide", lambda *_: wrong)
    result = cli("run", small, "--db", "q.sqlite")
    assert result.exit_code == 1
    assert "disagreements: 4; " in result.stdout
    assert result.stdout.index("DISAGREE") < result.stdout.index("baseline\n")


def test_an_error_is_4_even_beside_a_disagreement(cli: Cli, small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = Prediction((Alternative(Verdict.PANIC),), (), ())
    monkeypatch.setattr("qualify.engine.worker.decide", lambda *_: wrong)
    _break(monkeypatch)
    result = cli("run", small, "--db", "q.sqlite")
    assert result.exit_code == 4
    assert "not measured: 7.2.13 → 7.3.4, baseline on simulator" in result.stdout
    assert "verdicts: RESTORED 3" in result.stdout


def _break(monkeypatch: pytest.MonkeyPatch) -> None:
    good = SimulatorBackend.run

    def broken(self: SimulatorBackend, cell: Any, workdir: Path) -> Any:
        if (cell.source.label, cell.target.label) == ("7.2.13", "7.3.4"):
            raise OSError("no space for the dump")
        return good(self, cell, workdir)

    monkeypatch.setattr(SimulatorBackend, "run", broken)


def test_errors_are_never_verdicts_and_are_tried_again(
    cli: Cli, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        _break(patch)
        assert cli("run", small, "--db", "q.sqlite").exit_code == 4
    with closing(sqlite3.connect(tmp_path / "q.sqlite")) as db:
        found = db.execute("SELECT status, verdict, detail FROM result WHERE status <> 'DONE'").fetchall()
    assert [row[:2] for row in found] == [("ERROR", None)]
    assert found[0][2].startswith("OSError: no space for the dump")
    result = cli("run", small, "--db", "q.sqlite", "--json")
    assert (result.exit_code, json.loads(result.stdout)["executed"]) == (0, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "upsteam"], "there is no matrix 'upsteam'"),
        (["run", "none.yaml"], "none.yaml: no such file"),
        (["run", "small.yaml", "--backend", "simulatr"], "there is no backend 'simulatr'\n    did you mean simulator?"),
        (["run", "small.yaml", "--db", "small.yaml"], "small.yaml: is not an SQLite database that can be read"),
        (["run", "small.yaml", "--db", "q.sqlite", "--report", "small.yaml/r.html"], "cannot write small.yaml/r.html"),
        (["run", "small.yaml", "--db", "q.sqlite", "--report", "/proc/r.html"], "cannot write /proc/r.html"),
        (["run", "small.yaml", "--db", "q.html", "--report", "q.html"], "it belongs to the database q.html"),
        (["run", "small.yaml", "--db", "small.html"], "cannot write small.html: it belongs to the database small.html"),
        (["run", "small.yaml", "--db", ""], "--db is empty (a variable that is not set?)"),
        (["run", "small.yaml", "--seed", str(1 << 63)], "Invalid value for '--seed'"),
        (["run", "small.yaml", "--schema", "none.yaml"], "none.yaml: no such file"),
        (["run", "small.yaml", "--scenarios", "none.yaml"], "none.yaml: no such file"),
    ],
)
def test_bad_input_is_2_and_runs_nothing(
    cli: Cli, small: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    result = cli(*arguments)
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["small.yaml"]


def test_the_largest_seed(cli: Cli, small: Path) -> None:
    assert cli("run", small, "--db", "q.sqlite", "--seed", str((1 << 63) - 1)).exit_code == 0


def test_mistakes_of_file_names_and_options_are_told_in_one_go(cli: Cli, small: Path) -> None:
    small.write_text(SMALL.replace("[baseline]", "[basline]") + "pears: all\nbackends: [simulatr]\n")
    said = cli("run", small, "--db", "q.sqlite").stderr.replace(str(small), "F")
    places = [line for line in said.removeprefix("qualify: ").splitlines() if not line.startswith("  ")]
    assert places == [
        "F:4:13: there is no scenario 'basline'",
        "F:5:1: unknown key 'pears'",
        "F:6:12: there is no backend 'simulatr'",
    ]
    said = cli("run", small, "--db", "q.sqlite", "--backend", "simulator", "--backend", "qemuu").stderr
    assert "there is no backend 'qemuu'" in said
    assert "simulatr'" not in said
    assert "there is no scenario 'basline'" in said


def test_a_backend_can_be_named(cli: Cli, small: Path) -> None:
    small.write_text(SMALL + "backends: [another]\n")
    assert cli("run", small, "--db", "q.sqlite").exit_code == 2
    assert cli("run", small, "--db", "q.sqlite", "--backend", "simulator").exit_code == 0


def _start(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    (folder / "many.yaml").write_text(MANY)
    code = "from qualify.cli.main import main; main()"
    command = [sys.executable, "-c", code, "run", "many.yaml", "--db", "q.sqlite", "--jobs", "2", *arguments]
    # A session of its own: signals that the test sends must not reach the test.
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)


def _half_way(process: subprocess.Popen[bytes], db: Path) -> None:
    """Wait until some cells are stored and more are to come."""
    deadline = time.monotonic() + 60
    while _count(db) < 20:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)


def _group_members(group: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(fields[2]) == group and fields[0] != "Z":
                found.append(int(entry.name))
    return found


@pytest.fixture
def killed(tmp_path: Path) -> dict[tuple[str, ...], tuple[int, str]]:
    """A run that was killed half way; the rows that it left."""
    process = _start(tmp_path)
    _half_way(process, tmp_path / "q.sqlite")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return _rows(tmp_path / "q.sqlite")


def test_after_a_kill_the_next_run_does_the_rest_and_only_that(
    cli: Cli, tmp_path: Path, killed: dict[tuple[str, ...], tuple[int, str]]
) -> None:
    db = tmp_path / "q.sqlite"
    result = cli("run", tmp_path / "many.yaml", "--db", db, "--json")
    summary = json.loads(result.stdout)
    after = _rows(db)
    assert 20 <= len(killed) < summary["cells"]
    assert summary["kept"] == len(killed)
    assert summary["executed"] + summary["shared"] + summary["reused"] == summary["cells"] - len(killed)
    assert len(after) == summary["cells"]
    assert {cell: after[cell] for cell in killed} == killed  # the very rows, not written again
    assert summary["statuses"] == {"DONE": summary["cells"]}
    with closing(sqlite3.connect(db)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        assert connection.execute("SELECT count(*) FROM run").fetchone() == (2,)
        assert connection.execute("SELECT count(*) FROM run_end").fetchone() == (1,)


def test_a_killed_run_leaves_no_processes(tmp_path: Path) -> None:
    process = _start(tmp_path)
    _half_way(process, tmp_path / "q.sqlite")
    assert len(_group_members(process.pid)) == 3
    process.send_signal(signal.SIGKILL)
    process.communicate()  # also waits for the workers: they hold the same pipes
    deadline = time.monotonic() + 10
    while _group_members(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert _group_members(process.pid) == []


def test_an_interrupt_is_130_and_keeps_what_had_ended(cli: Cli, tmp_path: Path) -> None:
    process = _start(tmp_path)
    _half_way(process, tmp_path / "q.sqlite")
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to parent and workers alike
    out, errors = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, b"")
    assert errors.decode() == "qualify: interrupted; what had ended is stored, the same command does the rest\n"
    kept = len(_rows(tmp_path / "q.sqlite"))
    summary = json.loads(cli("run", tmp_path / "many.yaml", "--db", tmp_path / "q.sqlite", "--json").stdout)
    assert (summary["kept"], summary["statuses"]) == (kept, {"DONE": summary["cells"]})


def test_a_second_run_on_a_database_is_told_of_the_first(tmp_path: Path) -> None:
    """Side by side, each would run every cell."""
    racers = [_start(tmp_path, "--json", "--report", f"{n}.html") for n in range(2)]
    ended = [racer.communicate(timeout=300) for racer in racers]
    first, second = sorted(range(2), key=lambda n: racers[n].returncode)
    assert (racers[first].returncode, racers[second].returncode) == (0, 2), ended
    summary = json.loads(ended[first][0])
    assert (summary["statuses"], summary["kept"]) == ({"DONE": summary["cells"]}, 0)
    said = ended[second][1].decode()
    assert f"another run is at work on it: process {racers[first].pid} on " in said
    assert "matrix 'many'" in said
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"{first}.html", "many.yaml", "q.sqlite"]


def test_on_a_terminal_there_is_a_progress_bar_and_colour(small: Path, tmp_path: Path) -> None:
    code = "from qualify.cli.main import main; main()"
    command = [sys.executable, "-c", code, "run", "small.yaml", "--db", "q.sqlite"]
    environment = {k: v for k, v in os.environ.items() if k != "NO_COLOR"} | {"TERM": "xterm", "COLUMNS": "100"}
    master, slave = os.openpty()
    process = subprocess.Popen(command, cwd=tmp_path, stdin=slave, stdout=slave, stderr=slave, env=environment)
    os.close(slave)
    shown = b""
    try:
        while piece := os.read(master, 65536):
            shown += piece
    except OSError:  # how Linux says that the other side of a terminal is closed
        pass
    finally:
        os.close(master)
    assert process.wait(timeout=60) == 0
    text = shown.decode()
    assert re.search(r"4/4.*0:00:0\d.*0:00:00", text)  # done/total, elapsed, to go
    assert "\x1b[32mok" in text
    assert text.splitlines()[-1] == "small.html"
