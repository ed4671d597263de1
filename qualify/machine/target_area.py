# SPDX-License-Identifier: Apache-2.0
"""kho_restore_vmalloc() on the target: what a descriptor leads to, page by page out of the memory map."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from qualify.errors import CountError, CycleError, WireError
from qualify.machine.booting import Booting
from qualify.machine.reserved import KernelPanicError
from qualify.wire import vmalloc

if TYPE_CHECKING:
    from qualify.wire.memory import Array

__all__ = ["restore_area"]


def restore_area(target: Booting, what: vmalloc.Descriptor) -> Array | None:
    """The bytes of the area, None where the kernel answers NULL. A wild pointer is a panic.

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
        if not any(len(b) for b in blocks):
            return None  # __get_vm_area_node() of no pages
        span = target.kernel.page_size << what.order
        rows = target.view.gather(np.concatenate(blocks), span)
    except (CountError, CycleError):
        return None
    except WireError as error:
        raise KernelPanicError(f"kho_restore_vmalloc: {error}") from None
    if what.order and target.kernel.trait("kho-vmalloc", "high-order") == "first-page-only":
        rows = np.tile(rows[:, : target.kernel.page_size], (1, 1 << what.order))
    return rows.reshape(-1)
