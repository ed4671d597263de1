# SPDX-License-Identifier: Apache-2.0
"""Arbitrary bytes into every decoder: an answer or a typed error, in bounded memory and a bounded number of reads."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qualify.errors import CountError, CycleError, PointerError, WireError
from qualify.machine.kernel import Kernel
from qualify.machine.memory import PhysicalMemory
from qualify.schema import ChunkListMap, Format, Schema
from qualify.wire import chunklist, radix, vmalloc
from qualify.wire.memory import Array
from qualify.wire.structs import StructCodec
from qualify.wire.tables import TableCodec
from tests.bounds import bounded
from tests.wire.golden import PAGE, schema

RAM = 1 << 30
PAGES = 16  # of hostile bytes, from address 0 on; pointers into them are likely
BOUND = 192 << 20  # bytes; RAM / page size times what a decoder keeps per page
READS = 2_000_000


class Counted:
    """A memory that counts how often it is asked."""

    def __init__(self, memory: PhysicalMemory) -> None:
        self._memory = memory
        self.reads = 0

    @property
    def ram_bytes(self) -> int:
        return self._memory.ram_bytes

    def _count(self) -> None:
        self.reads += 1
        assert self.reads < READS, "this would go on for very long"

    def read(self, at: int, size: int) -> bytes:
        self._count()
        return self._memory.read(at, size)

    def array(self, at: int, size: int) -> Array:
        self._count()
        return self._memory.array(at, size)

    def gather(self, addresses: npt.NDArray[np.uint64], size: int) -> Array:
        self._count()
        return self._memory.gather(addresses, size)


def kernel_of(form: Format) -> Kernel:
    release = next(r for r in schema().releases if form.id in (s.writes for s in r.components.values()))
    return Kernel(schema(), release)


def decoders(known: Schema) -> dict[str, Callable[[Counted, int], object]]:
    found: dict[str, Callable[[Counted, int], object]] = {}
    for form in known.formats.values():
        kernel = kernel_of(form)
        if form.memory_map is not None:
            layout = form.memory_map
            if isinstance(layout, ChunkListMap):
                codecs = kernel.map_codecs(layout)
                found[form.id] = lambda m, at, lay=layout, c=codecs: chunklist.decode(m, lay, *c, at, PAGE)
            else:
                found[form.id] = lambda m, at, lay=layout: radix.decode(m, lay, at, PAGE)
        if form.container is not None:
            found[form.id] = partial(_count_entries, kernel.table(form))
    chunk = StructCodec(known, "kho_vmalloc_chunk")
    for total in (1, 600, 1 << 17):
        found[f"kho-vmalloc of {total}"] = partial(_area, chunk, total)
    return found


def _count_entries(table: TableCodec, memory: Counted, at: int) -> int:
    return sum(1 for _ in table.decode(memory, at, 1 << 40))


def _area(chunk: StructCodec, total: int, memory: Counted, at: int) -> vmalloc.Area:
    return vmalloc.decode(memory, chunk, vmalloc.Descriptor(at, total, 1, 0))


DECODERS = decoders(schema())

# 64-bit words that mean something somewhere: pointers into the hostile pages, small counts, and the ends of ranges
words = st.one_of(
    st.integers(0, PAGES - 1).map(lambda n: n * PAGE),
    st.integers(0, PAGES * PAGE),
    st.integers(0, 600),
    st.sampled_from([1 << 31, RAM - PAGE, RAM - 8, RAM, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, 0xFFFFFFFF, 1 << 32]),
    st.integers(0, (1 << 64) - 1),
)
hostile_pages = st.lists(st.lists(st.tuples(st.integers(0, 511), words), max_size=12), min_size=1, max_size=PAGES)


def memory_of(rows: list[list[tuple[int, int]]], everywhere: int) -> PhysicalMemory:
    """Pages that hold `everywhere` in every word but those given as (index, value); the rows repeat."""
    memory = PhysicalMemory(RAM)
    for number in range(PAGES):
        page = np.full(512, everywhere, dtype=np.uint64)
        for index, word in rows[number % len(rows)]:
            page[index] = word
        memory.write(number * PAGE, page.view(np.uint8))
    return memory


@pytest.mark.parametrize("name", DECODERS)
@given(rows=hostile_pages, everywhere=st.one_of(st.just(0), words), at=st.one_of(st.just(0), st.just(PAGE), words))
def test_any_bytes(name: str, rows: list[list[tuple[int, int]]], everywhere: int, at: int) -> None:
    memory = Counted(memory_of(rows, everywhere))
    with suppress(WireError):
        DECODERS[name](memory, at)


def all_words(word: int) -> Counted:
    return Counted(memory_of([[]], word))


@pytest.mark.parametrize("name", DECODERS)
@pytest.mark.parametrize(
    "word",
    [
        0,
        1,
        PAGE,
        2 * PAGE + 8,
        PAGES * PAGE,
        RAM - PAGE,
        RAM - 8,
        1 << 32,
        0xFF00000001,
        (1 << 64) - 1,
        0xDEADC0DEDEADC0DF,
    ],
    ids=hex,
)
def test_the_same_word_everywhere_takes_little_memory(name: str, word: int) -> None:
    """Pages full of pointers to pages full of pointers: where a decoder that trusts them would unfold for ever."""
    memory = all_words(word)
    with bounded(BOUND), suppress(WireError):
        DECODERS[name](memory, PAGE)


def test_tree_of_trees_does_not_unfold() -> None:
    """Each of 512 entries leads to the same page, level after level: 512^5 nodes."""
    with bounded(BOUND), pytest.raises(CycleError, match=r"more than .* nodes, which RAM cannot need"):
        DECODERS["kho-v4"](all_words(PAGE), PAGE)


def test_more_blocks_than_ram() -> None:
    memory = PhysicalMemory(RAM)
    for level in range(5):
        links = np.full(512, 0, dtype=np.uint64)
        links[: 64 if level == 4 else 1] = (level + 1) * PAGE
        memory.write(level * PAGE, links.view(np.uint8))
    memory.write(5 * PAGE, b"\xff" * PAGE)
    with bounded(BOUND), pytest.raises(CountError, match=r"names more than the .* blocks that RAM has"):
        DECODERS["kho-v4"](Counted(memory), 0)


def test_chunks_that_never_end() -> None:
    memory = PhysicalMemory(RAM)
    for at in range(0, 64 * PAGE, PAGE):
        memory.write(at, (at + PAGE).to_bytes(8, "little") + bytes(8))
    memory.write(63 * PAGE, (PAGE).to_bytes(8, "little"))
    for name in ("kho-v1-b512", "kho-v1-b4096"):
        with bounded(BOUND), pytest.raises(CycleError, match="the list of chunks comes back to itself"):
            DECODERS[name](Counted(memory), PAGE)
    with bounded(BOUND), pytest.raises(CycleError, match="vmalloc chunks does not end"):
        DECODERS["kho-vmalloc of 600"](Counted(memory), PAGE)


@pytest.mark.parametrize(
    ("head", "error", "message"),
    [
        ((0, 0, 256), CountError, "a chunk says it holds 256 bitmaps, a page has room for 255"),
        ((0, 52, 1), CountError, "a chunk says order 52"),
        ((RAM, 0, 0), PointerError, "outside RAM"),
    ],
)
def test_bad_chunk(head: tuple[int, int, int], error: type[WireError], message: str) -> None:
    link, order, count = head
    memory = PhysicalMemory(RAM)
    raw = link.to_bytes(8, "little") + order.to_bytes(4, "little") + count.to_bytes(4, "little")
    memory.write(PAGE, raw)
    with pytest.raises(error, match=message):
        DECODERS["kho-v1-b4096"](Counted(memory), PAGE)


@pytest.mark.parametrize(("count", "message"), [(0, "holds 0 entries"), (52, "holds 52 entries, it has room for 51")])
def test_bad_block(count: int, message: str) -> None:
    memory = PhysicalMemory(RAM)
    memory.write(PAGE, bytes(8) + count.to_bytes(8, "little"))
    with pytest.raises(CountError, match=message):
        DECODERS["luo-session-v5"](Counted(memory), PAGE)


def test_block_that_leads_to_itself() -> None:
    memory = PhysicalMemory(RAM)
    memory.write(PAGE, PAGE.to_bytes(8, "little") + b"\x01")
    with pytest.raises(CycleError, match="the list of blocks does not end"):
        DECODERS["luo-session-v5"](Counted(memory), PAGE)


def test_array_that_says_it_is_endless() -> None:
    memory = PhysicalMemory(RAM)
    memory.write(PAGE, b"\xff" * 8)
    with bounded(BOUND), pytest.raises(CountError, match="holds 18446744073709551615 x luo_session_ser"):
        DECODERS["luo-session-v2"](Counted(memory), PAGE)
    memory.write(RAM - PAGE, b"\xff" * 8)
    with pytest.raises(PointerError, match="outside RAM"):
        DECODERS["luo-session-v2"](Counted(memory), RAM - PAGE)
