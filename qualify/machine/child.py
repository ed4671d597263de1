# SPDX-License-Identifier: Apache-2.0
"""Processes that backends start. None outlives the process that started it, however that ends.

Linux sends a child the signal that it asked for with PR_SET_PDEATHSIG (prctl(2)) when the *thread* that started it
ends; so start children in a thread that lives as long as they shall. Elsewhere only `end` and `end_all` end them.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic, sleep
from typing import Any

__all__ = ["die_with_parent", "end", "end_all", "spawn"]

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_GRACE = 2.0  # seconds between the request to end and the end
_LOOK = 0.01

# Loaded here: a child that was just forked had better not load anything.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
_alive: dict[int, subprocess.Popen[Any]] = {}


def spawn(argv: Sequence[str], **popen: Any) -> subprocess.Popen[Any]:
    """Start a program that dies with this process, in a session of its own: a terminal's SIGINT does not reach it.

    `popen`: as of subprocess.Popen, but for `preexec_fn`. OSError as from there. Whoever starts one ends it by `end`.
    """
    parent = os.getpid()
    process: subprocess.Popen[Any] = subprocess.Popen(
        argv, start_new_session=True, preexec_fn=lambda: die_with_parent(parent), **popen
    )
    for pid in [pid for pid, known in _alive.items() if known.returncode is not None]:
        del _alive[pid]
    _alive[process.pid] = process
    return process


def die_with_parent(parent: int) -> None:
    """Make this process end with the thread that started it, of the process `parent`; at once if that is gone."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it ended before the request, which therefore is never honoured
        os._exit(1)


def end(process: subprocess.Popen[Any], grace: float = _GRACE) -> int:
    """End a process and all of its group, first by SIGTERM, after `grace` seconds by SIGKILL; its return code.

    What it left behind in its group is ended too, unless somebody waited for the process before.
    """
    if process.returncode is None:
        try:
            if grace > 0:
                os.kill(process.pid, signal.SIGTERM)  # Popen.terminate() would wait for one that has ended
                _await_end(process.pid, grace)
        finally:
            # Also when the wait is broken off by whatever limits the time of a cell. Nobody has waited for the process
            # yet, so its number is still its own, and that of its group.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    _alive.pop(process.pid, None)
    return int(process.returncode)


def end_all() -> int:
    """End at once what `spawn` started in this process and nobody ended; how many processes that were."""
    left = list(_alive.values())
    for process in left:
        end(process, 0)
    return len(left)


def _await_end(pid: int, seconds: float) -> None:
    """Until the process has ended or the time is over; it stays to be waited for."""
    deadline = monotonic() + seconds
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None and monotonic() < deadline:
        sleep(_LOOK)


# They are the parent's to end; a worker that is forked has none.
os.register_at_fork(after_in_child=_alive.clear)
