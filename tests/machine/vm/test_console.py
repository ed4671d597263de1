# SPDX-License-Identifier: Apache-2.0
"""Console bytes to lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qualify.machine.vm.console import ConsoleReader, Line


def read(*pieces: bytes) -> list[Line]:
    reader = ConsoleReader()
    return [line for piece in pieces for line in reader.feed(piece)] + reader.rest()


@pytest.mark.parametrize(
    ("raw", "text", "seconds"),
    [
        (b"[    0.041000] Linux version 7.1.13\r\n", "Linux version 7.1.13", 0.041),
        (b"[   12.5] x\n", "x", 12.5),
        (b"[    0.000000][    T0] x\n", "x", 0.0),
        (b"[    0.000000][   T1/C0] x\n", "x", 0.0),
        (b"[    1.000000]  indented\n", " indented", 1.0),
        (b"[    1.000000]\n", "", 1.0),
        (b"SeaBIOS (version 1.16)\r\n", "SeaBIOS (version 1.16)", None),
        (b" [    1.000000] quoted\n", " [    1.000000] quoted", None),
        (b"[    1] x\n", "[    1] x", None),
        (b"\xff\x00\x1bc\n", "\\xff\x00\x1bc", None),
        (b"\r\r\n", "", None),
    ],
)
def test_a_line(raw: bytes, text: str, seconds: float | None) -> None:
    assert read(raw) == [Line(text, seconds)]


def test_what_has_no_end_of_a_line_comes_at_the_end() -> None:
    reader = ConsoleReader()
    assert reader.feed(b"[    1.0] half") == []
    assert reader.rest() == [Line("half", 1.0)]
    assert reader.rest() == []
    assert read(b"  \r") == []


def test_a_line_without_end_is_given_in_pieces() -> None:
    reader, given_ = ConsoleReader(), []
    for _ in range(100):
        given_ += reader.feed(b"x" * 1000)
    assert 4096 < max(len(line.text) for line in given_) < 6000
    assert sum(len(line.text) for line in given_ + reader.rest()) == 100_000


@given(st.binary(max_size=400), st.integers(1, 20))
def test_pieces_do_not_matter(data: bytes, size: int) -> None:
    assert read(*(data[i : i + size] for i in range(0, len(data), size))) == read(data)
    assert all(line.text.isascii() for line in read(data))
