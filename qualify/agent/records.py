# SPDX-License-Identifier: Apache-2.0
"""Records of the guest agent, from its port: lines `Q1 <seq> <crc32> <json>` (written by guest/port.c)."""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["LONGEST", "Blobs", "Record", "RecordReader", "blobs"]

LONGEST = 4096  # bytes of a line: the agent's 3900 of JSON and what is around it
_LINE = re.compile(rb"Q1 (0|[1-9][0-9]{0,17}) ([0-9a-f]{8}) (\{.*\})")


@dataclass(frozen=True, slots=True)
class Record:
    """One record. `time` is seconds since boot of its kernel; `fields` is all but "k" and "t"."""

    seq: int
    kind: str
    time: float
    fields: Mapping[str, Any] = field(default_factory=dict)


class RecordReader:
    """Takes the stream in whatever pieces it comes; what is no good record is told in `damage`, never just dropped."""

    def __init__(self) -> None:
        self.damage: list[str] = []
        self._rest = b""
        self._lost = 0  # bytes of an over-long line let go so far
        self._next = 0
        self._started = False

    def feed(self, data: bytes) -> list[Record]:
        """The records that are complete with these bytes."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        found = [record for line in lines if (record := self._line(line)) is not None]
        if len(self._rest) > LONGEST:  # bounded memory, whatever comes
            self._lost += len(self._rest)
            self._rest = b""
        return found

    def close(self) -> None:
        """The stream has ended: a line without its end is damage (a machine that died may leave one)."""
        if self._rest or self._lost:
            self._damaged("cut at the end", self._rest)
        self._rest, self._lost = b"", 0

    def _line(self, line: bytes) -> Record | None:
        if self._lost or len(line) > LONGEST:
            self._damaged(f"too long, {self._lost + len(line)} bytes", line)
            self._lost = 0
            return None
        match = _LINE.fullmatch(line)
        if match is None:
            self._damaged("no record", line)
            return None
        seq, crc, text = int(match[1]), int(match[2], 16), match[3]
        if zlib.crc32(match[1] + b" " + text) != crc:
            self._damaged("wrong checksum", line)
            return None
        record = _decode(seq, text)
        if record is None:
            self._damaged("bad JSON", line)
            return None
        self._count(record)
        return record

    def _count(self, record: Record) -> None:
        # a boot begins with a hello numbered 0; the next boot's agent counts afresh on the same port
        if record.kind == "hello" and record.seq == 0:
            self._next = 0
        if record.seq != self._next:
            self.damage.append(f"gap: record {record.seq} ({record.kind}) where {self._next} was due")
        elif record.seq == 0 and record.kind != "hello":
            self.damage.append(f"record 0 is '{record.kind}', no hello")
        self._next = record.seq + 1

    def _damaged(self, what: str, line: bytes) -> None:
        shown = line[:60].decode("ascii", "backslashreplace")
        self.damage.append(f"{what}, after record {self._next - 1}: {shown!r}")


def _decode(seq: int, text: bytes) -> Record | None:
    try:
        found = json.loads(text.decode("ascii"), parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    kind, time = found.pop("k", None), found.pop("t", None)
    if not isinstance(kind, str) or isinstance(time, bool) or not isinstance(time, int | float):
        return None
    return Record(seq, kind, float(time), found)


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


class Blobs(dict[str, bytes]):
    """Whole blobs by name. `missing`: name to why there is none (an errno, or what part is not there)."""

    def __init__(self) -> None:
        super().__init__()
        self.missing: dict[str, str] = {}


def blobs(records: Iterable[Record]) -> Blobs:
    """Blobs put together from their chunks. A name that comes anew from offset 0 (next boot) replaces the last."""
    found, parts = Blobs(), dict[str, tuple[int, bytearray]]()
    for record in records:
        if record.kind != "blob":
            continue
        name = str(record.fields.get("name", ""))
        try:
            _take(name, record.fields, parts, found)
        except (KeyError, TypeError, ValueError, binascii.Error) as error:
            found.missing.setdefault(name, f"record {record.seq} is no chunk: {error}")
    for name, (size, data) in parts.items():
        if name in found.missing:
            continue
        if len(data) == size:
            found[name] = bytes(data)
        else:
            found.missing[name] = f"{len(data)} of {size} bytes"
    return found


def _take(name: str, fields: Mapping[str, Any], parts: dict[str, tuple[int, bytearray]], found: Blobs) -> None:
    if fields.get("errno"):
        parts.pop(name, None)
        found.missing[name] = str(fields["errno"])
        return
    size, offset, data = int(fields["size"]), int(fields["offset"]), base64.b64decode(fields["data"], validate=True)
    if offset == 0:
        parts[name] = (size, bytearray())
        found.missing.pop(name, None)
    known, have = parts.get(name, (size, bytearray()))
    parts.setdefault(name, (known, have))
    if known != size or len(have) != offset or offset + len(data) > size:
        found.missing.setdefault(name, f"{len(have)} of {known} bytes, then a chunk at {offset}")
        return
    have += data
