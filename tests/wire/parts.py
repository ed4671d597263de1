# SPDX-License-Identifier: Apache-2.0
"""What formats put into memory, as parts that can be drawn, written and read: structs, maps, tables, areas."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from qualify.errors import WireError
from qualify.machine.kernel import Kernel
from qualify.machine.memory import PhysicalMemory
from qualify.machine.target_area import Area
from qualify.schema import ArrayTable, ChunkListMap, RadixTreeMap
from qualify.wire import chunklist, radix, vmalloc
from qualify.wire.memory import MemoryReader
from qualify.wire.structs import StructCodec
from qualify.wire.tables import TableCodec
from tests.wire.drawn import Allocator, edges, plain, row_of, some_blocks
from tests.wire.golden import PAGE, in_order

__all__ = ["AREA", "Content", "Entries", "Found", "Map", "Part", "Rows"]

MIB = 1 << 20
AREA = ("first", "total_pages", "flags", "order")  # the members of a struct that leads to a vmalloc area


@dataclass(frozen=True)
class Found:
    """What leads a reader to a part: an address, and the number (of entries, of bytes) that came with it."""

    at: int
    count: int = 0


class Part(ABC):
    """One thing that a format puts into memory."""

    name: str
    structs: frozenset[str] = frozenset()  # those whose bytes this part covers
    bound = 4 * MIB  # bytes that a reader may take, whatever it finds

    @abstractmethod
    def values(self) -> st.SearchStrategy[Any]:
        """Something to write."""

    @abstractmethod
    def write(self, memory: PhysicalMemory, allocate: Allocator, values: Any) -> Found: ...

    @abstractmethod
    def read(self, memory: MemoryReader, found: Found) -> Any: ...

    def expected(self, values: Any, found: Found) -> Any:
        """What `read` answers for what was written."""
        return values

    def write_too_much(self, memory: PhysicalMemory, allocate: Allocator) -> None:
        """Write one more than there is room for; raises WireError. Where there is no such limit it says so."""
        raise WireError("there is no limit")


class Rows(Part):
    """Structs one after the other: a root struct alone, or as many as whoever names them says."""

    def __init__(self, role: str, codec: StructCodec, most: int) -> None:
        self.name, self.codec, self.most = role, codec, most
        self.structs = frozenset({codec.id})

    def values(self) -> st.SearchStrategy[Any]:
        return st.lists(row_of(self.codec), min_size=self.most == 1, max_size=self.most)

    def write(self, memory: PhysicalMemory, allocate: Allocator, values: Any) -> Found:
        raw = b"".join(map(self.codec.pack, values))
        at = allocate(max(-(-len(raw) // PAGE), 1))
        memory.write(at, raw)
        return Found(at, len(values))

    def read(self, memory: MemoryReader, found: Found) -> Any:
        count = min(found.count, self.most)
        raw = memory.read(found.at, count * self.codec.size)
        assert len(self.codec.unpack_array(raw, count)) == count
        return [plain(self.codec.unpack(raw, i * self.codec.size)) for i in range(count)]


class Map(Part):
    """The preserved-memory map."""

    name = "memory map"
    bound = 192 * MIB  # a block takes 16 bytes, and RAM / page size of them may be there, twice while they are gathered

    def __init__(self, kernel: Kernel, layout: ChunkListMap | RadixTreeMap) -> None:
        self.kernel, self.layout = kernel, layout
        chunks = isinstance(layout, ChunkListMap)
        self.structs = frozenset({layout.header, layout.entry} if chunks else {layout.node, layout.leaf})

    def values(self) -> st.SearchStrategy[Any]:
        return some_blocks() | st.sampled_from(edges())

    def write(self, memory: PhysicalMemory, allocate: Allocator, values: Any) -> Found:
        if isinstance(self.layout, RadixTreeMap):
            return Found(radix.encode(memory, self.layout, values, PAGE, allocate))

        def store(bitmap: bytes, start: int, order: int) -> int:
            at = allocate()
            memory.write(at, bitmap)
            return at

        codecs = self.kernel.map_codecs(self.layout)
        return Found(chunklist.encode(memory, self.layout, *codecs, values, PAGE, allocate, store))

    def read(self, memory: MemoryReader, found: Found) -> Any:
        if isinstance(self.layout, RadixTreeMap):
            return in_order(radix.decode(memory, self.layout, found.at, PAGE)).tolist()
        codecs = self.kernel.map_codecs(self.layout)
        return in_order(chunklist.decode(memory, self.layout, *codecs, found.at, PAGE)).tolist()

    def expected(self, values: Any, found: Found) -> Any:
        return in_order(values).tolist()


class Entries(Part):
    """A table; the number of its entries is drawn at and around what a page, a block and the whole have room for."""

    name = "table"

    def __init__(self, table: TableCodec) -> None:
        self.table, box = table, table.container
        self.structs = frozenset({box.entry, box.header} - {""})
        if isinstance(box, ArrayTable):
            self.counts = [0, 1, table.capacity - 1, table.capacity]
        else:
            each = table.per_block
            self.counts = [0, 1, each - 1, each, each + 1, 3 * each, 3 * each + 1]
            self.bound = 8 * MIB  # the addresses of max_blocks blocks

    def values(self) -> st.SearchStrategy[Any]:
        counts = st.sampled_from(self.counts) | st.integers(0, max(self.counts))
        few = st.lists(row_of(self.table.entry), min_size=1, max_size=3)
        return st.tuples(counts, few).map(lambda drawn: self._rows(*drawn))

    def _rows(self, count: int, few: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The few repeated, each with a number of its own, so that none passes for another."""
        own = next(f for f in self.table.entry.fields if f.type != "char" and not f.count and not f.bits)
        top = 1 << 8 * own.size
        return [{**few[i % len(few)], own.name: (few[i % len(few)][own.name] + i) % top} for i in range(count)]

    def write(self, memory: PhysicalMemory, allocate: Allocator, values: Any) -> Found:
        where = self.table.allocate(allocate, len(values))
        at = self.table.encode(memory, where, values, {"pgcnt": len(where)})
        return Found(at, len(values))

    def read(self, memory: MemoryReader, found: Found) -> Any:
        table = self.table.decode(memory, found.at, found.count)
        rows = [plain(row) for row in table]
        assert len(rows) == table.count
        return rows

    def write_too_much(self, memory: PhysicalMemory, allocate: Allocator) -> None:
        self.table.encode(memory, (0,), [{}] * (self.table.capacity + 1))


