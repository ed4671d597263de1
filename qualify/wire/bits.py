# SPDX-License-Identifier: Apache-2.0
"""Set bits of bitmaps, found fast: maps are mostly zero, so only bytes that hold a bit are looked at."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from qualify.wire.memory import Array

__all__ = ["set_bits"]

Index = npt.NDArray[np.intp]


def set_bits(bitmaps: Array) -> tuple[Index, Index]:
    """(bitmap, bit) of every set bit of `bitmaps` (shape (n, bytes)), in order; bit 0 is the lowest of byte 0."""
    if bitmaps.shape[1] % 8 == 0 and bitmaps.flags.c_contiguous:
        words = bitmaps.view("<u8")
        row, word = np.nonzero(words)
        spread = np.unpackbits(words[row, word].view(np.uint8).reshape(-1, 8), axis=1, bitorder="little")
        which, bit = np.nonzero(spread)
        return row[which], word[which] * 64 + bit
    row, bit = np.nonzero(np.unpackbits(bitmaps, axis=1, bitorder="little"))
    return row, bit
