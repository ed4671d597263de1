# SPDX-License-Identifier: Apache-2.0
"""Sets of physical ranges, vectorised. Ranges are half-open, in bytes."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

__all__ = ["Intervals"]

U64 = npt.NDArray[np.uint64]
_TOP = (1 << 64) - 1


@dataclass(frozen=True)
class Intervals:
    """Disjoint, ascending, non-adjacent ranges: `starts[i]` to `ends[i]`."""

    starts: U64
    ends: U64

    @staticmethod
    def empty() -> Intervals:
        return Intervals(np.empty(0, np.uint64), np.empty(0, np.uint64))

    @staticmethod
    def of(starts: U64, ends: U64) -> Intervals:
        """From any ranges, in any order, overlapping or not. Empty ones vanish."""
        keep = ends > starts
        if not keep.all():
            starts, ends = starts[keep], ends[keep]
        if len(starts) < 2:
            return Intervals(starts, ends)
        by = np.argsort(starts, kind="stable")
        starts, ends = starts[by], np.maximum.accumulate(ends[by])
        first = np.empty(len(starts), dtype=bool)
        first[0] = True
        np.greater(starts[1:], ends[:-1], out=first[1:])
        last = np.append(np.flatnonzero(first)[1:] - 1, len(starts) - 1)
        return Intervals(starts[first], ends[last])

    @staticmethod
    def range(start: int, end: int) -> Intervals:
        if end <= start:
            return Intervals.empty()
        return Intervals(np.array([start], np.uint64), np.array([min(end, _TOP)], np.uint64))

    @staticmethod
    def blocks(addresses: U64, sizes: U64) -> Intervals:
        """From addresses and sizes; a range that would wrap ends at the top of the address space."""
        ends = addresses + sizes
        return Intervals.of(addresses, np.where(ends < addresses, np.uint64(_TOP), ends))

    def __or__(self, other: Intervals) -> Intervals:
        return Intervals.of(np.concatenate([self.starts, other.starts]), np.concatenate([self.ends, other.ends]))

    def __sub__(self, other: Intervals) -> Intervals:
        return self & other.complement()

    def __and__(self, other: Intervals) -> Intervals:
        if not len(self.starts) or not len(other.starts):
            return Intervals.empty()
        # pair every range with the ranges of `other` that it meets
        low = np.searchsorted(other.ends, self.starts, side="right")
        high = np.searchsorted(other.starts, self.ends, side="left")
        counts = np.maximum(high.astype(np.int64) - low.astype(np.int64), 0)
        mine = np.repeat(np.arange(len(self.starts)), counts)
        offset = np.arange(len(mine)) - np.repeat(np.cumsum(counts) - counts, counts)
        theirs = np.repeat(low, counts) + offset
        return Intervals.of(
            np.maximum(self.starts[mine], other.starts[theirs]), np.minimum(self.ends[mine], other.ends[theirs])
        )

    def complement(self) -> Intervals:
        """Everything else in the 64-bit address space."""
        bounds_low = np.concatenate([np.zeros(1, np.uint64), self.ends])
        bounds_high = np.concatenate([self.starts, np.array([_TOP], np.uint64)])
        return Intervals.of(bounds_low, bounds_high)

    @property
    def size(self) -> int:
        """Bytes in all."""
        return int((self.ends - self.starts).sum()) if len(self.starts) else 0

    def contains(self, points: U64) -> npt.NDArray[np.bool_]:
        """For each point whether it lies within a range; shape as `points`."""
        if not len(self.starts):
            return np.zeros(points.shape, dtype=bool)
        index = np.searchsorted(self.starts, points, side="right")
        inside = index > 0
        inside[inside] = points[inside] < self.ends[index[inside] - 1]
        return inside

    @cached_property
    def _lists(self) -> tuple[list[int], list[int]]:
        return self.starts.tolist(), self.ends.tolist()

    def within(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """The parts of the ranges that lie in [start, end)."""
        starts, ends = self._lists
        for i in range(bisect_right(ends, start), len(starts)):
            if starts[i] >= end or start >= end:
                return
            yield max(starts[i], start), min(ends[i], end)

    def covers(self, start: int, end: int) -> bool:
        """Whether one range holds [start, end) completely."""
        if start >= end:
            return True
        starts, ends = self._lists
        index = bisect_right(starts, start)
        return index > 0 and end <= ends[index - 1]