class Content(Part):
    """Bytes in pages that a struct kho_vmalloc inside `codec` leads to, at `prefix`; and the struct's other members."""

    bound = 24 * MIB

    def __init__(self, codec: StructCodec, prefix: str, chunk: StructCodec) -> None:
        self.name = f"{codec.id} and what it leads to"
        self.codec, self.prefix, self.chunk = codec, prefix, chunk
        self.structs = frozenset({codec.id, chunk.id})

    def values(self) -> st.SearchStrategy[Any]:
        full = self.chunk.member("phys").count
        many = st.tuples(st.sampled_from([full - 1, full, full + 1]) | st.integers(8, full + 1), st.just(0))
        few = st.tuples(st.integers(0, 8), st.integers(0, 3))
        unused = st.integers(0, PAGE - 1)  # bytes of the last page
        return st.tuples(row_of(self.codec), few | many, unused, st.integers(0, 255))

    def write(self, memory: PhysicalMemory, allocate: Allocator, values: Any) -> Found:
        row, (count, order), unused, seed = values
        blocks = np.array([allocate(1 << order) for _ in range(count)], dtype=np.uint64)
        for number, at in enumerate(blocks.tolist()):
            memory.write(at, _filled(seed + number, PAGE << order))
        area = vmalloc.encode(memory, self.chunk, blocks, row[self.prefix + "flags"], order, allocate)
        members = {self.prefix + name: getattr(area, name) for name in AREA}
        at = allocate()
        memory.write(at, self.codec.pack({**row, **members}))
        return Found(at, max(count * (PAGE << order) - unused, 0))

    def read(self, memory: MemoryReader, found: Found) -> Any:
        row = plain(self.codec.unpack(memory.read(found.at, self.codec.size)))
        what = vmalloc.Descriptor(**{name: row[self.prefix + name] for name in AREA})
        area = Area(memory, vmalloc.decode(memory, self.chunk, what).blocks, what.order, PAGE, False)
        data = b"".join(piece.tobytes() for piece in area.pieces(min(found.count, 8 * MIB), 1))
        return self._others(row), data

    def expected(self, values: Any, found: Found) -> Any:
        row, (count, order), _, seed = values
        data = b"".join(_filled(seed + number, PAGE << order) for number in range(count))
        return self._others(row), data[: found.count]

    def _others(self, row: dict[str, Any]) -> dict[str, Any]:
        own = {self.prefix + name for name in AREA} - {self.prefix + "flags"}
        return {name: value for name, value in row.items() if name not in own}


def _filled(seed: int, size: int) -> bytes:
    """Bytes that differ from page to page and from block to block."""
    return (bytes((seed + i) & 0xFF for i in range(251)) * (size // 251 + 1))[:size]
