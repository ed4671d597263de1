# SPDX-License-Identifier: Apache-2.0
"""Bytes that lead decoders astray, one way at a time, and what each is refused with.

Arbitrary bytes are in test_every_format.py.
"""

from __future__ import annotations

import numpy as np
import pytest

from qualify.errors import CountError, CycleError, PointerError, WireError
from qualify.machine.memory import PhysicalMemory
from qualify.wire import vmalloc
from qualify.wire.structs import StructCodec
from tests.bounds import bounded
from tests.wire.anatomy import parts_of
from tests.wire.drawn import TOP
from tests.wire.golden import PAGE, schema
from tests.wire.hostile import Counted, memory_of
from tests.wire.parts import Entries, Found, Map

BOUND = 192 << 20  # bytes; RAM / page size times what a decoder keeps per page


def read(form: str, memory: PhysicalMemory, at: int, count: int = 1 << 40) -> None:
    """The map or the table of a format, starting at `at`."""
    part = next(p for p in parts_of(schema(), schema().format(form)) if isinstance(p, Map | Entries))
    with bounded(BOUND):
        part.read(Counted(memory), Found(at, count))


def area(memory: PhysicalMemory, at: int, total: int) -> vmalloc.Area:
    return vmalloc.decode(
        Counted(memory), StructCodec(schema(), "kho_vmalloc_chunk"), vmalloc.Descriptor(at, total, 1, 0)
    )


def test_tree_of_trees_does_not_unfold() -> None:
    """Each of 512 entries leads to the same page, level after level: 512^5 nodes."""
    with pytest.raises(CycleError, match=r"more than .* nodes, which RAM cannot need"):
        read("kho-v4", memory_of([[]], PAGE), PAGE)


def test_more_blocks_than_ram() -> None:
    memory = PhysicalMemory(TOP)
    for level in range(5):
        links = np.full(512, 0, dtype=np.uint64)
        links[: 64 if level == 4 else 1] = (level + 1) * PAGE
        memory.write(level * PAGE, links.view(np.uint8))
    memory.write(5 * PAGE, b"\xff" * PAGE)
    with pytest.raises(CountError, match=r"names more than the .* blocks that RAM has"):
        read("kho-v4", memory, 0)


def test_chunks_that_never_end() -> None:
    memory = PhysicalMemory(TOP)
    for at in range(0, 64 * PAGE, PAGE):
        memory.write(at, (at + PAGE).to_bytes(8, "little") + bytes(8))
    memory.write(63 * PAGE, (PAGE).to_bytes(8, "little"))
    for name in ("kho-v1-b512", "kho-v1-b4096"):
        with pytest.raises(CycleError, match="the list of chunks comes back to itself"):
            read(name, memory, PAGE)
    with pytest.raises(CycleError, match="vmalloc chunks does not end"):
        area(memory, PAGE, 600)


@pytest.mark.parametrize(
    ("head", "error", "message"),
    [
        ((0, 0, 256), CountError, "a chunk says it holds 256 bitmaps, a page has room for 255"),
        ((0, 52, 1), CountError, "a chunk says order 52"),
        ((TOP, 0, 0), PointerError, "outside RAM"),
    ],
)
def test_bad_chunk(head: tuple[int, int, int], error: type[WireError], message: str) -> None:
    link, order, count = head
    memory = PhysicalMemory(TOP)
    raw = link.to_bytes(8, "little") + order.to_bytes(4, "little") + count.to_bytes(4, "little")
    memory.write(PAGE, raw)
    with pytest.raises(error, match=message):
        read("kho-v1-b4096", memory, PAGE)


@pytest.mark.parametrize(("count", "message"), [(0, "holds 0 entries"), (52, "holds 52 entries, it has room for 51")])
def test_bad_block(count: int, message: str) -> None:
    memory = PhysicalMemory(TOP)
    memory.write(PAGE, bytes(8) + count.to_bytes(8, "little"))
    with pytest.raises(CountError, match=message):
        read("luo-session-v5", memory, PAGE)


def test_block_that_leads_to_itself() -> None:
    memory = PhysicalMemory(TOP)
    memory.write(PAGE, PAGE.to_bytes(8, "little") + b"\x01")
    with pytest.raises(CycleError, match="the list of blocks does not end"):
        read("luo-session-v5", memory, PAGE)


def test_array_that_says_it_is_endless() -> None:
    memory = PhysicalMemory(TOP)
    memory.write(PAGE, b"\xff" * 8)
    with pytest.raises(CountError, match="holds 18446744073709551615 x luo_session_ser"):
        read("luo-session-v2", memory, PAGE)
    memory.write(TOP - PAGE, b"\xff" * 8)
    with pytest.raises(PointerError, match="outside RAM"):
        read("luo-session-v2", memory, TOP - PAGE)
