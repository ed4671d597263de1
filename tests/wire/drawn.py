# SPDX-License-Identifier: Apache-2.0
"""Values for members of structs, and memory to put things into."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from qualify.schema import FlatField
from qualify.wire.structs import StructCodec
from tests.wire.golden import PAGE

__all__ = ["TOP", "Allocator", "Blocks", "edges", "plain", "row_of", "some_blocks", "value_of"]

TOP = 1 << 30  # RAM of these tests; allocations go upwards from the middle

Blocks = np.ndarray[Any, np.dtype[np.uint64]]


class Allocator:
    """Pages upwards from the middle of RAM."""

    def __init__(self, start: int = TOP // 2, gap: int = 0) -> None:
        self.next = start
        self.gap = gap
        self.given: list[int] = []

    def __call__(self, pages: int = 1) -> int:
        at = self.next
        self.given.append(at)
        self.next += (pages + self.gap) * PAGE
        return at


def value_of(field: FlatField) -> st.SearchStrategy[Any]:
    """Anything that a member can hold; its smallest and largest often."""
    if field.type == "char":
        room = max(field.count, 1) - 1
        texts = st.binary(max_size=room) | st.binary(min_size=room, max_size=room)
        return texts.filter(lambda b: not b.endswith(b"\0"))
    bits = field.bits[1] if field.bits else 8 * field.size // max(field.count, 1)
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if field.type[0] == "s" else (0, (1 << bits) - 1)
    one = st.integers(low, high) | st.sampled_from([low, 0, 1, high])
    if field.count > 16:  # a few values, the others zero: what codecs do not look at one by one
        return st.lists(one, max_size=8).map(lambda v: (*v, *(0,) * (field.count - len(v))))
    return st.tuples(*[one] * field.count) if field.count else one


def row_of(codec: StructCodec) -> st.SearchStrategy[dict[str, Any]]:
    """A value for every member."""
    return st.fixed_dictionaries({field.name: value_of(field) for field in codec.fields})


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """A row that was read, as it was given: text without what fills it up."""
    return {name: v.rstrip(b"\0") if isinstance(v, bytes) else v for name, v in row.items()}


@st.composite
def some_blocks(draw: st.DrawFn, highest: int = 20, width: int = 1 << 40) -> Blocks:
    """Different blocks, some of them close together, so that bitmaps and leaves are shared."""
    rows = set()
    for _ in range(draw(st.integers(0, 12))):
        order = draw(st.integers(0, highest))
        start = draw(st.integers(0, (width >> (12 + order)) - 1))
        for i in range(draw(st.sampled_from([1, 2, 3, 4095, 4097]))):
            rows.add(((start + i) << (12 + order), order))
    return np.array(sorted(rows), dtype=np.uint64).reshape(-1, 2)


def edges() -> list[Blocks]:
    """Counts at which a chunk is full (255 bitmaps), and the ends of windows."""
    many = [[(i << 27, 0) for i in range(n)] for n in (254, 255, 256, 510, 511)]
    ends = [[((w << 12) - PAGE, 0), (w << 12, 0)] for w in (4096, 32768, 1 << 20)]
    orders = [[(0, order), (1 << (12 + order), order)] for order in (9, 10, 18, 19, 20)]
    return [np.array(rows, dtype=np.uint64) for rows in (*many, *ends, *orders)]
