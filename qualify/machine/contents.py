# SPDX-License-Identifier: Apache-2.0
"""Contents of preserved objects: derived from a seed, every page different, cheap to make again anywhere."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from qualify.wire.memory import Array

__all__ = ["WINDOW", "Contents", "compare_digests", "in_windows", "object_seed"]

Parts = tuple[tuple[int, int], ...]  # (start, size); starts are multiples of the page size
Read = Callable[[int, int], Iterable[Array]]  # the bytes of such a part, in pieces

_PAGE = 4096
_TILE = 1 << 20
WINDOW = 256 << 10  # bytes handled at a time: what the caches of a processor hold
_MOST_KNOWN = 4096
_KNOWN: dict[tuple[Contents, Parts], str] = {}  # what was hashed lately; the same source meets many targets


def object_seed(seed: int, object_id: str) -> int:
    """A 64-bit seed for one object of one run."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{object_id}".encode()).digest()[:8], "little")


@lru_cache(maxsize=8)
def _tile(seed: int) -> Array:
    tile = np.random.Generator(np.random.PCG64(seed)).integers(0, 256, _TILE, dtype=np.uint8)
    tile.flags.writeable = False
    return tile


def _make(seed: int, start: int, size: int) -> Array:
    """Bytes [start, start + size); `start` is a multiple of the page size."""
    pages = -(-size // _PAGE)
    data = np.empty(pages * _PAGE, dtype=np.uint8)
    done = 0
    while done < len(data):
        offset = (start + done) % _TILE
        part = min(_TILE - offset, len(data) - done)
        data[done : done + part] = _tile(0)[offset : offset + part]
        done += part
    # two words make every page of every object unique: a page in the wrong place must never go unnoticed
    words, first = data.view("<u8").reshape(pages, _PAGE // 8), start // _PAGE
    words[:, 0] = seed
    # counted from 1: a zero would be the end of a list to who takes contents for one, which random bytes never are
    words[:, 1] = np.arange(first + 1, first + 1 + pages, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return data[:size]


@dataclass(frozen=True)
class Contents:
    """What one object holds: `size` bytes, zero in `holes` (offset, length)."""

    seed: int
    size: int
    holes: tuple[tuple[int, int], ...] = ()

    def window(self, start: int, size: int) -> Array:
        """Bytes [start, start + size), fewer at the end."""
        size, before = min(size, self.size - start), start % _PAGE
        data = _make(self.seed, start - before, size + before)[before:]
        for offset, length in self.holes:
            low, high = max(offset - start, 0), min(offset + length - start, size)
            if low < high:
                data[low:high] = 0
        return data

    def windows(self, size: int = WINDOW) -> Iterator[tuple[int, Array]]:
        """(start, bytes) until the end."""
        for start in range(0, self.size, size):
            yield start, self.window(start, size)

    def digest(self, parts: Parts | None = None) -> str:
        """Hex SHA-256 over the bytes in `parts`, by default all."""
        parts = parts if parts is not None else in_windows(self.size)
        known = _KNOWN.get((self, parts))
        return known if known is not None else _hashed(self, parts, None)[0]


def in_windows(size: int, window: int = WINDOW) -> Parts:
    """All of `size` bytes, `window` of them at a time."""
    return tuple((start, min(window, size - start)) for start in range(0, size, window))


def compare_digests(expected: Contents, parts: Parts, read: Read) -> tuple[str, str]:
    """Hex SHA-256 of what `expected` holds in `parts`, and of what `read` gives for them.

    Bytes are compared before they are hashed: what is equal is hashed once, and not again for the next target.
    """
    known = _KNOWN.get((expected, parts))
    if known is not None and all(_equal(want, got) for want, got in _pairs(expected, parts, read)):
        return known, known
    return _hashed(expected, parts, read)


def _pairs(expected: Contents, parts: Parts, read: Read) -> Iterator[tuple[Array, Array]]:
    """(expected, found) piece by piece."""
    for start, size in parts:
        data, at = expected.window(start, size), 0
        for piece in read(start, size):
            yield data[at : at + len(piece)], piece
            at += len(piece)
        assert at == len(data), "all of what was asked for must be given"


def _equal(want: Array, got: Array) -> bool:
    if len(want) == len(got) and len(want) % 8 == 0:  # eight bytes at once
        want, got = want.view("<u8"), got.view("<u8")
    return np.array_equal(want, got)


def _hashed(expected: Contents, parts: Parts, read: Read | None) -> tuple[str, str]:
    """As compare_digests(); without `read` both are the expected one."""
    total, other = hashlib.sha256(), None
    pairs = _pairs(expected, parts, read or (lambda start, size: (expected.window(start, size),)))
    for want, got in pairs:
        if other is None and not _equal(want, got):
            other = total.copy()  # equal up to here
        total.update(np.ascontiguousarray(want).data)
        if other is not None:
            other.update(np.ascontiguousarray(got).data)
    digest = total.hexdigest()
    while len(_KNOWN) >= _MOST_KNOWN:
        del _KNOWN[next(iter(_KNOWN))]
    _KNOWN[expected, parts] = digest
    return digest, digest if other is None else other.hexdigest()
