# SPDX-License-Identifier: Apache-2.0
"""Memory as a kernel can address it: through a direct map that covers only the RAM it knows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from qualify.errors import PointerError
from qualify.machine.intervals import Intervals
from qualify.machine.memory import PhysicalMemory
from qualify.wire.memory import Array

__all__ = ["DirectMap"]


class DirectMap:
    """A MemoryReader that raises PointerError where the kernel would take a page fault."""

    def __init__(self, memory: PhysicalMemory, known: Intervals) -> None:
        self._memory = memory
        self.known = known

    @property
    def ram_bytes(self) -> int:
        return self.known.size

    def read(self, at: int, size: int) -> bytes:
        self._check(at, size)
        return self._memory.read(at, size)

    def array(self, at: int, size: int) -> Array:
        self._check(at, size)
        return self._memory.array(at, size)

    def pieces(self, at: int, size: int) -> Iterator[Array]:
        """Like `array`, in pieces that need no copy."""
        self._check(at, size)
        return self._memory.pieces(at, size)

    def gather(self, addresses: npt.NDArray[np.uint64], size: int) -> Array:
        ok = self.known.contains(addresses)
        if size:
            ok &= self.known.contains(addresses + np.uint64(size - 1))
        if not ok.all():
            bad = int(addresses[~ok][0])
            raise PointerError("address outside the RAM this kernel knows", offset=bad)
        return self._memory.gather(addresses, size)

    def _check(self, at: int, size: int) -> None:
        if not self.known.covers(at, at + size):
            raise PointerError("address outside the RAM this kernel knows", offset=at)
