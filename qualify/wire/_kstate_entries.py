# SPDX-License-Identifier: Apache-2.0
"""Entries of a KSTATE v3 stream, found without knowing what is in them.

Source: struct kstate_entry and kstate_restore() in kernel/liveupdate/kstate.c of KSTATE v3
<20250909201446.13138-1-arbn@yandex-team.com>.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from qualify.errors import CountError, MagicError, TruncatedError
from qualify.schema.kstate import ENTRY_BYTES

__all__ = [
    "KSTATE_MAGIC",
    "KS_EOF",
    "Entry",
    "SectionType",
    "check_magic",
    "entries",
    "entry_at",
    "section_type",
    "walk",
]

KSTATE_MAGIC = 0x3B37778C
KS_EOF = -1
FIRST = 4  # offset of the first entry, behind the magic

_LAST_ID = -1  # KSTATE_LAST_ID, which ends the streams of v1 and v2
_ENTRY = struct.Struct("<5i")
_OLD_ENTRY = struct.Struct("<4i")


class SectionType(enum.IntEnum):
    """What an entry says it is."""

    SUBSECTION = 1
    SECTION = 2


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry header. `offset` is its place in the stream, `size` the bytes of data that it announces."""

    offset: int
    section_type: int
    state_id: int
    version_id: int
    instance_id: int
    size: int

    @property
    def data(self) -> int:
        """Offset of the data."""
        return self.offset + ENTRY_BYTES

    @property
    def end(self) -> int:
        """Offset of what follows. Raises CountError where that lies before the data, so that no walk goes back."""
        if self.size < 0:
            raise CountError(f"an entry says its size is {self.size}", offset=self.offset)
        return self.data + self.size

    def pack(self) -> bytes:
        """The header's bytes."""
        return _ENTRY.pack(self.section_type, self.state_id, self.version_id, self.instance_id, self.size)


def check_magic(stream: bytes) -> None:
    """MagicError unless this is a v3 stream; names a stream of v1 or v2."""
    if len(stream) >= FIRST and int.from_bytes(stream[:FIRST], "little") == KSTATE_MAGIC:
        return
    if _is_old(stream):
        raise MagicError(
            "a KSTATE stream of v1 or v2 (entries of four words, no magic), which this reader of v3 does not know"
        )
    raise MagicError(f"no KSTATE v3 stream: it does not begin with the magic {KSTATE_MAGIC:#x}")


def section_type(stream: bytes, offset: int) -> int:
    """The first word of what stands at `offset`, all that the end mark has. Raises TruncatedError."""
    if offset + 4 > len(stream):
        raise TruncatedError("the stream ends where an entry or its end mark is expected", offset=offset)
    return int.from_bytes(stream[offset : offset + 4], "little", signed=True)


def entry_at(stream: bytes, offset: int) -> Entry:
    """The header at `offset`, whatever it says. Raises TruncatedError."""
    if offset + ENTRY_BYTES > len(stream):
        raise TruncatedError("an entry header runs past the end of the stream", offset=offset)
    return Entry(offset, *_ENTRY.unpack_from(stream, offset))


def walk(stream: bytes, offset: int = FIRST) -> Iterator[Entry]:
    """Entry after entry by `size` until the end mark; what lies behind is looked at only when it is asked for.

    Raises TruncatedError or CountError where the kernel would leave the stream or walk backwards.
    """
    while section_type(stream, offset) != KS_EOF:
        entry = entry_at(stream, offset)
        yield entry
        offset = entry.end


def entries(stream: bytes) -> tuple[Entry, ...]:
    """All entries of a v3 stream, for inspection: types known, data within the stream. Raises WireError."""
    check_magic(stream)
    found = []
    for entry in walk(stream):
        if entry.section_type not in tuple(SectionType):
            raise CountError(f"an entry says its section_type is {entry.section_type}", offset=entry.offset)
        if entry.end > len(stream):
            raise TruncatedError(f"an entry says its size is {entry.size}, beyond the stream", offset=entry.offset)
        found.append(entry)
    return tuple(found)


def _is_old(stream: bytes) -> bool:
    """Does it divide into entries of {state_id, version_id, instance_id, size}, ended by KSTATE_LAST_ID?"""
    offset, count = 0, 0
    while offset + 4 <= len(stream):
        if int.from_bytes(stream[offset : offset + 4], "little", signed=True) == _LAST_ID:
            return count > 0
        if offset + _OLD_ENTRY.size > len(stream):
            return False
        state_id, version_id, _, size = _OLD_ENTRY.unpack_from(stream, offset)
        if state_id < 1 or version_id < 0 or size < 0:
            return False
        offset, count = offset + _OLD_ENTRY.size + size, count + 1
    return False
