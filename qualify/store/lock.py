# SPDX-License-Identifier: Apache-2.0
"""One run at a time on a database: two would each run every cell, and only one of the results would be looked at."""

from __future__ import annotations

import fcntl
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from qualify.errors import StoreError
from qualify.store.location import parse_location, sqlite_file

__all__ = ["run_lock"]

_LONGEST = 300  # bytes that are read of what the holder says of itself


@contextmanager
def run_lock(location: str | Path, what: str) -> Iterator[None]:
    """Hold the lock file beside an SQLite database; StoreError says who holds it. Nothing for servers.

    `what` tells others what is going on. The lock ends with the process, however that ends.
    """
    file = sqlite_file(parse_location(str(location)))
    if file is None:
        yield
        return
    real = file.resolve()
    path = real.with_name(f"{real.name}.lock")
    held = _take(path, file)
    try:
        os.ftruncate(held, 0)
        since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        os.write(held, f"process {os.getpid()} on {platform.node()}, {what}, since {since}\n".encode())
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(held)


def _take(path: Path, file: Path) -> int:
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            held = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise StoreError(f"{path}: cannot be made, so {file} cannot be run on: {error.strerror}") from error
        try:
            # Not flock(): the workers that a killed run leaves for a moment would hold that on.
            fcntl.lockf(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(held, _LONGEST, 0).decode(errors="replace").strip() or "another process"
            os.close(held)
            if not isinstance(error, BlockingIOError | PermissionError):
                raise StoreError(f"{path}: cannot be locked: {error.strerror}") from error
            raise StoreError(
                f"{file}: another run is at work on it: {holder}; wait for it, or name another database with --db"
            ) from None
        if _is_still_there(held, path):
            return held
        os.close(held)


def _is_still_there(held: int, path: Path) -> bool:
    """Whether the file is the one that others will find: its last holder may have taken it away meanwhile."""
    try:
        return os.path.samestat(os.fstat(held), path.stat())
    except FileNotFoundError:
        return False
