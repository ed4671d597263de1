# SPDX-License-Identifier: Apache-2.0
"""Numbers in FDT properties: width and byte order are what the schema says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qualify.errors import EncodeError
from qualify.schema import FdtProperty
from qualify.wire.fdt import Node
from qualify.wire.properties import Endian, read_number, write_number

U32 = FdtProperty(name="csum", type="u32", endian="native")
U64 = FdtProperty(name="start", type="u64", endian="native")
BIG = FdtProperty(name="start", type="u64", endian="big")


def test_bytes() -> None:
    assert write_number(U64, 0x1234) == b"\x34\x12" + bytes(6)
    assert write_number(U32, 0x1234) == b"\x34\x12\0\0"
    assert write_number(BIG, 0x1234) == write_number(U64, 0x1234, "big") == bytes(6) + b"\x12\x34"


@given(st.sampled_from([U32, U64, BIG]), st.integers(0, (1 << 32) - 1), st.sampled_from(["little", "big"]))
def test_round_trip(prop: FdtProperty, value: int, native: Endian) -> None:
    node = Node("n", ((prop.name, write_number(prop, value, native)),))
    assert read_number(node, prop, native) == value


@pytest.mark.parametrize("length", [0, 3, 5, 7, 9])
def test_another_length_is_as_if_it_were_not_there(length: int) -> None:
    for prop in (U32, U64):
        assert read_number(Node("n", ((prop.name, bytes(length)),)), prop) is None
    assert read_number(Node("n", (("start", bytes(4)),)), U64) is None
    assert read_number(Node("n"), U64) is None


def test_what_cannot_be_written() -> None:
    with pytest.raises(EncodeError, match="'csum' is a u32, 0x100000000 does not fit"):
        write_number(U32, 1 << 32)
    with pytest.raises(EncodeError, match="'name' is no number but string"):
        write_number(FdtProperty(name="name", type="string"), 1)
