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
_FIRST, _LAST = np.array([0]), np.array([-1])
_BOTTOM, _END = np.array([0], np.uint64), np.array([_TOP], np.uint64)


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
        by = starts.argsort(kind="stable")
        starts, ends = starts[by], np.maximum.accumulate(ends[by])
        apart = (starts[1:] > ends[:-1]).nonzero()[0]  # a gap behind each of these
        return Intervals(starts[np.concatenate([_FIRST, apart + 1])], ends[np.concatenate([apart, _LAST])])

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
        if len(self.starts) == 1:
            return other._clipped(self.starts, self.ends)
        if len(other.starts) == 1:
            return self._clipped(other.starts, other.ends)
        if not len(self.starts) or not len(other.starts):
            return Intervals.empty()
        # pair every range with the ranges of `other` that it meets; what comes of it is in order and apart as it is
        low = other.ends.searchsorted(self.starts, side="right")
        high = other.starts.searchsorted(self.ends, side="left")
        counts = np.maximum(high - low, 0)
        ends = counts.cumsum()
        mine = np.arange(len(counts)).repeat(counts)
        theirs = np.arange(len(mine)) + (low - ends + counts).repeat(counts)
        return Intervals(
            np.maximum(self.starts[mine], other.starts[theirs]), np.minimum(self.ends[mine], other.ends[theirs])
        )

    def _clipped(self, start: U64, end: U64) -> Intervals:
        """What lies in the one range that `start` and `end` (shape (1,)) hold."""
        low = self.ends.searchsorted(start, side="right")[0]
        high = self.starts.searchsorted(end, side="left")[0]
        if low >= high:
            return Intervals.empty()
        return Intervals(np.maximum(self.starts[low:high], start), np.minimum(self.ends[low:high], end))

    def complement(self) -> Intervals:
        """Everything else in the 64-bit address space."""
        if not len(self.starts):
            return Intervals.range(0, _TOP)
        starts, ends = np.concatenate([_BOTTOM, self.ends]), np.concatenate([self.starts, _END])
        first, last = int(ends[0] == 0), len(starts) - int(starts[-1] == _TOP)
        return Intervals(starts[first:last], ends[first:last])

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

    def meets(self, starts: U64, size: int) -> npt.NDArray[np.bool_]:
        """For each of [start, start + size) whether a range reaches into it; shape as `starts`."""
        first = np.searchsorted(self.ends, starts, side="right")
        inside = first < len(self.starts)
        inside[inside] = self.starts[first[inside]] < starts[inside] + np.uint64(size)
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
