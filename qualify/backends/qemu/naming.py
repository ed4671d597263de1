# SPDX-License-Identifier: Apache-2.0
"""Names in a boot that several scenarios share. Beyond their length they mean nothing to a kernel."""

from __future__ import annotations

__all__ = ["REGION_NAME", "SESSION_NAME", "free_name"]

SESSION_NAME = 63  # LIVEUPDATE_SESSION_NAME_LENGTH in include/uapi/linux/liveupdate.h of 7.3.4, without the NUL
REGION_NAME = 15  # RESERVE_MEM_NAME_SIZE in mm/memblock.c of 7.3.4, without the NUL


def free_name(name: str, taken: set[str], longest: int) -> str:
    """`name`, or one that nobody has: longer where there is room, else of equal length."""
    number, found = 1, name
    while found in taken:
        number += 1
        tail = f"-{number}"
        found = name[: longest - len(tail)] + tail
    return found
