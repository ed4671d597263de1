# SPDX-License-Identifier: Apache-2.0
"""kho_restore_vmalloc() on the target: what a descriptor leads to, page by page out of the memory map."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qualify.errors import CountError, CycleError, WireError
from qualify.machine.booting import Booting
from qualify.machine.reserved import KernelPanicError
from qualify.wire import vmalloc
from qualify.wire.memory import Array, MemoryReader

__all__ = ["Area", "restore_area"]

_PIECE = 1 << 20  # bytes read at a time


@dataclass(frozen=True, slots=True)
class Area:
    """A restored area: where each block of 2^order pages lies. Bytes are read when asked for, since an order that
    somebody made up turns two pages into gigabytes. `size` in bytes."""

    memory: MemoryReader
    blocks: npt.NDArray[np.uint64]
    order: int
    page_size: int
    first_page_only: bool  # each page of a block shows the first

    @property
    def size(self) -> int:
        return len(self.blocks) * (self.page_size << self.order)

    def pieces(self, size: int, unit: int) -> Iterator[Array]:
        """The first `size` bytes, or all there are if those are fewer: a few at a time, always whole `unit`s.

        Raises KernelPanicError where the area leaves RAM.
        """
        step = max(_PIECE // unit, 1) * unit
        for start in range(0, min(size, self.size), step):
            yield self._read(start, min(step, min(size, self.size) - start))

    def _read(self, start: int, size: int) -> Array:
        first = start // self.page_size
        numbers = np.arange(first, -(-(start + size) // self.page_size), dtype=np.uint64)
        addresses = self.blocks[numbers >> np.uint64(self.order)]
        if self.order and not self.first_page_only:
            within = numbers & np.uint64((1 << self.order) - 1)
            addresses = addresses + within * np.uint64(self.page_size)
        try:
            pages = self.memory.gather(addresses, self.page_size)
        except WireError as error:
            raise KernelPanicError(f"while reading a restored vmalloc area: {error}") from None
        offset = start - first * self.page_size
        return pages.reshape(-1)[offset : offset + size]


def restore_area(target: Booting, what: vmalloc.Descriptor) -> Area | None:
    """The area, None where the kernel answers NULL. A wild pointer is a panic.

    Flags that it does not know make no difference: kho_flags_to_vmalloc() picks out the ones it does.
    """
    form = target.kernel.readable("kho-vmalloc")[0]
    chunk = target.kernel.codec(form.structs["chunk"])
    blocks: list[npt.NDArray[np.uint64]] = []
    try:
        for at, named in vmalloc.walk(target.view, chunk, what):
            good, _ = target.reserved.restore(np.append(named, np.uint64(at)))
            if not good.all():
                return None  # before the next chunk is looked at
            blocks.append(named)
    except (CountError, CycleError):
        return None
    except WireError as error:
        raise KernelPanicError(f"kho_restore_vmalloc: {error}") from None
    if not any(len(b) for b in blocks):
        return None  # __get_vm_area_node() of no pages
    first_only = target.kernel.trait("kho-vmalloc", "high-order") == "first-page-only"
    return Area(target.view, np.concatenate(blocks), what.order, target.kernel.page_size, first_only)
