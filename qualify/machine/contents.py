# SPDX-License-Identifier: Apache-2.0
"""Contents of preserved objects: derived from a seed, every page different, cheap to make again anywhere."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from qualify.wire.memory import Array

__all__ = ["WINDOW", "Contents", "digest_of", "object_seed"]

_PAGE = 4096
_TILE = 1 << 20
WINDOW = 4 << 20  # bytes handled at a time

_CACHE_BYTES = 8 << 20


def object_seed(seed: int, object_id: str) -> int:
    """A 64-bit seed for one object of one run."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{object_id}".encode()).digest()[:8], "little")


@lru_cache(maxsize=8)
def _tile(seed: int) -> Array:
    tile = np.random.Generator(np.random.PCG64(seed)).integers(0, 256, _TILE, dtype=np.uint8)
    tile.flags.writeable = False
    return tile


@lru_cache(maxsize=16)
def _small(seed: int, size: int) -> Array:
    data = _make(seed, 0, size)
    data.flags.writeable = False
    return data


def _make(seed: int, start: int, size: int) -> Array:
    """Bytes [start, start + size); `start` is a multiple of the page size."""
    pages = -(-size // _PAGE)
    first = start // _PAGE
    offset, length = start % _TILE, pages * _PAGE
    if offset + length <= _TILE:
        data = _tile(0)[offset : offset + length].copy()
    else:
        data = np.resize(np.roll(_tile(0), -offset) if offset else _tile(0), length)
    # two words make every page of every object unique: a page in the wrong place must never go unnoticed
    words = data.view("<u8").reshape(pages, _PAGE // 8)
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
        """Bytes [start, start + size), read-only; `start` a multiple of the page size."""
        size = min(size, self.size - start)
        if not self.holes and self.size <= _CACHE_BYTES:
            return _small(self.seed, self.size)[start : start + size]
        data = _make(self.seed, start, size)
        for offset, length in self.holes:
            low, high = max(offset - start, 0), min(offset + length - start, size)
            if low < high:
                data[low:high] = 0
        return data

    def windows(self, size: int = WINDOW) -> Iterator[tuple[int, Array]]:
        """(start, bytes) until the end."""
        for start in range(0, self.size, size):
            yield start, self.window(start, size)

    def digest(self) -> str:
        """Hex SHA-256 over all bytes."""
        return _digest(self)


@lru_cache(maxsize=4096)
def _digest(contents: Contents) -> str:
    return digest_of(data for _, data in contents.windows())


def digest_of(parts: Iterator[Array]) -> str:
    """Hex SHA-256 over the bytes of `parts` in order."""
    total = hashlib.sha256()
    for part in parts:
        total.update(np.ascontiguousarray(part).data)
    return total.hexdigest()
