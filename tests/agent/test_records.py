# SPDX-License-Identifier: Apache-2.0
"""Records: any split gives the same, any damage is told, and what the C side writes is read."""

from __future__ import annotations

import base64
import itertools
import json
import os
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qualify.agent import Record, RecordReader, blobs
from qualify.agent.records import LONGEST
from tests.agent.selftest import run


def line(seq: int, kind: str, **fields: Any) -> bytes:
    text = f"{seq} ".encode() + json.dumps({"k": kind, "t": 0.5, **fields}).encode()
    number, rest = text.split(b" ", 1)
    return b"Q1 %s %08x %s\n" % (number, zlib.crc32(text), rest)


def stream(count: int, boots: int = 1) -> bytes:
    return b"".join(line(i, "step" if i else "hello", i=i, s='Ωä\n"') for _ in range(boots) for i in range(count))


def read(data: bytes) -> tuple[list[Record], list[str]]:
    reader = RecordReader()
    found = reader.feed(data)
    reader.close()
    return found, reader.damage


@given(st.lists(st.integers(0, 4000)), st.integers(1, 12), st.integers(1, 3))
def test_any_split(cuts: list[int], count: int, boots: int) -> None:
    data = stream(count, boots)
    places = sorted({min(c, len(data)) for c in cuts} | {0, len(data)})
    reader = RecordReader()
    found = [r for a, b in itertools.pairwise(places) for r in reader.feed(data[a:b])]
    reader.close()
    assert reader.damage == []
    assert [r.seq for r in found] == list(range(count)) * boots
    assert found == read(data)[0]
    assert all(r.fields["s"] == 'Ωä\n"' and r.time == 0.5 for r in found)


@given(st.data(), st.integers(2, 8))
def test_any_changed_byte_is_told(data: st.DataObject, count: int) -> None:
    good = stream(count)
    at = data.draw(st.integers(0, len(good) - 1))
    bad = bytearray(good)
    bad[at] ^= data.draw(st.integers(1, 255))
    found, damage = read(bytes(bad))
    assert damage
    assert all(r in read(good)[0] for r in found), "no record that was not sent"


@given(st.data(), st.integers(2, 8))
def test_any_removed_bytes_are_told(data: st.DataObject, count: int) -> None:
    good = stream(count)
    end_of_last = (
        good.rfind(b"\n", 0, -1) + 1
    )  # a stream that ends early between lines is for the lack of `end` to tell
    start = data.draw(st.integers(0, end_of_last - 1))
    end = data.draw(st.integers(start + 1, end_of_last))
    assert read(good[:start] + good[end:])[1]


@given(st.data(), st.integers(1, 6))
def test_any_inserted_bytes_are_told(data: st.DataObject, count: int) -> None:
    good = stream(count)
    at = data.draw(st.integers(0, len(good)))
    extra = data.draw(st.binary(min_size=1, max_size=40))
    assert read(good[:at] + extra + good[at:])[1]


@given(st.binary(max_size=9000))
def test_noise_is_survived_and_told(noise: bytes) -> None:
    found, damage = read(noise)
    assert found == []
    assert bool(damage) == bool(noise)


def test_an_endless_line_takes_no_memory_and_the_next_is_read() -> None:
    reader = RecordReader()
    for _ in range(100):
        assert reader.feed(b"x" * 1000) == []
        assert len(reader._rest) <= LONGEST
    assert [r.kind for r in reader.feed(b"\n" + line(0, "hello"))] == ["hello"]
    assert len(reader.damage) == 1
    assert "100000 bytes" in reader.damage[0]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (line(0, "hello") + line(2, "a"), "gap: record 2 (a) where 1 was due"),
        (line(0, "hello") + line(1, "a") + line(0, "b"), "gap: record 0 (b) where 2 was due"),
        (line(1, "hello"), "gap: record 1 (hello)"),
        (line(0, "open"), "no hello"),
        (b"Q1 0 00000000 {}\n", "wrong checksum"),
        (b"Q1 0 %08x {nonsense}\n" % zlib.crc32(b"0 {nonsense}"), "bad JSON"),
        (b'Q1 0 %08x {"k":1,"t":1}\n' % zlib.crc32(b'0 {"k":1,"t":1}'), "bad JSON"),
        (b'Q1 0 %08x {"k":"a","t":NaN}\n' % zlib.crc32(b'0 {"k":"a","t":NaN}'), "bad JSON"),
        (b"Kernel panic\n", "no record"),
        (line(0, "hello")[:-1], "cut at the end"),
    ],
)
def test_damage(data: bytes, told: str) -> None:
    damage = read(data)[1]
    assert len(damage) == 1
    assert told in damage[0]


def chunk(name: str, size: int, offset: int, data: bytes) -> Record:
    fields = {"name": name, "size": size, "offset": offset, "data": base64.b64encode(data).decode()}
    return Record(0, "blob", 0.0, fields)


def test_blobs() -> None:
    found = blobs(
        [
            chunk("a", 5, 0, b"abc"),
            chunk("b", 0, 0, b""),
            chunk("a", 5, 3, b"de"),
            chunk("short", 4, 0, b"xx"),
            chunk("holed", 9, 0, b"xx"),
            chunk("holed", 9, 4, b"xx"),
            chunk("late", 9, 4, b"xx"),
            chunk("long", 1, 0, b"xx"),
            Record(0, "blob", 0.0, {"name": "no", "errno": "EIO"}),
            Record(0, "blob", 0.0, {"name": "bad", "size": 1, "offset": 0, "data": "?"}),
            Record(0, "blob", 0.0, {"name": "less"}),
        ]
    )
    assert found == {"a": b"abcde", "b": b""}
    assert set(found.missing) == {"short", "holed", "late", "long", "no", "bad", "less"}
    assert found.missing["no"] == "EIO"
    assert found.missing["short"] == "2 of 4 bytes"
    assert blobs([chunk("a", 1, 0, b"x"), chunk("a", 1, 0, b"y")]) == {"a": b"y"}, "the later boot's"


@given(st.lists(st.binary(max_size=600).filter(lambda b: 0 not in b), max_size=5))
def test_what_the_agent_writes(values: list[bytes]) -> None:
    found, damage = read(run("records", inputs=values))
    assert damage == []
    texts = [r.fields for r in found if r.kind == "text"]
    for value, fields in zip(values, texts, strict=True):
        got = fields["value"].encode("latin-1")  # bytes beyond ASCII come as the code points of the same number
        assert value.startswith(got)
        assert got == value or len(value) * 6 > 3000
        assert fields["least"] == -(1 << 63)
        assert fields["hash"] == "f" * 16
        expected = {0: "", 1: "EPERM", 5: "EIO", 95: "EOPNOTSUPP", 524: "E524"}
        assert expected.get(len(value), fields["errno"]) == fields["errno"]
    assert "'huge' is too long" in next(r.fields["what"] for r in found if r.kind == "fail")
    whole = blobs(found)
    assert whole["self"].startswith(b"\x7fELF")
    assert len(whole["self"]) == next(r.fields["size"] for r in found if r.fields.get("name") == "self")
    assert whole.missing == {"nowhere": "ENOENT"}


def test_errno_names_are_the_systems() -> None:
    import errno

    numbers = [*range(1, 134)]
    found, _ = read(run("records", inputs=[b"x" * n for n in numbers]))
    for number, record in zip(numbers, (r for r in found if r.kind == "text"), strict=True):
        told = record.fields["errno"]
        assert told == f"E{number}" or getattr(errno, told, number) == number, (os.strerror(number), told)
