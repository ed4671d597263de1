# SPDX-License-Identifier: Apache-2.0
"""Tables of serialized entries: one contiguous array up to 7.1, linked blocks from 7.2 on.

Source: luo_session.c, luo_file.c and luo_flb.c of 6.19.11 and 7.1.13; kho_block.c of 7.3.4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from qualify.errors import CountError, CycleError, EncodeError, PointerError
from qualify.schema import ArrayTable, BlockList, Container
from qualify.wire.memory import Allocate, MemoryReader, MemoryWriter
from qualify.wire.structs import StructCodec, Value

__all__ = ["Table", "TableCodec"]


_MOST_ENTRIES = 1 << 13  # of an array; real ones have room for less than a thousand
_AHEAD = 1 << 6  # entries read together; divides _MOST_ENTRIES


@dataclass(frozen=True, slots=True)
class Table:
    """A table that was found: its pages (address, count), its header, and how many entries it says it has.

    Iterating reads the entries one after the other, as kernels do: what lies behind a bad one may never be looked at.
    """

    pages: tuple[tuple[int, int], ...]
    header: Mapping[str, Value]
    count: int
    _read: Callable[[], Iterator[dict[str, Value]]]

    def __iter__(self) -> Iterator[dict[str, Value]]:
        return self._read()


class TableCodec:
    """Writes and reads the tables of one format. Capacity follows from the layout."""

    def __init__(self, container: Container, header: StructCodec | None, entry: StructCodec, page_size: int) -> None:
        self.container = container
        self.header = header
        self.entry = entry
        self._page = page_size
        self._start = header.size if header is not None else 0

    @property
    def per_block(self) -> int:
        """Entries that fit behind the header of one page."""
        return (self._page - self._start) // self.entry.size

    @property
    def capacity(self) -> int:
        """Entries that the writer accepts."""
        if isinstance(self.container, ArrayTable):
            return (self.container.pages * self._page - self._start) // self.entry.size
        return self.container.max_blocks * self.per_block

    def allocate(self, allocate: Allocate, count: int) -> tuple[int, ...]:
        """The pages for `count` entries: one run for an array (always), one page a block (none for no entries)."""
        if isinstance(self.container, ArrayTable):
            return (allocate(self.container.pages),)
        return tuple(allocate(1) for _ in range(-(-count // self.per_block)))

    def encode(
        self,
        memory: MemoryWriter,
        where: Sequence[int],
        entries: Sequence[Mapping[str, Value]],
        extra: Mapping[str, Value] | None = None,
    ) -> int:
        """Write `entries` to pages that `allocate` gave; returns the address a reader starts from, 0 for none."""
        if len(entries) > self.capacity:
            raise EncodeError(f"{len(entries)} x {self.entry.id} do not fit, {self.capacity} do")
        if isinstance(self.container, ArrayTable):
            head = self._head({**(extra or {}), "count": len(entries)})
            memory.write(where[0], head + b"".join(self.entry.pack(e) for e in entries))
            return where[0]
        for i, at in enumerate(where):
            part = entries[i * self.per_block : (i + 1) * self.per_block]
            link = where[i + 1] if i + 1 < len(where) else 0
            head = self._head({"next": link, "count": len(part)})
            memory.write(at, head + b"".join(self.entry.pack(e) for e in part))
        return where[0] if where else 0

    def decode(self, memory: MemoryReader, at: int, count: int | None = None) -> Table:
        """Find the table that starts at `at`.

        An array without header needs `count`; one with header says it itself. Nothing bounds an array's count in the
        kernels: iterating raises PointerError where it leaves RAM, CountError where it goes on without end. Blocks are
        checked at once, as kho_block_set_restore() does: CycleError for a loop, CountError for an empty or overfull.
        """
        return self._array(memory, at, count) if isinstance(self.container, ArrayTable) else self._blocks(memory, at)

    def _array(self, memory: MemoryReader, at: int, count: int | None) -> Table:
        assert isinstance(self.container, ArrayTable)
        header: dict[str, Value] = {}
        if self.header is not None:
            header = self.header.unpack(memory.read(at, self.header.size))
            count = _number(header["count"])
        total = count or 0
        pages = ((at, self.container.pages),)
        return Table(pages, header, total, lambda: self._entries(memory, at + self._start, total))

    def _blocks(self, memory: MemoryReader, at: int) -> Table:
        assert isinstance(self.container, BlockList)
        assert self.header is not None
        counts: dict[int, int] = {}  # by address, in order
        while at:
            if at in counts or len(counts) >= self.container.max_blocks:
                raise CycleError("the list of blocks does not end", offset=at)
            head = self.header.unpack(memory.read(at, self.header.size))
            counts[at] = _number(head["count"])
            at = _number(head["next"])
        for where, count in counts.items():
            if not 0 < count <= self.per_block:
                text = f"a block says it holds {count} entries, it has room for {self.per_block}"
                raise CountError(text, offset=where)

        def read() -> Iterator[dict[str, Value]]:
            for where, count in counts.items():
                yield from self._entries(memory, where + self._start, count)

        return Table(tuple((where, 1) for where in counts), {}, sum(counts.values()), read)

    def _entries(self, memory: MemoryReader, at: int, count: int) -> Iterator[dict[str, Value]]:
        size, unpack = self.entry.size, self.entry.unpack
        for first in range(0, min(count, _MOST_ENTRIES), _AHEAD):
            start, number = at + first * size, min(_AHEAD, count - first)
            try:
                raw = memory.read(start, number * size)
            except PointerError:  # one of them lies outside; those before it can be read
                yield from (unpack(memory.read(start + i * size, size)) for i in range(number))
            else:
                yield from (unpack(raw, i * size) for i in range(number))
        if count > _MOST_ENTRIES:
            raise CountError(f"a table says it holds {count} x {self.entry.id}", offset=at)

    def _head(self, values: Mapping[str, Value]) -> bytes:
        return self.header.pack(values) if self.header is not None else b""


def _number(value: Value) -> int:
    assert isinstance(value, int)
    return value
