# SPDX-License-Identifier: Apache-2.0
"""The folder in which a run's workers make theirs. It goes with the run; that of a killed run, with the next.

Whether one is left over is told by a lock that the run and its workers hold. A process id in its name would not do:
containers that share the folder for temporary files do not share those.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep

from qualify.store.locks import EXCLUSIVE, EXCLUSIVE_NOW, lock

__all__ = ["clear", "workdir"]

_PREFIX = "qualify-run-"
_TRIES, _PAUSE = 50, 0.02  # seconds


@contextmanager
def workdir() -> Iterator[Path]:
    """A new folder among the temporary files, removed in the end. Forked workers must have ended by then."""
    _remove_left()
    folder, handle = _make()
    try:
        yield folder
    finally:
        _remove(folder)
        os.close(handle)


def _remove(folder: Path) -> None:
    """Whoever was killed a moment ago may make one more file meanwhile."""
    for _ in range(_TRIES):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        sleep(_PAUSE)


def clear(folder: Path) -> None:
    """Empty it: what workers leave that could not do so themselves."""
    for path in folder.iterdir():
        shutil.rmtree(path, ignore_errors=True)


def _make() -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        try:
            handle = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:
            continue  # taken for left over by a run that begins at the same time
        lock(handle, EXCLUSIVE)
        if folder.exists():
            return folder, handle
        os.close(handle)


def _remove_left() -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            if os.fstat(handle).st_uid == os.geteuid() and lock(handle, EXCLUSIVE_NOW):
                shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(handle)
