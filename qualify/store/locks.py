# SPDX-License-Identifier: Apache-2.0
"""Locks on folders, to say that they are in use. The kernel lets go of one with the last process that has it."""

from __future__ import annotations

import fcntl

__all__ = ["EXCLUSIVE", "EXCLUSIVE_NOW", "SHARED", "UNLOCK", "lock"]

SHARED, EXCLUSIVE, UNLOCK = fcntl.LOCK_SH, fcntl.LOCK_EX, fcntl.LOCK_UN
EXCLUSIVE_NOW = fcntl.LOCK_EX | fcntl.LOCK_NB  # does not wait


def lock(handle: int, how: int) -> bool:
    """Whether that came about. It does not where others hold the lock and on a file system that knows none."""
    try:
        fcntl.flock(handle, how)
    except OSError:
        return False
    return True
