# SPDX-License-Identifier: Apache-2.0
"""One run at a time on a database, whatever becomes of the run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from qualify.errors import StoreError
from qualify.store import run_lock

HOLDER = """
import sys
from qualify.store import run_lock
with run_lock(sys.argv[1], "matrix 'm'"):
    print("held", flush=True)
    sys.stdin.read()
"""


def hold(location: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLDER, str(location)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_one_is_told_who_holds_it(tmp_path: Path) -> None:
    database = tmp_path / "a.sqlite"
    (tmp_path / "link").symlink_to(database)
    process = hold(database)
    for name in (str(database), f"sqlite:///{database}", str(tmp_path / "link")):
        with pytest.raises(StoreError) as caught, run_lock(name, "matrix 'other'"):
            pass
        assert caught.value.exit_status == 2
        assert re.search(
            rf": another run is at work on it: process {process.pid} on .*, matrix 'm', since [\d: -]+ UTC; "
            "wait for it, or name another database with --db$",
            str(caught.value),
        )
    process.communicate("")
    with run_lock(database, "matrix 'other'"):
        pass
    assert os.listdir(tmp_path) == ["link"]


def test_a_death_frees_it(tmp_path: Path) -> None:
    process = hold(tmp_path / "a.sqlite")
    process.kill()
    process.communicate()
    with run_lock(tmp_path / "a.sqlite", "m"):
        assert f"process {os.getpid()} " in (tmp_path / "a.sqlite.lock").read_text()


def test_children_do_not_hold_it_on(tmp_path: Path) -> None:
    """The workers of a run that was killed live for a moment longer."""
    code = HOLDER.replace('print("held"', 'import os\n    if os.fork() == 0: sys.stdin.read()\n    print("held"')
    command = [sys.executable, "-c", code, str(tmp_path / "a.sqlite")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    process.kill()
    process.wait()
    with run_lock(tmp_path / "a.sqlite", "m"):
        pass
    process.communicate("")  # and its child ends


def test_servers_have_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with run_lock("postgresql://host/db", "m"), run_lock("postgresql://host/db", "m"):
        assert os.listdir(tmp_path) == []


def test_where_no_lock_can_be_made() -> None:
    with (
        pytest.raises(StoreError, match=r"/proc/qualify/a\.sqlite\.lock: cannot be made, so .* cannot be run on: "),
        run_lock("/proc/qualify/a.sqlite", "m"),
    ):
        pass
