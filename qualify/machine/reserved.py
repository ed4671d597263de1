# SPDX-License-Identifier: Apache-2.0
"""What a target made of the memory map: reserved ranges, and which pages kho_restore_page() will hand out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qualify.machine.intervals import Intervals
from qualify.machine.kernel import Kernel
from qualify.wire.chunklist import Blocks

__all__ = ["KernelPanicError", "Reserved"]

U64 = npt.NDArray[np.uint64]


class KernelPanicError(Exception):
    """The target died; the text is its last words. Never leaves the simulated machine."""


@dataclass
class Reserved:
    """`heads` and `orders`: first page of each block as noted in page->private, sorted; `taken` marks restored ones."""

    ranges: Intervals
    heads: U64
    orders: npt.NDArray[np.int64]
    taken: npt.NDArray[np.bool_]
    checked: bool  # whether kho_restore_page() looks at page->private
    max_order: int  # -1: any

    @staticmethod
    def nothing(kernel: Kernel) -> Reserved:
        none, checked = np.empty(0, np.uint64), kernel.trait("kho", "page-check") == "magic"
        taken = np.zeros(0, dtype=bool)
        return Reserved(Intervals.empty(), none, none.astype(np.int64), taken, checked, -1)

    @staticmethod
    def of(kernel: Kernel, blocks: Blocks) -> Reserved:
        """From what the map's reader understood; the last note on a page wins."""
        shift = np.uint64(kernel.page_shift)
        if kernel.trait("kho", "reserve-size") == "int32":
            # "1 << (order + PAGE_SHIFT)" in an int: the processor takes the amount modulo 32, bit 31 is the sign
            narrow = np.uint64(1) << ((blocks[:, 1] + shift) % np.uint64(32))
            sizes = np.where(narrow == np.uint64(1 << 31), np.uint64((1 << 64) - (1 << 31)), narrow)
            sizes = np.maximum(sizes, np.uint64(kernel.page_size))  # a page is never half free
        else:
            sizes = np.uint64(1) << (blocks[:, 1] + shift)
        heads, last = np.unique(blocks[::-1, 0], return_index=True)
        orders = blocks[::-1, 1][last].astype(np.int64)
        checked = kernel.trait("kho", "page-check") == "magic"
        taken = np.zeros(len(heads), dtype=bool)
        max_order = int(kernel.trait("kho", "max-order"))
        return Reserved(Intervals.blocks(blocks[:, 0], sizes), heads, orders, taken, checked, max_order)

    def restore(self, addresses: U64) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
        """kho_restore_page() for each address: (whether a page came back, its order). Each page comes back once."""
        if not len(self.heads):
            nothing = np.zeros(len(addresses), dtype=bool)
            return (nothing if self.checked else ~nothing), np.zeros(len(addresses), dtype=np.int64)
        index = np.minimum(np.searchsorted(self.heads, addresses), len(self.heads) - 1)
        known = self.heads[index] == addresses
        orders = np.where(known, self.orders[index], 0)
        good = known & ~self.taken[index]
        if self.max_order >= 0:
            good &= orders <= self.max_order
        if len(addresses) > 1:
            first = np.zeros(len(addresses), dtype=bool)
            first[np.unique(addresses, return_index=True)[1]] = True
            good &= first
        if not self.checked:
            good = np.ones(len(addresses), dtype=bool)
        self.taken[index[good & known]] = True
        return good, orders

    def lose(self, addresses: U64) -> None:
        """Pages that were restored and that their owner then forgot: as good as never restored."""
        if len(self.heads):
            index = np.minimum(np.searchsorted(self.heads, addresses), len(self.heads) - 1)
            self.taken[index[self.heads[index] == addresses]] = False

    def still_holds(self, blocks: Blocks) -> bool:
        """Whether any of `blocks` is reserved and was not restored."""
        if not len(blocks) or not len(self.heads):
            return False
        index = np.minimum(np.searchsorted(self.heads, blocks[:, 0]), len(self.heads) - 1)
        known = self.heads[index] == blocks[:, 0]
        restored = known & self.taken[index]
        return bool((self.ranges.contains(blocks[:, 0]) & ~restored).any())
