# SPDX-License-Identifier: Apache-2.0
"""How a worker keeps to the time limit of a cell, and does not outlive its parent."""

from __future__ import annotations

import faulthandler
import math
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import wait
from time import perf_counter
from types import FrameType

from qualify.machine.child import die_with_parent

__all__ = ["GRACE", "OutOfTimeError", "Watchdog", "heed_signals", "time_limit"]

#: Seconds between asking a cell to stop and ending its process.
GRACE = 5.0


class OutOfTimeError(BaseException):
    """Not an Exception, so that no backend can swallow it."""


def heed_signals() -> None:
    """Once per worker process."""
    signal.signal(signal.SIGALRM, _expired)
    # The terminal sends SIGINT to the whole group; the parent alone decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Either of the two may not come to it: the thread while native code holds the interpreter, the kernel where it is
    # not Linux.
    threading.Thread(target=_die_with_parent, name="die-with-parent", daemon=True).start()
    parent = multiprocessing.parent_process()
    if parent is not None and parent.pid is not None:
        die_with_parent(parent.pid)


def _expired(_signal: int, _frame: FrameType | None) -> None:
    raise OutOfTimeError


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise in Python code after `seconds`."""
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


class Watchdog:
    """Ends the process when a cell does not heed its time limit, because no Python code gets to run.

    It is a thread of its own each time it is set, so it is not set anew for every short cell.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds + GRACE
        self._set = -math.inf
        self._nowhere = os.open(os.devnull, os.O_WRONLY)

    def pat(self) -> None:
        """A cell begins, or has ended and is put away."""
        if perf_counter() - self._set > GRACE / 5:
            faulthandler.dump_traceback_later(self._seconds, exit=True, file=self._nowhere)
            self._set = perf_counter()

    def __enter__(self) -> Watchdog:
        return self

    def __exit__(self, *exc: object) -> None:
        faulthandler.cancel_dump_traceback_later()
        os.close(self._nowhere)


def _die_with_parent() -> None:
    """A parent that was killed cannot end its workers; they would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
