# SPDX-License-Identifier: Apache-2.0
"""The preserved-memory map from 7.1 on: a radix tree of pages whose keys hold order and address.

key = 1 << (key_width - 1 - order) | address >> (page_shift + order). Source: kho_radix_encode_key() and
__kho_radix_walk_tree() in kernel/liveupdate/kexec_handover.c of 7.1.13; the same bytes in 7.3.4.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from qualify.errors import CountError, CycleError, EncodeError
from qualify.schema import RadixTreeMap
from qualify.wire.bits import set_bits
from qualify.wire.chunklist import Blocks, most_blocks
from qualify.wire.memory import Allocate, Array, MemoryReader, MemoryWriter

__all__ = ["decode", "encode", "keys_of"]

U64 = npt.NDArray[np.uint64]

_BATCH = 1 << 20  # bytes of nodes looked at together


def keys_of(layout: RadixTreeMap, blocks: Blocks, page_size: int) -> U64:
    """The key of each block; shape (n,)."""
    shift = np.uint64(page_size.bit_length() - 1)
    order = blocks[:, 1]
    if len(order) and int(order.max()) > layout.key_width - 1:
        raise EncodeError(f"order {int(order.max())} has no place in a key of {layout.key_width} bits")
    return (np.uint64(1) << (np.uint64(layout.key_width - 1) - order)) | (blocks[:, 0] >> (shift + order))


def encode(memory: MemoryWriter, layout: RadixTreeMap, blocks: Blocks, page_size: int, allocate: Allocate) -> int:
    """Write the tree of `blocks` ((n, 2): address, order); returns the address of its root, which always exists."""
    root = allocate(1)
    keys = np.unique(keys_of(layout, blocks, page_size))
    if not len(keys):
        return root
    leaf_keys, starts = np.unique(keys >> np.uint64(layout.leaf_bits), return_index=True)
    where = np.array([allocate(1) for _ in leaf_keys], dtype=np.uint64)
    flags = np.zeros((1 << layout.leaf_bits,), dtype=np.uint8)
    for at, group in zip(where.tolist(), np.split(keys, starts[1:]), strict=True):
        bits = (group & np.uint64((1 << layout.leaf_bits) - 1)).astype(np.intp)
        flags[bits] = 1
        memory.write(at, np.packbits(flags, bitorder="little"))
        flags[bits] = 0
    children, entries = leaf_keys, 1 << layout.table_bits
    for level in range(1, layout.levels):
        parents, starts = np.unique(children >> np.uint64(layout.table_bits), return_index=True)
        top = level == layout.levels - 1
        if top and (len(parents) > 1 or int(parents[0])):
            raise EncodeError(f"a tree of {layout.levels} levels is too small for key {int(keys[-1]):#x}")
        above = np.array([root] if top else [allocate(1) for _ in parents], dtype=np.uint64)
        slots = np.split(children & np.uint64(entries - 1), starts[1:])
        for at, slot, child in zip(above.tolist(), slots, np.split(where, starts[1:]), strict=True):
            table = np.zeros(entries, dtype="<u8")
            table[slot.astype(np.intp)] = child
            memory.write(at, table.view(np.uint8))
        children, where = parents, above
    return root


def decode(memory: MemoryReader, layout: RadixTreeMap, root: int, page_size: int) -> Blocks:
    """The blocks that a release with this layout understands, in key order; shape (n, 2).

    Raises PointerError where the kernel would fault, CountError for a key that means no page or for more blocks than
    RAM has, CycleError where the kernel would walk (almost) for ever. Memory stays in proportion to RAM / page size.
    """
    entries = 1 << layout.table_bits
    # every node but a few covers at least one stretch of RAM of its own, once per order; generous by a factor of two
    span = page_size << layout.leaf_bits
    limit = 4 * (memory.ram_bytes // span) + 64 * layout.key_width
    nodes, prefixes = np.array([root], dtype=np.uint64), np.zeros(1, dtype=np.uint64)
    for level in range(layout.levels - 1, 0, -1):
        at = np.uint64((level - 1) * layout.table_bits + layout.leaf_bits)
        below: list[tuple[U64, U64]] = []  # nodes of the next level, their prefixes
        count = 0
        for start, tables in _batches(memory, nodes, entries * 8):
            words = tables.view("<u8").astype(np.uint64, copy=False).reshape(-1, entries)
            row, slot = np.nonzero(words)
            count += len(row)
            if count > limit:
                text = f"level {level - 1} of the tree has more than {limit} nodes, which RAM cannot need"
                raise CycleError(text, offset=root)
            below.append((words[row, slot], prefixes[start + row] | (slot.astype(np.uint64) << at)))
        nodes = np.concatenate([n for n, _ in below])
        prefixes = np.concatenate([p for _, p in below])
    return _blocks(layout, _keys(memory, layout, nodes, prefixes, page_size), page_size)


def _batches(memory: MemoryReader, where: U64, size: int) -> Iterator[tuple[int, Array]]:
    """(index of the first, their bytes) of nodes, a few at a time: leaves unpack to eight times their size and more."""
    step = max(_BATCH // size, 1)
    for start in range(0, max(len(where), 1), step):
        yield start, memory.gather(where[start : start + step], size)


def _keys(memory: MemoryReader, layout: RadixTreeMap, leaves: U64, prefixes: U64, page_size: int) -> U64:
    limit = most_blocks(memory.ram_bytes, page_size, layout.key_width)
    found: list[U64] = [np.empty(0, dtype=np.uint64)]
    count = 0
    for start, bitmaps in _batches(memory, leaves, (1 << layout.leaf_bits) // 8):
        row, bit = set_bits(bitmaps)
        count += len(row)
        if count > limit:
            raise CountError(f"the tree names more than the {limit} blocks that RAM has")
        found.append(prefixes[start + row] | bit.astype(np.uint64))
    return np.concatenate(found)


def _blocks(layout: RadixTreeMap, keys: U64, page_size: int) -> Blocks:
    """The highest bit of a key says the order, the bits below it the address."""
    shift = page_size.bit_length() - 1
    keys = keys[keys != 0]
    # frexp is exact: keys of the shipped layouts have at most 53 bits; longer ones are split first
    high = (keys >> np.uint64(32)).astype(np.float64)
    low = (keys & np.uint64(0xFFFFFFFF)).astype(np.float64)
    top = np.where(high > 0, np.frexp(high)[1] + 32, np.frexp(low)[1]) - 1
    order = (layout.key_width - 1) - top
    if len(order) and int(order.min()) < 0:
        raise CountError("a key has bits above its order bit")
    if len(order) and int(order.max()) + shift >= 64:
        raise CountError(f"a key says order {int(order.max())}")
    blocks = np.empty((len(keys), 2), dtype=np.uint64)
    address = keys ^ (np.uint64(1) << top.astype(np.uint64))
    blocks[:, 0] = address << (shift + order).astype(np.uint64)
    blocks[:, 1] = order
    return blocks
