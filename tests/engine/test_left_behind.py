# SPDX-License-Identifier: Apache-2.0
"""However a cell, a worker or a run ends, it leaves no process, no file and no half of a row."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from tests.engine.bench import Bench

ROOT = Path(__file__).parents[2]
RUN = """
import json, sys
from pathlib import Path
from qualify.backends import Needs
from qualify.engine import plan, run_matrix
from qualify.matrix import Matrix
from qualify.scenario import Scenario
from qualify.schema import load
from qualify.store import open_store
from tests.engine.bench import Bench

rules, timeout = json.loads(sys.argv[1]), float(sys.argv[2])
region = {"kind": "reserve-mem", "name": "r", "size": "64KiB", "at": "0x30000000"}
plain = [{"id": name, "title": "t", "purpose": "p", "objects": [region]} for name in ("one", "two", "three")]
scenarios = {p["id"]: Scenario.model_validate(p) for p in plain}
matrix = {"name": "m", "title": "M", "scenarios": list(scenarios), "backends": ["bench"], "releases": ["7.3.4"]}
bench = Bench(Path("notes"), rules, loners=frozenset(scenarios))
planned = plan(Matrix.model_validate(matrix), load(), scenarios, registry=lambda _: bench)
with open_store("a.sqlite") as store:
    try:
        summary = run_matrix(planned, store, jobs=3, retries=0, timeout=timeout)
    except KeyboardInterrupt:
        sys.exit(130)
print(json.dumps(summary.statuses), summary.kept)
"""


class Run:
    """A run in a process of its own, in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "t").mkdir()
        self.bench = Bench(folder / "notes")

    def start(self, rules: str, timeout: float = 3600) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "TMPDIR": str(self.folder / "t"), "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", RUN, rules, str(timeout)]
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command, cwd=self.folder, env=environment, stdout=pipe, stderr=pipe, start_new_session=True
        )

    def workers(self) -> list[int]:
        return [n["pid"] for n in self.bench.told if "pid" in n]

    def await_children(self, count: int) -> list[int]:
        """Until the backends have started so many, and the rest of the cells is stored."""
        deadline = time.monotonic() + 60
        while len(self.bench.children) < count or self.rows() < 3 - count:
            assert time.monotonic() < deadline, self.bench.told
            time.sleep(0.02)
        children = self.bench.children
        assert all(map(_alive, children))
        return children

    def rows(self) -> int:
        try:
            with closing(sqlite3.connect(f"file:{self.folder / 'a.sqlite'}?mode=ro", uri=True)) as connection:
                return int(connection.execute("SELECT count(*) FROM result").fetchone()[0])
        except sqlite3.OperationalError:
            return 0

    def check_rows(self) -> None:
        with closing(sqlite3.connect(self.folder / "a.sqlite")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []

    def temporary(self) -> list[str]:
        return [p.name for p in (self.folder / "t").iterdir()]


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _all_gone(pids: list[int]) -> bool:
    deadline = time.monotonic() + 10
    while any(map(_alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not any(map(_alive, pids))


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    made = Run(tmp_path)
    yield made
    for pid in made.bench.children:  # of a test that failed
        if _alive(pid):
            os.kill(pid, signal.SIGKILL)


HANG = '{"alone one": ["child-hang"], "alone two": ["child-hang"]}'


@pytest.mark.parametrize(("what", "status"), [("child", "DONE"), ("child-hang", "TIMEOUT"), ("child-die", "ERROR")])
def test_a_cell_leaves_none(run: Run, what: str, status: str) -> None:
    process = run.start(f'{{"alone one": ["{what}"]}}', timeout=3)
    out, errors = process.communicate()
    assert process.returncode == 0, errors
    assert f'"{status}": {3 if status == "DONE" else 1}' in out.decode()
    assert run.bench.children
    assert _all_gone(run.bench.children)
    assert run.temporary() == []
    run.check_rows()


def test_a_worker_that_is_killed_leaves_none(run: Run) -> None:
    process = run.start('{"alone one": ["child-hang", ""]}')
    (child,) = run.await_children(1)
    os.kill(psutil.Process(child).ppid(), signal.SIGKILL)
    out, _ = process.communicate()
    assert out == b'{"DONE": 3} 0\n'
    assert _all_gone([child, *run.workers()])
    assert run.temporary() == []
    run.check_rows()


@pytest.mark.parametrize("times", [1, 2, 50])
def test_an_interrupted_run_leaves_none(run: Run, times: int) -> None:
    """Also when somebody leans on the key: what clears up is not interrupted in turn."""
    process = run.start(HANG)
    children = run.await_children(2)
    for _ in range(times):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does
            time.sleep(0.002)
    _, errors = process.communicate()
    # Once the clearing up is done an interrupt may strike as ever: Python then ends by the signal itself.
    assert process.returncode in ((130,) if times == 1 else (130, -signal.SIGINT, 1)), errors
    assert _all_gone([*children, *run.workers()])
    assert run.temporary() == []
    assert run.rows() == 1
    run.check_rows()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_run_leaves_what_the_next_clears(run: Run, number: signal.Signals) -> None:
    process = run.start(HANG)
    children = run.await_children(2)
    process.send_signal(number)
    process.communicate()
    assert _all_gone([*children, *run.workers()])
    assert run.rows() == 1
    run.check_rows()
    out, errors = run.start("{}").communicate()
    assert out == b'{"DONE": 3} 1\n', errors
    assert run.temporary() == []
