# SPDX-License-Identifier: Apache-2.0
"""A serial console as lines, and those of the kernel's log as log records."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["ConsoleReader", "Line"]

# "[    0.041000] text", with the caller that CONFIG_PRINTK_CALLER adds
_RECORD = re.compile(r"^\[\s*(\d+\.\d+)\](?:\[[^\]]{1,16}\])? ?(.*)$")
_LONGEST = 4096


@dataclass(frozen=True, slots=True)
class Line:
    """One line. `seconds` is the kernel's own time, None where the line is no log record; `boot` counts banners."""

    text: str
    seconds: float | None
    boot: int = 0


class ConsoleReader:
    """Bytes to lines, however they are split. What is no ASCII text is kept as escapes: consoles carry anything."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Line]:
        """The lines that `data` completes."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LONGEST:  # no kernel writes such a line; do not collect for ever
            whole.append(self._rest)
            self._rest = b""
        return [_line(raw) for raw in whole]

    def rest(self) -> list[Line]:
        """What came after the last end of a line."""
        left, self._rest = self._rest, b""
        return [_line(left)] if left.strip() else []


def _line(raw: bytes) -> Line:
    text = raw.strip(b"\r").decode("ascii", "backslashreplace")
    found = _RECORD.match(text)
    return Line(found[2], float(found[1])) if found else Line(text, None)
