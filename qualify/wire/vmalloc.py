# SPDX-License-Identifier: Apache-2.0
"""kho_vmalloc: a descriptor and linked chunks of page addresses that together describe one vmalloc area.

Source: kho_preserve_vmalloc() and kho_restore_vmalloc() in kernel/kexec_handover.c of 6.18.15 and later.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qualify.errors import CountError, CycleError
from qualify.wire.memory import Allocate, MemoryReader, MemoryWriter
from qualify.wire.structs import StructCodec

__all__ = ["Area", "Descriptor", "decode", "encode", "walk"]

U64 = npt.NDArray[np.uint64]

_INT_MAX = (1 << 31) - 1


@dataclass(frozen=True, slots=True)
class Descriptor:
    """The members of struct kho_vmalloc. `first` is the address of the first chunk, 0 when there is none."""

    first: int
    total_pages: int
    flags: int
    order: int


@dataclass(frozen=True, slots=True)
class Area:
    """What a descriptor leads to: the address of each block of 2^order pages, and the chunks on the way."""

    blocks: U64
    chunks: tuple[int, ...]


def encode(
    memory: MemoryWriter, chunk: StructCodec, blocks: U64, flags: int, order: int, allocate: Allocate
) -> Descriptor:
    """Write the chunks for an area of `blocks` (addresses of 2^order pages each); every chunk is one allocated page.

    A chunk that becomes full gets a successor at once, as kho_preserve_vmalloc() does, so the last may be empty.
    """
    room = chunk.member("phys").count
    pieces = [blocks[i : i + room] for i in range(0, len(blocks), room)] or [blocks]
    if len(pieces[-1]) == room:
        pieces.append(blocks[:0])
    chunks = [allocate(1) for _ in pieces]
    for at, link, piece in zip(chunks, [*chunks[1:], 0], pieces, strict=True):
        memory.write(at, chunk.pack({"next": link, "phys": tuple(piece.tolist())}))
    return Descriptor(chunks[0], len(blocks) << order, flags, order)


def walk(memory: MemoryReader, chunk: StructCodec, what: Descriptor) -> Iterator[tuple[int, U64]]:
    """(address of a chunk, blocks it names), one chunk at a time, since kernels act on each before they see the next.

    Raises PointerError, CycleError, or CountError when the pages do not add up to the descriptor's total.
    """
    each = 1 << what.order
    most = memory.ram_bytes // chunk.size
    if 8 * what.total_pages > min(_INT_MAX, memory.ram_bytes):  # kvmalloc_array(total_pages) answers NULL
        raise CountError(f"no memory for a list of {what.total_pages} pages", offset=what.first)
    found = 0
    seen: set[int] = set()
    at = what.first
    while at:
        if at in seen or len(seen) > most:
            raise CycleError("the list of vmalloc chunks does not end", offset=at)
        seen.add(at)
        body = chunk.unpack(memory.read(at, chunk.size))
        pages, link = body["phys"], body["next"]
        assert isinstance(pages, tuple)
        assert isinstance(link, int)
        used = pages[: pages.index(0)] if 0 in pages else pages
        found += len(used) * each
        if found > what.total_pages:
            raise CountError(f"more pages than the {what.total_pages} announced", offset=at)
        yield at, np.array(used, dtype=np.uint64)
        at = link
    if found != what.total_pages:
        raise CountError(f"{found} pages found, {what.total_pages} announced", offset=what.first)


def decode(memory: MemoryReader, chunk: StructCodec, what: Descriptor) -> Area:
    """Follow a descriptor to its end; raises as `walk` does."""
    found = list(walk(memory, chunk, what))
    blocks = np.concatenate([np.empty(0, dtype=np.uint64), *(b for _, b in found)])
    return Area(blocks, tuple(at for at, _ in found))
