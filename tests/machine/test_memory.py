# SPDX-License-Identifier: Apache-2.0
"""Simulated RAM against a plain array of bytes; in anonymous memory and mapped from a file."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from qualify.errors import PointerError
from qualify.machine.intervals import Intervals
from qualify.machine.memory import REUSED, FileChunks, PhysicalMemory, RamChunks
from qualify.machine.view import DirectMap

SIZE = 44_000  # no multiple of the chunk
CHUNK = 8192
PATTERN = np.frombuffer(REUSED.to_bytes(8, "little") * (SIZE // 8), dtype=np.uint8)

STORES: dict[str, Callable[[], RamChunks | FileChunks]] = {
    "ram": lambda: RamChunks(CHUNK),
    "file": lambda: FileChunks(mapped=2, chunk=CHUNK),
}

pages = st.integers(0, SIZE // 4096)


class SameAsBytes(RuleBasedStateMachine):
    """Every operation on both kinds of store and on a bytearray; forks go on living beside the original."""

    def __init__(self) -> None:
        super().__init__()
        self.memories = [PhysicalMemory(SIZE, make()) for make in STORES.values()]
        self.naive = [np.zeros(SIZE, dtype=np.uint8) for _ in self.memories]
        self.frozen: list[tuple[PhysicalMemory, np.ndarray[tuple[int], np.dtype[np.uint8]]]] = []

    @rule(at=st.integers(0, SIZE - 1), data=st.binary(min_size=1, max_size=200))
    def write(self, at: int, data: bytes) -> None:
        data = data[: SIZE - at]
        for memory, naive in zip(self.memories, self.naive, strict=True):
            memory.write(at, data)
            naive[at : at + len(data)] = np.frombuffer(data, dtype=np.uint8)

    @rule(at=st.integers(0, SIZE - 1), size=st.integers(0, 3 * CHUNK), seed=st.integers(0, 255))
    def write_much(self, at: int, size: int, seed: int) -> None:
        data = np.full(min(size, SIZE - at), seed, dtype=np.uint8)
        for memory, naive in zip(self.memories, self.naive, strict=True):
            memory.write(at, data)
            naive[at : at + len(data)] = data

    @rule(first=pages, last=pages)
    def reuse(self, first: int, last: int) -> None:
        start, end = 4096 * first, 4096 * last
        for memory, naive in zip(self.memories, self.naive, strict=True):
            memory.reuse(Intervals.range(start, end))
            if start < end:
                naive[start:end] = PATTERN[start:end]

    @rule()
    def fork(self) -> None:
        """The copy takes over; the original must stay as it is."""
        copy = self.memories[0].fork()
        assert copy is not None
        self.frozen = [*self.frozen, (self.memories[0], self.naive[0].copy())][-3:]
        self.memories[0] = copy

    @rule(at=st.lists(st.integers(0, SIZE - 64), max_size=6), size=st.integers(1, 64))
    def gather(self, at: list[int], size: int) -> None:
        rows = [*at, *(a + size for a in at if a + 2 * size <= SIZE)]
        for memory, naive in zip(self.memories, self.naive, strict=True):
            found = memory.gather(np.array(rows, dtype=np.uint64), size)
            assert found.tobytes() == b"".join(naive[a : a + size].tobytes() for a in rows)

    @invariant()
    def equal(self) -> None:
        for memory, naive in zip(self.memories, self.naive, strict=True):
            assert memory.read(0, SIZE) == naive.tobytes()
            assert b"".join(piece.tobytes() for piece in memory.pieces(100, SIZE - 300)) == naive[100:-200].tobytes()
        for memory, naive in self.frozen:
            assert memory.read(0, SIZE) == naive.tobytes()


TestSameAsBytes = SameAsBytes.TestCase


@pytest.mark.parametrize("kind", STORES)
def test_nothing_outside_ram(kind: str) -> None:
    memory = PhysicalMemory(SIZE, STORES[kind]())
    for at, size in ((SIZE, 1), (SIZE - 1, 2), (-1, 1), (0, -1), (1 << 64, 1)):
        with pytest.raises(PointerError, match="outside RAM of 0xabe0"):
            memory.read(at, size)
    with pytest.raises(PointerError):
        memory.write(SIZE - 1, b"ab")
    with pytest.raises(PointerError):
        memory.gather(np.array([0, SIZE], dtype=np.uint64), 1)
    assert memory.read(SIZE, 0) == b""


def test_what_a_file_holds_cannot_be_forked(tmp_path: Path) -> None:
    memory = PhysicalMemory(SIZE, FileChunks(tmp_path, mapped=1, chunk=CHUNK))
    memory.write(0, b"x" * SIZE)
    assert memory.fork() is None
    assert memory.read(0, SIZE) == b"x" * SIZE


def test_only_a_few_windows_are_mapped() -> None:
    store = FileChunks(mapped=2, chunk=CHUNK)
    memory = PhysicalMemory(SIZE, store)
    for at in range(0, SIZE, 1000):
        memory.write(at, b"y")
        assert len(store._maps) <= 2
    assert memory.touched == -(-SIZE // CHUNK) * CHUNK


def test_a_host_of_1_tib_costs_what_is_touched() -> None:
    tracemalloc.start()
    try:
        memory = PhysicalMemory(1 << 40)
        for at in range(0, 1 << 40, 1 << 36):
            memory.write(at, b"x")
        memory.reuse(Intervals.range(1 << 20, 1 << 40))
        assert memory.read((1 << 40) - 8, 8) == REUSED.to_bytes(8, "little")
        assert memory.read(0, 1) == b"x"
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 << 20
    assert memory.touched <= 256 << 10, "chunks that are reused as a whole are given back"


known_ranges = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=3)


@given(known_ranges, st.integers(0, 1 << 64), st.integers(1, 4000))
def test_a_kernel_sees_only_the_ram_it_knows(pairs: list[tuple[int, int]], at: int, size: int) -> None:
    starts, ends = (np.array([1000 * p[i] for p in pairs], dtype=np.uint64) for i in (0, 1))
    known = Intervals.of(starts, ends)
    view = DirectMap(PhysicalMemory(SIZE), known)
    assert view.ram_bytes == known.size
    for place in (at, at % SIZE):
        if known.covers(place, place + size):
            assert len(view.read(place, size)) == len(view.array(place, size)) == size
        else:
            with pytest.raises(PointerError, match="outside the RAM this kernel knows"):
                view.read(place, size)


def test_gathering_where_no_ram_is_known() -> None:
    view = DirectMap(PhysicalMemory(SIZE), Intervals.range(0, 8192))
    assert view.gather(np.array([0, 4096], dtype=np.uint64), 4096).shape == (2, 4096)
    for at in (8192, 8000, (1 << 64) - 1):
        with pytest.raises(PointerError, match="outside the RAM this kernel knows"):
            view.gather(np.array([0, at], dtype=np.uint64), 4096)
