# SPDX-License-Identifier: Apache-2.0
"""What machines say, written by hand: records as the agent sends them, and lines of a kernel's console."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from typing import Any

from qualify.machine.vm.watch import Patience, Watch
from qualify.schema import LogMessage, load

__all__ = ["BANNER", "MESSAGES", "PATIENCE", "console", "port", "record", "talk", "watching"]

MESSAGES: Sequence[LogMessage] = load().messages
PATIENCE = Patience(boot=30.0, record=20.0, panic=3.0)
BANNER = "Linux version 7.1.13 (me@here) (gcc) #1 SMP"


def record(seq: int, kind: str, **fields: Any) -> bytes:
    """One line of the agent's port."""
    text = json.dumps({"k": kind, "t": 1.5, **fields}, separators=(",", ":"))
    return f"Q1 {seq} {zlib.crc32(f'{seq} {text}'.encode()):08x} {text}\n".encode()


def port(*kinds: str | tuple[str, dict[str, Any]]) -> bytes:
    """Records in a row; a `hello:STAGE` counts afresh, as the agent of the next boot does."""
    out, seq = b"", 0
    for kind in kinds:
        name, fields = (kind, {}) if isinstance(kind, str) else kind
        name, _, stage = name.partition(":")
        if name == "hello":
            seq, fields = 0, {"stage": stage, "release": "7.1.13", **fields}
        out += record(seq, name, **fields)
        seq += 1
    return out


def console(*lines: str) -> bytes:
    """Log records of a kernel."""
    return "".join(f"[    0.{n:06}] {line}\r\n" for n, line in enumerate(lines)).encode()


def watching(*, crash: bool = False) -> Watch:
    return Watch(MESSAGES, PATIENCE, crash=crash)


def talk(watch: Watch, *said: tuple[str, bytes], now: float = 1.0) -> Watch:
    """Feed ("console"|"port", bytes) in this order."""
    for what, data in said:
        (watch.console if what == "console" else watch.port)(data, now)
    return watch
