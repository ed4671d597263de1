# SPDX-License-Identifier: Apache-2.0
"""A map read with another page size: which addresses its bits stand for then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qualify.compat.cargo import Cargo, Consignment
from qualify.compat.reach import Cover, Reach, Tables
from qualify.scenario.objects import PAGE
from qualify.schema import ChunkListMap
from qualify.schema.format import MemoryMap

__all__ = ["Misplaced", "other_page_size"]

U64s = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Misplaced:
    """What is reserved, and whether anything is that nobody preserved: certainly, or only if a table lies so."""

    reach: Reach
    spurious: bool
    maybe_spurious: bool


def other_page_size(
    cargo: Cargo, sent: Consignment, maps: tuple[MemoryMap, MemoryMap], pages: tuple[int, int], top: int
) -> Misplaced | None:
    """What is reserved, or None when a page beyond `top` is named. `pages` and `maps` are (source's, target's)."""
    place = cargo.scenario.placement.metadata
    found = {i: cargo.blocks(cargo.items[i], pages[0]) for i in sent.handed}
    root = np.array([[place, 0]], dtype=np.uint64)
    wrong = {i: _read(b[:, 0], b[:, 1], maps, pages) for i, b in {-1: root, **found}.items()}
    if any(bool((at >= top).any()) for at, _ in wrong.values()):
        return None
    start, end = _merge(*(np.concatenate(column) for column in zip(*wrong.values(), strict=True)))
    covers = []
    for index in range(len(cargo.items)):
        blocks = found.get(index)
        if blocks is None or not len(blocks):
            covers.append(Cover(any=False))
            continue
        mask = _inside(blocks[:, 0], np.uint64(pages[0]) << blocks[:, 1], start, end)
        # a folio is found by the address at which the target marked it; the multiplied ones are not its own
        covers.append(Cover(bool(mask.all()), bool(mask.any()), first=True, later=True))
    ends = np.array([1, cargo.table_room], dtype=np.uint64)
    span = _inside(np.array([place, place], dtype=np.uint64), ends, start, end)
    reach = Reach(tuple(covers), _held(cargo, bool(span[0]), bool(span[1]), maps, pages))
    blocks = np.concatenate([root, *found.values()])
    own = _merge(blocks[:, 0], blocks[:, 0] + (np.uint64(pages[0]) << blocks[:, 1]))
    spurious = not bool(_inside(start, end - start, *own).all())
    return Misplaced(reach, spurious, spurious or any(len(_read(*t, maps, pages)[0]) for t in _tables(cargo)))


def _held(
    cargo: Cargo, root: bool, certainly: bool, maps: tuple[MemoryMap, MemoryMap], pages: tuple[int, int]
) -> tuple[Tables, ...]:
    """Whether the source's tables are reserved, both where it depends on how close together they lie."""
    every = Tables(root, (True,) * len(Tables().orders))
    none = Tables(root, (False,) * len(Tables().orders))
    if certainly:
        return (every,)
    place = cargo.scenario.placement.metadata
    at = np.arange(place, place + cargo.table_room, pages[0], dtype=np.uint64)
    start, end = _read(at, np.zeros_like(at), maps, pages)
    meets = (start < np.uint64(place + cargo.table_room)) & (end > np.uint64(place))
    return (every, none) if bool(meets.any()) else (none,)


def _tables(cargo: Cargo) -> Iterator[tuple[U64s, U64s]]:
    """(address, order) of the first and the last place that a table of each order can take."""
    place = cargo.scenario.placement.metadata
    for order in range(len(Tables().orders)):
        at = np.array([place, place + cargo.table_room - PAGE], dtype=np.uint64)
        yield at, np.full_like(at, order)


def _read(at: U64s, order: U64s, maps: tuple[MemoryMap, MemoryMap], pages: tuple[int, int]) -> tuple[U64s, U64s]:
    """(start, end) of what the target takes each block for."""
    mine, theirs = (np.uint64(page.bit_length() - 1) for page in pages)
    written, read = maps
    bit = at >> (mine + order)
    size = np.uint64(1) << (theirs + order)
    if isinstance(written, ChunkListMap) and isinstance(read, ChunkListMap):
        width = np.uint64(written.bitmap_bytes * 8)
        start = ((bit // width * width) << (mine + order)) + ((bit % width) << (theirs + order))
        seen = bit % width < np.uint64(read.bitmap_bytes * 8)
        return start[seen], (start + size)[seen]
    start = bit << (theirs + order)
    return start, start + size


def _merge(start: U64s, end: U64s) -> tuple[U64s, U64s]:
    """Sorted disjoint intervals."""
    if not len(start):
        return start, end
    sort = np.argsort(start)
    start, end = start[sort], np.maximum.accumulate(end[sort])
    first = np.ones(len(start), dtype=np.bool_)
    first[1:] = start[1:] > end[:-1]
    last = np.append(first[1:], True)
    return start[first], end[last]


def _inside(at: U64s, size: U64s, start: U64s, end: U64s) -> npt.NDArray[np.bool_]:
    """Which ranges lie within one interval."""
    if not len(start):
        return np.zeros(len(at), dtype=np.bool_)
    index = np.searchsorted(start, at, side="right")
    held = np.maximum(index, 1) - 1
    inside: npt.NDArray[np.bool_] = (index > 0) & (at + size <= end[held])
    return inside
