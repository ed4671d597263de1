# SPDX-License-Identifier: Apache-2.0
"""State that came back although nobody had reserved its memory: nobody has used it yet. Pure.

A short boot uses little memory, so that what was lost from the map can still be intact when the agent looks. The one
sign of it is the root FDT: of the same map, and read by the kernel before any memory is handed out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from qualify.agent import Record, blobs
from qualify.backends.qemu.answers import Side
from qualify.model import MachineObservation, PropertyState, Reply
from qualify.wire.fdt import FdtHeaderError, check_header

__all__ = ["has_lost_root", "is_given", "noted"]


def has_lost_root(target: Side, records: Iterable[Record]) -> bool:
    """Whether the target took a handover whose root FDT it cannot show any more: its page was not reserved."""
    if not target.system.get("in_fdt"):
        return False
    try:
        check_header(blobs(records).get("in/fdt", b""))
    except FdtHeaderError:
        return True
    return False


def is_given(seen: MachineObservation) -> bool:
    """Whether something came back with nothing wrong about it."""
    return any(
        o.reply is Reply.GIVEN and all(p.state is not PropertyState.DIFFERENT for p in o.properties)
        for o in seen.objects
    )


def noted(seen: MachineObservation, note: str) -> MachineObservation:
    """The same with a note on everything that the target gave."""
    objects = (replace(o, notes=(*o.notes, note)) if o.reply is Reply.GIVEN else o for o in seen.objects)
    return replace(seen, objects=tuple(objects))
