# SPDX-License-Identifier: Apache-2.0
"""The preserved-memory map up to 7.0: linked chunks of (start, bitmap) pairs, one bit per 2^order pages.

Source: kho_mem_serialize(), kho_mem_deserialize() and deserialize_bitmap() in kernel/kexec_handover.c of 6.18.15 and
kernel/liveupdate/kexec_handover.c of 6.19.11.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from qualify.errors import CountError, CycleError
from qualify.schema import ChunkListMap
from qualify.wire.bits import set_bits
from qualify.wire.memory import SECTION_BYTES, Allocate, MemoryReader, MemoryWriter
from qualify.wire.structs import StructCodec

__all__ = ["BitmapWriter", "Blocks", "decode", "encode", "most_blocks"]

Blocks = np.ndarray[tuple[int, int], np.dtype[np.uint64]]

_BATCH = 1 << 20  # bytes of bitmaps looked at together


class BitmapWriter(Protocol):
    """Stores one bitmap and returns its address; a short bitmap shares its page with whatever lies behind it.

    `start` is the address of bit 0, `order` that of the pages: for those who choose what lies behind.
    """

    def __call__(self, bitmap: bytes, start: int, order: int) -> int: ...


def encode(
    memory: MemoryWriter,
    layout: ChunkListMap,
    header: StructCodec,
    entry: StructCodec,
    blocks: Blocks,
    page_size: int,
    allocate: Allocate,
    store_bitmap: BitmapWriter,
) -> int:
    """Write the map of `blocks` ((n, 2): address, order) and return the address of its first chunk, 0 when empty.

    Orders ascend, a chunk holds one order, bitmaps ascend within it - as the xarrays are walked.
    """
    shift = page_size.bit_length() - 1
    bits = layout.bitmap_bytes * 8
    room = (page_size - header.size) // entry.size
    chunks: list[tuple[int, int, list[tuple[int, int]]]] = []  # address, order, (phys_start, bitmap)
    for order in sorted(int(o) for o in np.unique(blocks[:, 1])):
        numbers = np.unique(blocks[blocks[:, 1] == order, 0] >> np.uint64(shift + order))
        windows, starts = np.unique(numbers // np.uint64(bits), return_index=True)
        chunks.append((allocate(1), order, []))
        for window, group in zip(windows.tolist(), np.split(numbers % np.uint64(bits), starts[1:]), strict=True):
            if len(chunks[-1][2]) == room:
                chunks.append((allocate(1), order, []))
            flags = np.zeros(bits, dtype=np.uint8)
            flags[group.astype(np.intp)] = 1
            bitmap = np.packbits(flags, bitorder="little").tobytes()
            start = window * bits << (shift + order)
            chunks[-1][2].append((start, store_bitmap(bitmap, start, order)))
    if not chunks:
        return 0
    following = [c[0] for c in chunks[1:]] + [0]
    for (at, order, pairs), link in zip(chunks, following, strict=True):
        body = header.pack({"next": link, "order": order, "num_elms": len(pairs)})
        body += b"".join(entry.pack({"phys_start": start, "bitmap": where}) for start, where in pairs)
        memory.write(at, body)
    return chunks[0][0]


def most_blocks(ram_bytes: int, page_size: int, orders: int = 64) -> int:
    """How many different blocks of any order `ram_bytes` can hold, with room for RAM that ends within a section."""
    return 2 * (ram_bytes // page_size) + 2 * (SECTION_BYTES // page_size) + orders


def decode(
    memory: MemoryReader, layout: ChunkListMap, header: StructCodec, entry: StructCodec, first: int, page_size: int
) -> Blocks:
    """The blocks that a release with this layout understands, in the order it meets them; shape (n, 2).

    Raises PointerError, CountError or CycleError where the kernel would fault, run off the page, or never end.
    Memory stays in proportion to RAM / page size.
    """
    shift = page_size.bit_length() - 1
    room = (page_size - header.size) // entry.size
    limit = most_blocks(memory.ram_bytes, page_size)
    found: list[Blocks] = [np.empty((0, 2), dtype=np.uint64)]
    total, bitmaps = 0, 0
    seen: set[int] = set()
    at = first
    while at:
        if at in seen:
            raise CycleError("the list of chunks comes back to itself", offset=at)
        seen.add(at)
        raw = memory.read(at, page_size)
        head = header.unpack(raw)
        order, count = int(head["order"]), int(head["num_elms"])  # type: ignore[arg-type]
        if count > room:
            raise CountError(f"a chunk says it holds {count} bitmaps, a page has room for {room}", offset=at)
        if order + shift >= 64:
            raise CountError(f"a chunk says order {order}", offset=at)
        bitmaps += count
        if max(bitmaps, len(seen)) > limit:
            raise CycleError(f"the list of chunks goes on beyond {limit} bitmaps, which RAM cannot need", offset=at)
        for block in _bitmaps(memory, layout, entry, raw[header.size :], count, order + shift):
            total += len(block)
            if total > limit:
                raise CountError(f"the map names more than the {limit} blocks that RAM has", offset=at)
            block[:, 1] = order
            found.append(block)
        at = int(head["next"])  # type: ignore[arg-type]
    return np.concatenate(found)


def _bitmaps(
    memory: MemoryReader, layout: ChunkListMap, entry: StructCodec, raw: bytes, count: int, shift: int
) -> Iterator[Blocks]:
    """The set bits of one chunk's bitmaps as addresses, a few bitmaps at a time: unpacked they are large."""
    rows = entry.unpack_array(raw, count)
    bases, where = entry.column(rows, "phys_start"), entry.column(rows, "bitmap")
    step = max(_BATCH // layout.bitmap_bytes, 1)
    for start in range(0, count, step):
        bitmaps = memory.gather(where[start : start + step], layout.bitmap_bytes)
        row, bit = set_bits(bitmaps)
        block = np.empty((len(row), 2), dtype=np.uint64)
        block[:, 0] = bases[start + row] + (bit.astype(np.uint64) << np.uint64(shift))
        yield block
