# SPDX-License-Identifier: Apache-2.0
"""What an interrupt (SIGINT) means during a run: the first ends it, those after it find the clearing up under way.

Where interrupts are ignored (nohup, a background job) or somebody else's, that stays as it is.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["first_only", "to_the_end"]


@contextmanager
def first_only() -> Iterator[None]:
    """The first interrupt raises KeyboardInterrupt, later ones do nothing: they would strike while workers are ended
    and folders removed, and leave some behind."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler or not _in_main_thread():
        yield
        return
    signal.signal(signal.SIGINT, _first)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def to_the_end() -> Iterator[None]:
    """An interrupt waits until this is through, so that it never strikes within the database layer."""
    usual = signal.getsignal(signal.SIGINT)
    if usual not in (signal.default_int_handler, _first) or not _in_main_thread():
        yield
        return
    noted: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: noted.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
    if noted:
        signal.raise_signal(signal.SIGINT)


def _first(_number: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
