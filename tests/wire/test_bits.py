# SPDX-License-Identifier: Apache-2.0
"""Set bits of bitmaps against the plain way of finding them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from qualify.wire.bits import set_bits


@given(st.integers(0, 5), st.integers(1, 40), st.sets(st.integers(0, 5 * 40 * 8 - 1), max_size=60), st.booleans())
def test_set_bits(rows: int, width: int, bits: set[int], strided: bool) -> None:
    flags = np.zeros(rows * width * 8, dtype=np.uint8)
    flags[[b for b in bits if b < len(flags)]] = 1
    bitmaps = np.packbits(flags, bitorder="little").reshape(rows, width)
    if strided:  # what cannot be looked at as words
        bitmaps = np.repeat(bitmaps, 2, axis=1)[:, ::2]
    row, bit = set_bits(bitmaps)
    assert [r * width * 8 + b for r, b in zip(row.tolist(), bit.tolist(), strict=True)] == np.flatnonzero(
        flags
    ).tolist()
