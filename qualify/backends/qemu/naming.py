# SPDX-License-Identifier: Apache-2.0
"""Names in a boot that several scenarios share. Beyond their length they mean nothing to a kernel."""

from __future__ import annotations

__all__ = ["free_name"]


def free_name(name: str, taken: set[str], longest: int) -> str:
    """`name`, or one that nobody has: longer where there is room, else of equal length."""
    number, found = 1, name
    while found in taken:
        number += 1
        tail = f"-{number}"
        found = name[: longest - len(tail)] + tail
    return found
