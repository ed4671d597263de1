# SPDX-License-Identifier: Apache-2.0
"""Which preserved blocks a target reserves, given the two sides' memory maps; vectorised, by address and order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qualify.compat.cargo import Cargo, Consignment, Item
from qualify.scenario import Blocks, KhoTest, Memfd, ReserveMem, Scenario, folio_addresses

__all__ = ["Cover", "Reach", "Tables", "beyond_ram", "full", "nothing", "reach"]

# the largest table of any format so far takes 16 pages
_TABLE_ORDERS = range(5)
_NO_ORDERS = (False,) * len(_TABLE_ORDERS)

Mask = npt.NDArray[np.bool_]
Understands = Callable[[npt.NDArray[np.uint64], npt.NDArray[np.uint64]], Mask]


@dataclass(frozen=True, slots=True)
class Cover:
    """How much of one object's contents is reserved.

    `first` and `later`: a file's first, a later folio is not. `behind`: folios behind the first that is not, are.
    """

    whole: bool = True
    any: bool = True
    first: bool = False
    later: bool = False
    behind: bool = False


@dataclass(frozen=True, slots=True)
class Tables:
    """Which of the source's own pages are reserved: its root FDT, and tables by order (of how many pages they take)."""

    root: bool = True
    orders: tuple[bool, ...] = (True,) * len(_TABLE_ORDERS)

    @property
    def pages(self) -> bool:
        """Whether tables of a single page are reserved."""
        return self.orders[0]

    def holds(self, pages: int) -> bool:
        """Whether a table of so many pages is reserved."""
        return self.orders[min((pages - 1).bit_length(), len(self.orders) - 1)]


@dataclass(frozen=True, slots=True)
class Reach:
    """What a target reserved. Two `tables` when it depends on where within the area a table lies."""

    covers: tuple[Cover, ...]
    tables: tuple[Tables, ...] = (Tables(),)
    overflow: bool = False  # a block's size went negative: everything behind it is reserved as well


def full(cargo: Cargo) -> Reach:
    """Everything that was preserved is reserved."""
    return Reach(tuple(Cover(any=_has_contents(item)) for item in cargo.items))


def nothing(cargo: Cargo) -> Reach:
    """Nothing is reserved."""
    none = Cover(whole=False, any=False, first=True, later=True)
    covers = tuple(none if _has_contents(item) else Cover(any=False) for item in cargo.items)
    return Reach(covers, (Tables(False, _NO_ORDERS),))


def _has_contents(item: Item) -> bool:
    """Whether the object has memory beside its tables."""
    return bool(item.model.size) if isinstance(item.model, Memfd) else isinstance(item.model, ReserveMem | KhoTest)


def reach(cargo: Cargo, sent: Consignment, understands: Understands, *, page_size: int, narrow: bool = False) -> Reach:
    """What is reserved when the target takes up exactly the blocks that `understands` marks.

    `narrow`: sizes of blocks are computed in 32 bits (trait reserve-size: int32).
    """
    found = {i: cargo.blocks(cargo.items[i], page_size) for i in sent.handed}
    masks = {i: understands(b[:, 0], b[:, 1]) for i, b in found.items()}
    overflow = False
    if narrow:
        masks, overflow = _narrow(found, masks, cargo.scenario, page_size)
    none = Cover(whole=False, any=False)
    covers = [_cover(cargo, i, masks[i], page_size) if i in masks else none for i in range(len(cargo.items))]
    return Reach(tuple(covers), _tables(cargo, understands, page_size), overflow)


def _cover(cargo: Cargo, index: int, mask: Mask, page_size: int) -> Cover:
    model = cargo.items[index].model
    if not len(mask):
        return Cover(any=False)
    if isinstance(model, Memfd):
        rows = mask.reshape(-1, len(folio_addresses(model, 0, page_size)))
        first = ~rows[:, 0]
        later = ~rows[:, 1:].all(axis=1) & ~first
        seen = np.logical_or.accumulate(~rows, axis=1)  # from the first that is not reserved on
        behind = bool((rows & seen).any())
        return Cover(bool(mask.all()), bool(mask.any()), bool(first.any()), bool(later.any()), behind)
    return Cover(bool(mask.all()), bool(mask.any()))


def _narrow(
    found: dict[int, Blocks], masks: dict[int, Mask], scenario: Scenario, page_size: int
) -> tuple[dict[int, Mask], bool]:
    """1 << (order + PAGE_SHIFT) as an int: bit 31 is the sign, and reaches from its block to the end of memory.

    What is larger still wraps, to less than a page.
    """
    sign = np.uint64(31 - (page_size.bit_length() - 1))  # the order of 2 GiB
    starts = [b[m & (b[:, 1] == sign), 0] for i, b in found.items() if (m := masks[i]).any()]
    behind = min((int(s.min()) for s in starts if len(s)), default=None)
    narrowed = {i: masks[i] & (b[:, 1] <= sign) for i, b in found.items()}
    if behind is None:
        return narrowed, False
    narrowed = {i: m | (found[i][:, 0] >= behind) for i, m in narrowed.items()}
    return narrowed, behind + (1 << 31) < scenario.host.ram


def _tables(cargo: Cargo, understands: Understands, page_size: int) -> tuple[Tables, ...]:
    start = cargo.scenario.placement.metadata
    root = bool(understands(np.array([start], dtype=np.uint64), np.zeros(1, dtype=np.uint64))[0])
    every, some = [], []
    for order in _TABLE_ORDERS:
        step = page_size << order
        where = np.arange(-(-start // step) * step, start + cargo.table_room, step, dtype=np.uint64)
        mask = understands(where, np.full_like(where, order))
        every.append(bool(mask.all()))
        some.append(bool(mask.any()))
    if not root or every == some:
        return (Tables(root, tuple(every)),)
    # somewhere in the area lies the border: what lies before it is reserved, what lies behind is not
    return (Tables(True, tuple(some)), Tables(True, tuple(every)))


def beyond_ram(cargo: Cargo, sent: Consignment, bits: tuple[int, int], page_size: int, top: int) -> tuple[bool, bool]:
    """Whether bits behind a bitmap of bits[0], read as bits[1], can name pages from `top` on, without a struct page.

    (certainly, possibly): of the source's own tables only the root FDT is known to be there and where.
    """
    shift = np.uint64(page_size.bit_length() - 1)
    start = cargo.scenario.placement.metadata
    known = [cargo.blocks(cargo.items[i], page_size) for i in sent.handed]
    known.append(np.array([[start, 0]], dtype=np.uint64))
    orders = np.repeat(np.array(_TABLE_ORDERS, dtype=np.uint64), 2)
    ends = np.tile(np.array([start, start + cargo.table_room - page_size], dtype=np.uint64), len(_TABLE_ORDERS))
    tables = np.stack([ends, orders], axis=1)

    def passes(blocks: Blocks) -> bool:
        unit = shift + blocks[:, 1]
        first = (blocks[:, 0] >> unit) // np.uint64(bits[0]) * np.uint64(bits[0])
        return bool((((first + np.uint64(bits[1])) << unit) > np.uint64(top)).any())

    always = any(passes(blocks) for blocks in known)
    return always, always or passes(tables)
