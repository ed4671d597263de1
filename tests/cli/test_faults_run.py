# SPDX-License-Identifier: Apache-2.0
"""Runs of real kernels that are killed, and two at once: nothing is left, nothing done twice, nothing lost."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from qualify.model import Status
from tests.cli.faults import PATIENCE, Lab, missing

pytestmark = [pytest.mark.vm, pytest.mark.skipif(bool(missing()), reason=missing() or "-")]

CELLS = ("kexec-metadata", "reserve-mem-page")


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    made = Lab(tmp_path)
    made.matrix(scenarios=CELLS)
    return made


def rows(lab: Lab) -> list[tuple[int, str, str]]:
    """(id, scenario, status) of every result."""
    if not lab.db.exists():
        return []
    query = "select result.id, scenario, status from result join cell on cell.id = result.cell_id order by result.id"
    with closing(sqlite3.connect(f"file:{lab.db}?mode=ro", uri=True)) as connection:
        try:
            return list(connection.execute(query))
        except sqlite3.OperationalError:  # not made yet
            return []


def second_boot(lab: Lab, run: subprocess.Popen[str]) -> psutil.Process:
    """Once the first cell is stored and the machine of the second one runs."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        assert run.poll() is None, run.communicate()
        if rows(lab) and (machines := lab.machines(run)):
            return machines[0]
        time.sleep(0.02)
    raise AssertionError("the second machine never ran")


def gone(process: psutil.Process) -> bool:
    try:
        process.wait(timeout=PATIENCE)
    except psutil.TimeoutExpired:
        return False
    return True


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name)
def test_a_run_that_is_ended_amid_a_boot_is_resumed(lab: Lab, number: signal.Signals) -> None:
    run = lab.start("--no-share", "--jobs", "1")
    machine = second_boot(lab, run)
    machine.suspend()  # or it is done before the signal has come through
    workers = psutil.Process(run.pid).children(recursive=True)
    os.kill(run.pid, number)
    run.communicate()
    assert all(gone(process) for process in (machine, *workers))
    before = rows(lab)
    assert [status for _, _, status in before] == [Status.DONE]
    again = lab.run("--no-share", "--json")
    told = json.loads(again.stdout)
    assert (again.status, told["executed"], told["kept"], told["boots"]) == (0, 1, 1, 1)
    after = rows(lab)
    assert after[:1] == before
    assert sorted(scenario for _, scenario, _ in after) == sorted(CELLS)
    assert lab.left() == []


def test_a_worker_that_is_killed_takes_its_machine_along(lab: Lab) -> None:
    run = lab.start("--no-share", "--jobs", "1")
    machine = second_boot(lab, run)
    worker = machine.parent()
    assert worker is not None
    worker.kill()
    assert gone(machine)
    outcome = lab.ended(run)
    assert outcome.status == 0, "it may have been innocent: it is run alone, and is"
    assert [status for _, _, status in rows(lab)] == [Status.DONE] * 2
    assert lab.left() == []


def test_two_runs_at_once_on_one_database(lab: Lab) -> None:
    first = lab.start("--no-share", "--jobs", "1")
    machine = second_boot(lab, first)
    machine.suspend()  # for as long as the second takes to come to it
    second = lab.run()
    machine.resume()
    assert (second.status, second.stdout) == (2, "")
    assert str(lab.db) in second.stderr
    assert f"process {first.pid}" in second.stderr
    assert machine.is_running(), "the first is not disturbed"
    assert lab.ended(first).status == 0
    assert [status for _, _, status in rows(lab)] == [Status.DONE] * 2
    assert lab.left() == []
