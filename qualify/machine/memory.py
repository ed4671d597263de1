# SPDX-License-Identifier: Apache-2.0
"""A simulated physical memory: sparse, so that a 1 TiB host costs nothing until it is touched.

Memory is held in chunks made on first touch. Contents survive the jump bit for bit because it is the same memory.
Addresses and sizes are in bytes.
"""

from __future__ import annotations

import itertools
import os
import tempfile
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np
import numpy.typing as npt

from qualify.errors import PointerError
from qualify.machine.intervals import Intervals
from qualify.wire.memory import Array

__all__ = ["REUSED", "ChunkStore", "FileChunks", "PhysicalMemory", "RamChunks"]

# what reused memory is filled with; recognisable, odd, and no valid pointer on any host
REUSED = 0xDEADC0DEDEADC0DF


class ChunkStore(Protocol):
    """Keeps chunks of `chunk` bytes by number. What `get` gives is read only, what `own` and `make` give is written."""

    chunk: int

    def get(self, number: int) -> Array | None: ...

    def own(self, number: int) -> Array | None: ...

    def make(self, number: int, whole: bool = False) -> Array:
        """A new chunk of zeros, or of anything if its caller fills the `whole` of it."""
        ...

    def drop(self, number: int) -> None: ...

    def clear(self) -> None: ...

    def numbers(self) -> list[int]: ...


class RamChunks:
    """Chunks in anonymous memory. Small ones, since a chunk that is partly reused is written as a whole."""

    def __init__(self, chunk: int = 64 << 10, shared: dict[int, Array] | None = None) -> None:
        self.chunk = chunk
        self._chunks: dict[int, Array] = dict(shared or {})
        self._shared = set(self._chunks)  # copied before the first write

    def fork(self) -> RamChunks:
        """The same contents, copied on write. This store must not be written to any more."""
        return RamChunks(self.chunk, self._chunks)

    def own(self, number: int) -> Array | None:
        if number in self._shared:
            self._shared.discard(number)
            self._chunks[number] = self._chunks[number].copy()
        return self._chunks.get(number)

    def get(self, number: int) -> Array | None:
        return self._chunks.get(number)

    def make(self, number: int, whole: bool = False) -> Array:
        chunk = np.empty(self.chunk, dtype=np.uint8) if whole else np.zeros(self.chunk, dtype=np.uint8)
        self._chunks[number] = chunk
        return chunk

    def drop(self, number: int) -> None:
        self._chunks.pop(number, None)
        self._shared.discard(number)

    def clear(self) -> None:
        self._chunks.clear()
        self._shared.clear()

    def numbers(self) -> list[int]:
        return sorted(self._chunks)


class FileChunks:
    """Chunks in an unlinked sparse file, mapped a window at a time: at most `mapped` of them are in memory."""

    def __init__(self, folder: str | os.PathLike[str] | None = None, mapped: int = 16, chunk: int = 16 << 20) -> None:
        self.chunk = chunk
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - lives as long as the store
        self._slots: dict[int, int] = {}
        self._size = 0
        self._maps: OrderedDict[int, Array] = OrderedDict()
        self._mapped = mapped

    def own(self, number: int) -> Array | None:
        return self.get(number)

    def get(self, number: int) -> Array | None:
        slot = self._slots.get(number)
        if slot is None:
            return None
        chunk = self._maps.get(number)
        if chunk is None:
            chunk = np.memmap(self._file, dtype=np.uint8, mode="r+", offset=slot * self.chunk, shape=(self.chunk,))
            self._maps[number] = chunk
            if len(self._maps) > self._mapped:
                self._maps.popitem(last=False)
        else:
            self._maps.move_to_end(number)
        return chunk

    def make(self, number: int, whole: bool = False) -> Array:
        self._slots[number] = self._size
        self._size += 1
        self._file.truncate(self._size * self.chunk)
        chunk = self.get(number)
        assert chunk is not None
        return chunk

    def drop(self, number: int) -> None:
        self._maps.pop(number, None)
        self._slots.pop(number, None)

    def clear(self) -> None:
        self._maps.clear()
        self._slots.clear()

    def numbers(self) -> list[int]:
        return sorted(self._slots)


