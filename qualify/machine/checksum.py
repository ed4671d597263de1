# SPDX-License-Identifier: Apache-2.0
"""csum_partial(): the 32-bit ones' complement sum that lib/test_kho.c uses."""

from __future__ import annotations

import numpy as np

from qualify.wire.memory import Array

__all__ = ["csum_partial"]

_M64 = (1 << 64) - 1
_M32 = (1 << 32) - 1


def csum_partial(data: Array, start: int) -> int:
    """The checksum of `data` (a multiple of 8 bytes) added to `start`; as in arch/x86/lib/csum-partial_64.c."""
    words = np.ascontiguousarray(data).view("<u8")
    low = int((words & np.uint64(_M32)).sum(dtype=np.uint64))
    high = int((words >> np.uint64(32)).sum(dtype=np.uint64))
    total = start + low + (high << 32)
    while total > _M64:
        total = (total & _M64) + (total >> 64)
    folded = (total >> 32) + (total & _M32)
    return (folded & _M32) + (folded >> 32)
