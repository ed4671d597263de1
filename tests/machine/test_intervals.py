# SPDX-License-Identifier: Apache-2.0
"""Sets of ranges against plain Python sets."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from qualify.machine.intervals import Intervals

TOP = 40
TOP64 = (1 << 64) - 1

ranges = st.lists(st.tuples(st.integers(0, TOP), st.integers(0, TOP)), max_size=8)


def build(pairs: list[tuple[int, int]]) -> Intervals:
    starts, ends = (np.array([p[i] for p in pairs], dtype=np.uint64) for i in (0, 1))
    return Intervals.of(starts, ends)


def naive(pairs: list[tuple[int, int]]) -> set[int]:
    return {n for low, high in pairs for n in range(low, high)}


def members(intervals: Intervals) -> set[int]:
    return {
        n
        for low, high in zip(intervals.starts.tolist(), intervals.ends.tolist(), strict=True)
        for n in range(low, high)
    }


def is_canonical(intervals: Intervals) -> bool:
    starts, ends = intervals.starts.tolist(), intervals.ends.tolist()
    apart = all(end < start for end, start in zip(ends, starts[1:], strict=False))
    return apart and all(low < high for low, high in zip(starts, ends, strict=True))


@given(ranges)
def test_from_any_ranges(pairs: list[tuple[int, int]]) -> None:
    found = build(pairs)
    assert is_canonical(found)
    assert members(found) == naive(pairs)
    assert found.size == len(naive(pairs))


@given(ranges, ranges)
def test_algebra(one: list[tuple[int, int]], two: list[tuple[int, int]]) -> None:
    a, b = build(one), build(two)
    for found, want in (
        (a | b, naive(one) | naive(two)),
        (a & b, naive(one) & naive(two)),
        (a - b, naive(one) - naive(two)),
    ):
        assert is_canonical(found)
        assert members(found) == want


@given(ranges)
def test_complement(pairs: list[tuple[int, int]]) -> None:
    found = build(pairs)
    other = found.complement()
    assert not (found & other).size
    assert members(other & Intervals.range(0, TOP + 5)) == set(range(TOP + 5)) - naive(pairs)
    both = found | other
    assert (both.starts.tolist(), both.ends.tolist()) == ([0], [TOP64])


@given(ranges, st.integers(0, TOP), st.integers(0, TOP))
def test_questions(pairs: list[tuple[int, int]], low: int, high: int) -> None:
    found, want = build(pairs), naive(pairs)
    points = np.arange(TOP + 2, dtype=np.uint64)
    assert found.contains(points).tolist() == [n in want for n in range(TOP + 2)]
    assert found.covers(low, high) == (set(range(low, high)) <= want)
    meets = found.meets(points, 3).tolist()
    assert meets == [bool(want & {n, n + 1, n + 2}) for n in range(TOP + 2)]
    parts = list(found.within(low, high))
    assert {n for start, end in parts for n in range(start, end)} == want & set(range(low, high))
    assert all(low <= start < end <= high for start, end in parts)


@given(st.lists(st.tuples(st.integers(0, TOP64), st.integers(0, TOP64)), max_size=4))
def test_blocks_that_wrap_end_at_the_top(pairs: list[tuple[int, int]]) -> None:
    at, size = (np.array([p[i] for p in pairs], dtype=np.uint64) for i in (0, 1))
    found = Intervals.blocks(at, size)
    assert is_canonical(found)
    for start, length in pairs:
        assert found.covers(start, min(start + length, TOP64))


def test_range_beyond_the_address_space() -> None:
    assert Intervals.range(5, 1 << 70).ends.tolist() == [TOP64]
    assert not Intervals.range(5, 5).size
