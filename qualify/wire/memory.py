# SPDX-License-Identifier: Apache-2.0
"""What codecs need of a physical memory. Addresses and sizes are in bytes."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from qualify.schema import ARCHITECTURES

__all__ = ["SECTION_BYTES", "Allocate", "Array", "MemoryReader", "MemoryWriter"]

Array = npt.NDArray[np.uint8]

# struct pages exist for whole sections, also behind the end of RAM; for limits, where the largest will do
SECTION_BYTES = max(arch.section for arch in ARCHITECTURES.values())


class MemoryReader(Protocol):
    """Reads never go outside RAM: PointerError instead."""

    @property
    def ram_bytes(self) -> int: ...

    def read(self, at: int, size: int) -> bytes: ...

    def array(self, at: int, size: int) -> Array: ...

    def gather(self, addresses: npt.NDArray[np.uint64], size: int) -> Array:
        """`size` bytes from each address; shape (n, size)."""
        ...


class MemoryWriter(Protocol):
    def write(self, at: int, data: bytes | Array) -> None: ...


class Allocate(Protocol):
    """Returns the address of `pages` contiguous zeroed pages."""

    def __call__(self, pages: int = 1) -> int: ...
