# SPDX-License-Identifier: Apache-2.0
"""A bump allocator of pages that remembers what was preserved, as KHO records it: blocks of (address, order)."""

from __future__ import annotations

import numpy as np

from qualify.errors import HarnessError
from qualify.wire.chunklist import Blocks

__all__ = ["Pages"]


class Pages:
    """Hands out zeroed pages of [start, start + room), naturally aligned as folios are. HarnessError beyond."""

    def __init__(self, start: int, page_size: int, room: int) -> None:
        self._next = start
        self._start = start
        self._page = page_size
        self._end = start + room
        self._single: list[tuple[int, int]] = []
        self._blocks: list[Blocks] = []

    @property
    def used(self) -> int:
        """Pages handed out, alignment gaps included."""
        return (self._next - self._start) // self._page

    def allocate(self, pages: int = 1) -> int:
        """`pages` contiguous pages, not preserved."""
        return self._take((pages - 1).bit_length())

    def preserve(self, pages: int = 1) -> int:
        """`pages` contiguous pages as one preserved folio, as kho_alloc_preserve() does; the order rounds up."""
        order = (pages - 1).bit_length()
        at = self._take(order)
        self._single.append((at, order))
        return at

    def add(self, blocks: Blocks) -> None:
        """Preserve memory that lies elsewhere; shape (n, 2)."""
        self._blocks.append(blocks)

    def mark(self) -> int:
        """A point in time for `since`."""
        return len(self._single)

    def since(self, mark: int) -> Blocks:
        """What `preserve` handed out since."""
        return np.array(self._single[mark:], dtype=np.uint64).reshape(-1, 2)

    def preserved(self) -> Blocks:
        """Everything preserved so far; shape (n, 2)."""
        return np.concatenate([self.since(0), *self._blocks])

    def _take(self, order: int) -> int:
        span = self._page << order
        at = -(-self._next // span) * span
        if at + span > self._end:
            room = self._end - self._start
            raise HarnessError(
                f"the source kernel needs more than {room} bytes at {self._start:#x}; move placement apart"
            )
        self._next = at + span
        return at
