# SPDX-License-Identifier: Apache-2.0
"""Files that cells left, as text for people: nothing in them can steer a terminal or a page, and large ones are cut."""

from __future__ import annotations

import base64
import re
import zlib
from dataclasses import dataclass

__all__ = ["HEAD", "LIMIT", "FileText", "is_text", "packed_text", "readable"]

LIMIT = 256 << 10
"""Bytes of one file that go into a page."""

HEAD = 64 << 10
"""Of these from the file's beginning; the rest is its end, where a kernel says what it died of."""

_SUFFIXES = (".log", ".jsonl", ".json", ".ktap", ".txt", ".yaml", ".dts")

# C0 but tab and newline, DEL, C1, what turns the direction of writing, and lone surrogates (no UTF-8 has them)
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")


@dataclass(frozen=True, slots=True)
class FileText:
    """What a page holds of a file: zlib of UTF-8 in base64. `left_out` in bytes; without `data`, `why` says why."""

    data: str = ""
    left_out: int = 0
    why: str = ""


def is_text(name: str) -> bool:
    """Whether people can read a file of that name. By name: a serial log may hold any byte."""
    return name.lower().endswith(_SUFFIXES)


def readable(raw: bytes) -> str:
    r"""Every byte as text: what is no UTF-8 and every control character as ``\x1b`` or ``\u202e``."""
    text = raw.decode("utf-8", "backslashreplace").replace("\r\n", "\n")
    return _UNSAFE.sub(lambda found: _escaped(ord(found[0])), text)


def packed_text(head: bytes, tail: bytes = b"", left_out: int = 0) -> FileText:
    """A file, or its beginning and its end with so many bytes between them left out."""
    text = readable(head)
    if left_out:
        text += f"\n\n[… {left_out:,} bytes are left out here …]\n\n{readable(tail)}"
    return FileText(base64.b64encode(zlib.compress(text.encode(), 9)).decode("ascii"), left_out)


def _escaped(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
