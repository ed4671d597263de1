# SPDX-License-Identifier: Apache-2.0
"""Facts of an architecture that no format says and both sides of a handover rely on. Sizes in bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["ARCHITECTURES", "Architecture"]


@dataclass(frozen=True, slots=True)
class Architecture:
    """`section`: memory has struct pages in whole sections of this size. `cache_line`: SMP_CACHE_BYTES."""

    section: int
    cache_line: int


# SECTION_SIZE_BITS (sparsemem.h) is 27, SMP_CACHE_BYTES 64 on x86-64. arm64 is out of scope so far and here for
# downstream schemas; its sections have 27 bits with pages of 4 and 16 KiB (inferred, not read).
ARCHITECTURES: Mapping[str, Architecture] = {
    "x86-64": Architecture(section=128 << 20, cache_line=64),
    "arm64": Architecture(section=128 << 20, cache_line=64),
}
