# SPDX-License-Identifier: Apache-2.0
"""Memory full of what nobody wrote, and a count of how often it is asked for."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from qualify.machine.memory import PhysicalMemory
from qualify.wire.memory import Array
from tests.wire.drawn import TOP
from tests.wire.golden import PAGE

__all__ = ["PAGES", "Counted", "memory_of", "pages_of_words", "words"]

PAGES = 16  # of hostile bytes, from address 0 on; pointers into them are likely
READS = 2_000_000


class Counted:
    """A memory that counts how often it is asked."""

    def __init__(self, memory: PhysicalMemory) -> None:
        self._memory = memory
        self.reads = 0

    @property
    def ram_bytes(self) -> int:
        return self._memory.ram_bytes

    def _count(self) -> None:
        self.reads += 1
        assert self.reads < READS, "this would go on for very long"

    def read(self, at: int, size: int) -> bytes:
        self._count()
        return self._memory.read(at, size)

    def array(self, at: int, size: int) -> Array:
        self._count()
        return self._memory.array(at, size)

    def gather(self, addresses: npt.NDArray[np.uint64], size: int) -> Array:
        self._count()
        return self._memory.gather(addresses, size)


# 64-bit words that mean something somewhere: pointers into the hostile pages, small counts, and the ends of ranges
words = st.one_of(
    st.integers(0, PAGES - 1).map(lambda n: n * PAGE),
    st.integers(0, PAGES * PAGE),
    st.integers(0, 600),
    st.sampled_from([1 << 31, TOP - PAGE, TOP - 8, TOP, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, 0xFFFFFFFF, 1 << 32]),
    st.integers(0, (1 << 64) - 1),
)
pages_of_words = st.lists(st.lists(st.tuples(st.integers(0, 511), words), max_size=12), min_size=1, max_size=PAGES)


def memory_of(rows: list[list[tuple[int, int]]], everywhere: int) -> PhysicalMemory:
    """Pages that hold `everywhere` in every word but those given as (index, value); the rows repeat."""
    memory = PhysicalMemory(TOP)
    for number in range(PAGES):
        page = np.full(512, everywhere, dtype=np.uint64)
        for index, word in rows[number % len(rows)]:
            page[index] = word
        memory.write(number * PAGE, page.view(np.uint8))
    return memory