class PhysicalMemory:
    """RAM [0, size). Untouched memory reads as zero until it is reused."""

    def __init__(self, size: int, store: ChunkStore | None = None) -> None:
        self._size = size
        self._store: ChunkStore = store if store is not None else RamChunks()
        self._reused: Intervals | None = None  # everything in here was overwritten, touched or not
        self._chunk = self._store.chunk
        self._zero = np.zeros(self._chunk, dtype=np.uint8)
        self._zero.flags.writeable = False

    def fork(self) -> PhysicalMemory | None:
        """The same memory, copied on write, so that one source can be read by many targets; None when it cannot be."""
        if not isinstance(self._store, RamChunks):
            return None
        copy = PhysicalMemory(self._size, self._store.fork())
        copy._reused = self._reused
        return copy

    @property
    def ram_bytes(self) -> int:
        return self._size

    def read(self, at: int, size: int) -> bytes:
        """`size` bytes at `at`; PointerError outside RAM."""
        return self.array(at, size).tobytes()

    def array(self, at: int, size: int) -> Array:
        """Like `read`, as an array that must not be written to: a view where the bytes lie in one chunk."""
        self._check(at, size)
        number, offset = divmod(at, self._chunk)
        if offset + size <= self._chunk:
            return self._view(number)[offset : offset + size]
        out = np.empty(size, dtype=np.uint8)
        done = 0
        while done < size:
            number, offset = divmod(at + done, self._chunk)
            part = min(self._chunk - offset, size - done)
            out[done : done + part] = self._view(number)[offset : offset + part]
            done += part
        return out

    def pieces(self, at: int, size: int) -> Iterator[Array]:
        """Like `array`, as views of the chunks in which the bytes lie, without copying them together."""
        self._check(at, size)
        while size > 0:
            number, offset = divmod(at, self._chunk)
            part = min(self._chunk - offset, size)
            yield self._view(number)[offset : offset + part]
            at, size = at + part, size - part

    def gather(self, addresses: npt.NDArray[np.uint64], size: int) -> Array:
        """`size` bytes from each address; shape (n, size). Runs of adjacent addresses are read at once."""
        if len(addresses) == 1:
            return self.array(int(addresses[0]), size).reshape(1, size)
        out = np.empty((len(addresses), size), dtype=np.uint8)
        if not len(addresses):
            return out
        breaks = np.flatnonzero(np.diff(addresses.astype(np.int64)) != size) + 1
        edges = [0, *breaks.tolist(), len(addresses)]
        for first, last in itertools.pairwise(edges):
            run = self.array(int(addresses[first]), size * (last - first))
            out[first:last] = run.reshape(-1, size)
        return out

    def write(self, at: int, data: bytes | Array) -> None:
        """Store `data` at `at`; PointerError outside RAM."""
        source = np.frombuffer(data, dtype=np.uint8) if isinstance(data, bytes) else data.view(np.uint8).reshape(-1)
        self._check(at, len(source))
        done = 0
        while done < len(source):
            number, offset = divmod(at + done, self._chunk)
            part = min(self._chunk - offset, len(source) - done)
            self._touch(number, part == self._chunk)[offset : offset + part] = source[done : done + part]
            done += part

    def reuse(self, ranges: Intervals) -> None:
        """Overwrite everything in `ranges` with the reused pattern, as the next owner of that memory would."""
        if len(ranges.starts) == 1 and ranges.covers(0, self._size):
            self._store.clear()
            self._reused = Intervals.range(0, self._size)
            return
        ranges = ranges & Intervals.range(0, self._size)
        starts = np.array(self._store.numbers(), dtype=np.uint64) * np.uint64(self._chunk)
        for start in starts[ranges.meets(starts, self._chunk)].tolist():  # most chunks lie in none of them
            number, inside = start // self._chunk, list(ranges.within(start, start + self._chunk))
            if inside == [(start, start + self._chunk)]:
                self._store.drop(number)
                continue
            chunk = self._store.own(number)
            assert chunk is not None
            self._overwrite(chunk, start, inside)
        self._reused = ranges if self._reused is None else self._reused | ranges

    @property
    def touched(self) -> int:
        """Bytes of chunks that exist."""
        return len(self._store.numbers()) * self._chunk

    def _check(self, at: int, size: int) -> None:
        if size < 0 or at < 0 or at + size > self._size:
            raise PointerError(f"{size} bytes outside RAM of {self._size:#x}", offset=at)

    def _view(self, number: int) -> Array:
        chunk = self._store.get(number)
        if chunk is not None:
            return chunk
        if self._reused is None:
            return self._zero
        fresh = np.zeros(self._chunk, dtype=np.uint8)
        self._fill(fresh, number)
        return fresh

    def _touch(self, number: int, whole: bool) -> Array:
        """A chunk to be written to; what is in it does not matter when it is written as a `whole`."""
        chunk = self._store.own(number)
        if chunk is None:
            chunk = self._store.make(number, whole)
            if self._reused is not None and not whole:
                self._fill(chunk, number)
        return chunk

    def _fill(self, chunk: Array, number: int) -> None:
        assert self._reused is not None
        start = number * self._chunk
        self._overwrite(chunk, start, self._reused.within(start, start + self._chunk))

    @staticmethod
    def _overwrite(chunk: Array, start: int, ranges: Iterable[tuple[int, int]]) -> None:
        for low, high in ranges:
            # whole words: ranges are page ranges, and what is not aligned belongs to a page that is reused anyway
            chunk[(low - start) // 8 * 8 : -(-(high - start) // 8) * 8].view("<u8")[:] = REUSED
