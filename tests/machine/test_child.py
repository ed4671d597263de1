# SPDX-License-Identifier: Apache-2.0
"""Processes that we start end with us, whatever ends us."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from qualify.machine import child

DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(3600)"
# Starts one, tells its number, and waits for the end.
PARENT = """
import sys, time
from qualify.machine.child import spawn
print(spawn([sys.executable, "-c", "import time; time.sleep(3600)"]).pid, flush=True)
{}
"""


def _gone(pid: int) -> bool:
    """Within a moment: the kernel sends the signal when the parent ends, and the child still has to be run."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.01)
    return False


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, None], ids=str)
def test_a_child_dies_with_its_parent(end: signal.Signals | None) -> None:
    code = PARENT.format("time.sleep(3600)" if end else "import os; os._exit(0)")
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        if end:
            assert psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
            parent.send_signal(end)
        parent.wait()
    assert _gone(pid)


def test_one_whose_parent_is_gone_already_does_not_begin() -> None:
    """As if the parent had ended between fork and request."""
    pid = os.fork()
    if pid == 0:
        child.die_with_parent(os.getpid())  # is not its own parent
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1


def test_a_terminals_interrupt_does_not_reach_it() -> None:
    process = child.spawn([sys.executable, "-c", "import time; time.sleep(3600)"])
    try:
        assert os.getsid(process.pid) == process.pid == os.getpgid(process.pid)
    finally:
        child.end(process)


@pytest.mark.parametrize(
    ("code", "ended"), [("import time; time.sleep(3600)", -15), (DEAF, -9), ("raise SystemExit(3)", 3)]
)
def test_end_ends_it_at_last(code: str, ended: int) -> None:
    process = child.spawn([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout is not None
    if ended == -9:
        process.stdout.readline()  # deaf by now
    if ended == 3:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert child.end(process, 0.3) == ended
    assert child.end(process) == ended
    process.stdout.close()
    assert child.end_all() == 0


def test_what_it_started_in_its_group_ends_too(tmp_path: Path) -> None:
    code = "import subprocess, sys; print(subprocess.Popen(['sleep', '3600']).pid, flush=True)"
    process = child.spawn([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert psutil.pid_exists(pid)
    child.end(process)
    process.stdout.close()
    assert _gone(pid)


def test_end_all_ends_what_nobody_ended() -> None:
    one, two = (child.spawn([sys.executable, "-c", "import time; time.sleep(3600)"]) for _ in range(2))
    child.end(one)
    assert child.end_all() == 1
    assert two.returncode == -9
    assert child.end_all() == 0


def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        child.spawn([str(tmp_path / "qemu")])
    assert child.end_all() == 0


def test_children_are_their_parents_to_end() -> None:
    process = child.spawn([sys.executable, "-c", "import time; time.sleep(3600)"])
    pid = os.fork()
    if pid == 0:
        os._exit(child.end_all())
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert process.poll() is None
    child.end(process)
