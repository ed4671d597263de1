# SPDX-License-Identifier: Apache-2.0
"""Encode, decode, and the same comes out: structs, memory maps, tables and vmalloc areas at their edges.

Whole formats with anything in them are in test_every_format.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qualify.errors import CountError, EncodeError, TruncatedError
from qualify.machine.kernel import Kernel
from qualify.machine.memory import PhysicalMemory
from qualify.schema import ArrayTable, ChunkListMap, FlatField, RadixTreeMap
from qualify.wire import chunklist, radix, vmalloc
from qualify.wire.pagesize import at_page_size
from qualify.wire.structs import StructCodec
from tests.wire.drawn import TOP, Allocator, edges, plain, value_of
from tests.wire.golden import PAGE, in_order, schema

MAPS = [f.id for f in schema().formats.values() if f.memory_map is not None]
TABLES = [f.id for f in schema().formats.values() if f.container is not None]


def kernel_of(format_id: str, component: str) -> Kernel:
    release = next(
        r for r in schema().releases if component in r.components and r.components[component].writes == format_id
    )
    return Kernel(schema(), release)


# --- structs --------------------


@st.composite
def filled_structs(draw: st.DrawFn) -> tuple[StructCodec, dict[str, Any]]:
    codec = StructCodec(schema(), draw(st.sampled_from(sorted(schema().structs))))
    return codec, {field.name: draw(value_of(field)) for field in codec.fields}


@given(filled_structs(), st.binary(max_size=9))
def test_structs(filled: tuple[StructCodec, dict[str, Any]], before: bytes) -> None:
    codec, values = filled
    raw = codec.pack(values)
    assert len(raw) == codec.size
    found = codec.unpack(before + raw, len(before))
    for field in codec.fields:
        want = values[field.name]
        want = want.ljust(field.size, b"\0") if isinstance(want, bytes) else want
        assert found[field.name] == want


@st.composite
def filled_rows(draw: st.DrawFn) -> tuple[StructCodec, list[dict[str, int]]]:
    """Unsigned single members, which is what arrays are packed from."""
    codec = StructCodec(schema(), draw(st.sampled_from(WITH_NUMBERS)))
    row = st.fixed_dictionaries({f.name: value_of(f) for f in numbers_of(codec)})
    return codec, draw(st.lists(row, min_size=1, max_size=4))


def numbers_of(codec: StructCodec) -> list[FlatField]:
    return [f for f in codec.fields if f.type != "char" and not f.count]


WITH_NUMBERS = [name for name in sorted(schema().structs) if numbers_of(StructCodec(schema(), name))]


@given(filled_rows())
def test_arrays_of_structs_equal_structs_one_by_one(filled: tuple[StructCodec, list[dict[str, int]]]) -> None:
    codec, rows = filled
    columns = {name: np.array([r[name] for r in rows], dtype=np.uint64) for name in rows[0]}
    raw = codec.pack_array(columns, len(rows)).tobytes()
    assert raw == b"".join(codec.pack(r) for r in rows)
    found = codec.unpack_array(raw, len(rows))
    for name in columns:
        assert codec.column(found, name).tolist() == [r[name] for r in rows]


@pytest.mark.parametrize("name", sorted(schema().structs))
def test_fields_lie_where_the_schema_says(name: str) -> None:
    """Ones in one member: exactly its bytes (or bits) are set."""
    codec = StructCodec(schema(), name)
    for field in codec.fields:
        bits = field.bits[1] if field.bits else 8 * field.size // max(field.count, 1)
        ones: Any = (1 << bits) - 1 if field.type[0] != "s" else -1
        if field.type == "char":
            ones = b"\xff" * (field.count - 1)
        raw = codec.pack({field.name: (ones,) * field.count if field.count and field.type != "char" else ones})
        low, width = field.bits or (0, 8 * field.size - (8 if field.type == "char" else 0))
        assert int.from_bytes(raw, "little") == ((1 << width) - 1) << (8 * field.offset + low), field.name


def test_values_that_do_not_fit() -> None:
    folio = StructCodec(schema(), "memfd_luo_folio_ser")
    with pytest.raises(EncodeError, match="'pfn' of memfd_luo_folio_ser has 52 bits"):
        folio.pack({"pfn": 1 << 52})
    with pytest.raises(EncodeError, match="'flags' of memfd_luo_folio_ser has 12 bits"):
        folio.pack_array({"flags": np.array([1, 4096], dtype=np.uint64)}, 2)
    with pytest.raises(EncodeError, match="'order' of kho_vmalloc has 16 bits"):
        StructCodec(schema(), "kho_vmalloc").pack_array({"order": np.array([1 << 16], dtype=np.uint64)}, 1)
    session = StructCodec(schema(), "luo_session_ser")
    with pytest.raises(EncodeError, match="'name' of luo_session_ser takes 63 bytes of text, got 64"):
        session.pack({"name": b"x" * 64})
    with pytest.raises(EncodeError, match="luo_session_header_ser"):
        StructCodec(schema(), "luo_session_header_ser").pack({"count": -1})
    with pytest.raises(TruncatedError, match="luo_session_ser needs 80 bytes, 79 are left"):
        session.unpack(bytes(79))
    with pytest.raises(TruncatedError, match="3 x luo_session_ser need 240 bytes, 160 are there"):
        session.unpack_array(bytes(160), 3)


# --- memory maps --------------------


def round_trip_map(
    format_id: str, blocks: np.ndarray[Any, np.dtype[np.uint64]]
) -> tuple[np.ndarray[Any, Any], Allocator]:
    kernel, form = kernel_of(format_id, "kho"), schema().format(format_id)
    # an encoder never looks at the RAM that blocks lie in, and a decoder only counts it
    memory = PhysicalMemory(1 << 40)
    allocate = Allocator()
    layout = kernel.memory_map(form)
    if isinstance(layout, RadixTreeMap):
        root = radix.encode(memory, layout, blocks, PAGE, allocate)
        return radix.decode(memory, layout, root, PAGE), allocate
    header, entry = kernel.map_codecs(layout)

    def store(bitmap: bytes, start: int, order: int) -> int:
        at = allocate()
        memory.write(at, bitmap)
        return at

    first = chunklist.encode(memory, layout, header, entry, blocks, PAGE, allocate, store)
    return chunklist.decode(memory, layout, header, entry, first, PAGE), allocate


@pytest.mark.parametrize("format_id", MAPS)
@pytest.mark.parametrize("blocks", edges(), ids=lambda b: f"{len(b)}x{int(b[-1, 1])}")
def test_maps_at_their_edges(format_id: str, blocks: np.ndarray[Any, np.dtype[np.uint64]]) -> None:
    found, allocate = round_trip_map(format_id, blocks)
    np.testing.assert_array_equal(in_order(found), in_order(blocks))
    layout = schema().format(format_id).memory_map
    if isinstance(layout, ChunkListMap) and int(blocks[:, 1].max()) == 0:
        windows = len(np.unique(blocks[:, 0] // (layout.bitmap_bytes * 8 * PAGE)))
        assert len(allocate.given) == windows + -(-windows // 255)


def test_an_order_without_a_key() -> None:
    layout = schema().format("kho-v4").memory_map
    assert isinstance(layout, RadixTreeMap)
    with pytest.raises(EncodeError, match="order 53 has no place in a key of 53 bits"):
        radix.keys_of(layout, np.array([(0, 53)], dtype=np.uint64), PAGE)
    small = layout.model_copy(update={"levels": 2})
    with pytest.raises(EncodeError, match="a tree of 2 levels is too small for key"):
        radix.encode(PhysicalMemory(TOP), small, np.array([(0, 0)], dtype=np.uint64), PAGE, Allocator())


@pytest.mark.parametrize("page_size", [16384, 65536])
@pytest.mark.parametrize("format_id", MAPS)
def test_maps_of_other_page_sizes(format_id: str, page_size: int) -> None:
    """Layouts derived for 16 and 64 KiB pages hold what they are given; 4 KiB is what the schema says."""
    layout = schema().format(format_id).memory_map
    assert layout is not None
    assert at_page_size(layout, PAGE, PAGE) is layout
    other = at_page_size(layout, PAGE, page_size)
    blocks = np.array([(page_size * 7, 0), (page_size << 9, 9), (page_size * 40000, 0)], dtype=np.uint64)
    memory = PhysicalMemory(1 << 40)
    allocate = Allocator(gap=page_size // PAGE - 1)
    allocate.next = 1 << 34
    if isinstance(other, RadixTreeMap):
        assert other.key_width == 64 - page_size.bit_length() + 2
        root = radix.encode(memory, other, blocks, page_size, allocate)
        found = radix.decode(memory, other, root, page_size)
    else:
        header, entry = kernel_of(format_id, "kho").map_codecs(other)

        def store(bitmap: bytes, start: int, order: int) -> int:
            at = allocate()
            memory.write(at, bitmap)
            return at

        first = chunklist.encode(memory, other, header, entry, blocks, page_size, allocate, store)
        found = chunklist.decode(memory, other, header, entry, first, page_size)
    np.testing.assert_array_equal(in_order(found), in_order(blocks))


# --- tables --------------------


def entries_of(codec: StructCodec, count: int) -> list[dict[str, Any]]:
    """Rows in which every member of every entry differs from its neighbours."""
    return [
        {f.name: f"e{i}{n}".encode() if f.type == "char" else i * 31 + n for n, f in enumerate(codec.fields)}
        for i in range(count)
    ]


@pytest.mark.parametrize("count", [0, 1, 2, 51, 52, 62, 63, 64, 127, 128, 818, 819, 820])
@pytest.mark.parametrize("format_id", TABLES)
def test_tables(format_id: str, count: int) -> None:
    form = schema().format(format_id)
    table = kernel_of(format_id, form.component).table(form)
    memory, allocate, rows = PhysicalMemory(TOP), Allocator(gap=1), entries_of(table.entry, count)
    where = table.allocate(allocate, count)
    if count > table.capacity:
        with pytest.raises(EncodeError, match=f"{count} x .* do not fit, {table.capacity} do"):
            table.encode(memory, where, rows)
        return
    first = table.encode(memory, where, rows, {"pgcnt": 1})
    if isinstance(table.container, ArrayTable):
        assert first == where[0]
    else:
        assert len(where) == -(-count // table.per_block)
        assert bool(first) == bool(count)
    found = table.decode(memory, first, count)
    assert found.count == count
    for want, got in zip(rows, found, strict=True):
        assert plain(got) == want


def test_capacities_are_those_of_the_kernels() -> None:
    """LUO_SESSION_MAX, LUO_FILE_MAX, LUO_FLB_MAX up to 7.1; entries in a block from 7.2 on."""
    capacity = {name: kernel_of(name, schema().format(name).component).table(schema().format(name)) for name in TABLES}
    assert capacity["luo-session-v2"].capacity == 819
    assert capacity["luo-file-v2"].capacity == 128
    assert capacity["luo-flb-v1"].capacity == capacity["luo-flb-v5"].capacity == 63
    assert (capacity["luo-session-v5"].per_block, capacity["luo-file-v5"].per_block) == (51, 63)
    assert capacity["luo-session-v5"].capacity == 510_000


# --- vmalloc areas --------------------


@pytest.mark.parametrize(
    "form", [f for f in schema().formats.values() if f.component == "kho-vmalloc"], ids=lambda f: f.id
)
@given(count=st.integers(0, 1100), order=st.integers(0, 10))
@example(count=510, order=0)
@example(count=511, order=0)
@example(count=512, order=0)
@example(count=1022, order=3)
@example(count=1023, order=0)
def test_vmalloc_areas(form: Any, count: int, order: int) -> None:
    memory, allocate = PhysicalMemory(1 << 40), Allocator()
    chunk = StructCodec(schema(), form.structs["chunk"])
    blocks = (np.arange(count, dtype=np.uint64) * np.uint64(3) + np.uint64(1)) << np.uint64(12 + order)
    what = vmalloc.encode(memory, chunk, blocks, 1, order, allocate)
    assert what.total_pages == count << order
    found = vmalloc.decode(memory, chunk, what)
    assert found.blocks.tolist() == blocks.tolist()
    assert list(found.chunks) == allocate.given
    assert len(found.chunks) == count // 511 + 1, "a full chunk gets a successor at once"


def test_vmalloc_areas_that_do_not_add_up() -> None:
    memory, allocate = PhysicalMemory(TOP), Allocator()
    chunk = StructCodec(schema(), "kho_vmalloc_chunk")
    what = vmalloc.encode(memory, chunk, np.array([PAGE, 2 * PAGE], dtype=np.uint64), 1, 0, allocate)
    changes: list[tuple[Callable[[vmalloc.Descriptor], vmalloc.Descriptor], str]] = [
        (lambda d: vmalloc.Descriptor(d.first, 1, d.flags, d.order), "more pages than the 1 announced"),
        (lambda d: vmalloc.Descriptor(d.first, 3, d.flags, d.order), "2 pages found, 3 announced"),
        (lambda d: vmalloc.Descriptor(d.first, 1 << 31, d.flags, d.order), "no memory for a list of 2147483648 pages"),
    ]
    for change, message in changes:
        with pytest.raises(CountError, match=message):
            vmalloc.decode(memory, chunk, change(what))
