# SPDX-License-Identifier: Apache-2.0
"""How sizes are written, in scenarios, matrices and what is printed: a number of bytes, or one with a unit."""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["SIZE", "UNITS", "parse_size", "show_size"]

UNITS: Mapping[str, int] = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}

#: As a regular expression, for editors too.
SIZE = rf"[0-9]+\s*({'|'.join(UNITS)})?"
_SIZE = re.compile(rf"([0-9]+)\s*({'|'.join(UNITS)})?")


def parse_size(text: str) -> int | None:
    """Bytes; None for what is not a size. ``64 MiB``, ``64MiB`` and ``67108864`` are the same."""
    match = _SIZE.fullmatch(text)
    return int(match[1]) * UNITS[match[2] or "B"] if match else None


def show_size(number: int) -> str:
    """``4 MiB`` for 4194304; bytes where no larger unit divides it."""
    unit = max((u for u in UNITS if number and number % UNITS[u] == 0), key=UNITS.__getitem__, default="B")
    return f"{number // UNITS[unit]} {unit}"
