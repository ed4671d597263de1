# SPDX-License-Identifier: Apache-2.0
"""Contents derived from a seed, and the hash over them, as guest/contents.c has them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

__all__ = ["EDGE", "contents", "contents_hash", "region_parts"]

Array = np.ndarray[Any, np.dtype[Any]]

EDGE = 64 << 10  # bytes at either end of a region with fill=edges

_GOLDEN, _MIX_1, _MIX_2 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_BASIS, _STEP = 0xCBF29CE484222325, 0xD1342543DE82EF95
_MASK = (1 << 64) - 1
_BLOCK = 1 << 15  # words hashed at once


def _mix(z: Array) -> Array:
    """The finaliser of splitmix64."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(_MIX_1)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(_MIX_2)
    mixed: Array = z ^ (z >> np.uint64(31))
    return mixed


def contents(seed: int, offset: int, size: int, holes: Iterable[tuple[int, int]] = ()) -> Array:
    """Bytes [offset, offset + size) of the object with that seed; zero in `holes` (offset, size)."""
    first, last = offset // 8, -(-(offset + size) // 8)
    index = np.arange(first + 1, last + 1, dtype=np.uint64)
    words = _mix(np.uint64(seed) + index * np.uint64(_GOLDEN)).astype("<u8")
    data = words.view(np.uint8)[offset - 8 * first :][:size]
    for start, length in holes:
        data[max(start - offset, 0) : max(start + length - offset, 0)] = 0
    return data


def region_parts(size: int, *, edges: bool) -> tuple[tuple[int, int], ...]:
    """(offset, size) of what is written and compared of a region."""
    if not edges or size <= 2 * EDGE:
        return ((0, size),) if size else ()
    tail = (size - EDGE) // 8 * 8
    return ((0, EDGE), (tail, size - tail))


def contents_hash(parts: Sequence[Array | bytes]) -> str:
    """16 hex digits over parts one behind another, each of whole 8-byte words but for the last.

    A polynomial over the words, so that numpy can do many at a time; finished with the number of bytes.
    """
    powers = np.full(_BLOCK, _STEP, dtype=np.uint64)
    powers[0] = 1
    powers = np.multiply.accumulate(powers)  # powers[k] = _STEP ** k
    value, total = _BASIS, 0
    for part in parts:
        data = np.frombuffer(part, dtype=np.uint8) if isinstance(part, bytes) else part
        total += len(data)
        words = np.zeros(-(-len(data) // 8), dtype="<u8")
        words.view(np.uint8)[: len(data)] = data
        words ^= words >> np.uint64(32)
        for at in range(0, len(words), _BLOCK):
            block = words[at : at + _BLOCK]
            added = int((block * powers[: len(block)][::-1]).sum(dtype=np.uint64))
            value = (value * pow(_STEP, len(block), 1 << 64) + added) & _MASK
    return f"{int(_mix(np.array([value ^ total], dtype=np.uint64))[0]):016x}"
