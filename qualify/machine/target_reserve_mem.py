# SPDX-License-Identifier: Apache-2.0
"""reserve_mem on the target: revived early, looked at once memory that nobody reserved has been reused."""

from __future__ import annotations

from qualify.errors import WireError
from qualify.machine.booting import Booting
from qualify.machine.contents import compare_digests, in_windows
from qualify.machine.observe import compare, names, with_leak
from qualify.machine.reserved import KernelPanicError
from qualify.machine.source_small import EDGE
from qualify.model import Consequence, Interface, ObjectObservation, Reply
from qualify.scenario import ReserveMem
from qualify.schema import Condition, Reaction
from qualify.wire import fdt
from qualify.wire.properties import read_number

__all__ = ["look_at_reserve_mem", "revive_reserve_mem"]

_ABSENT = "absent"
_NO_PROPERTY = "a property is missing or has a wrong length"
_SAID_NOTHING = (_ABSENT, _NO_PROPERTY)  # what reserve_mem_kho_revive() answers false to without a word


def revive_reserve_mem(target: Booting, region: ReserveMem) -> tuple[int, int] | ObjectObservation:
    """reserve_mem_kho_revive(), called early: (start, size) of a revived region, else what became of it."""
    why, start, size = _find(target, region)
    if not why:
        target.log.append(f"Revived memory reservation '{region.name}' from KHO")
        return (start, size)
    consequences = set()
    if why not in _SAID_NOTHING:
        target.log.append(f"reserve_mem '{region.name}': {why}")
        consequences.add(Consequence.WARNED)
    reply, errno, note = Reply.AS_COLD, "", f"allocated afresh: {why}"
    if region.target_asks and target.kernel.has("reserve-mem") and not target.allocate_early(region.wanted_size):
        target.log.append("reserve_mem: memblock allocation failed")
        consequences.add(Consequence.WARNED)
        errno = target.kernel.reaction("reserve-mem", Condition.NO_ROOM, Reaction.REFUSE_ENOMEM).errno
        reply, note = Reply.REFUSED, f"{why}, and scratch has no room for a new one"
    seen = ObjectObservation(
        region.object_id, "reserve-mem", Interface.RESERVE_MEM, reply, errno, consequences=frozenset(consequences),
        notes=(note,),
    )  # fmt: skip
    return with_leak(target, seen)


def _find(target: Booting, region: ReserveMem) -> tuple[str, int, int]:
    """(why it is allocated afresh or '', start, size)."""
    if not region.target_asks or not target.kernel.has("reserve-mem"):
        return _ABSENT, 0, 0
    forms = target.kernel.readable("reserve-mem")
    at = target.subtree(forms[0].carrier.subtree) if forms else "ENOENT"
    if isinstance(at, str):
        return (_ABSENT if at == "ENOENT" else "broken subtree"), 0, 0
    root = target.read_fdt(at[0])
    form = next((f for f in forms if root is not None and names(root, f)), None)
    template = form.fdt.child("*") if form is not None and form.fdt is not None else None
    if root is None or template is None:
        return "FDT 'memblock' is incompatible", 0, 0
    node = root.child(region.name)
    if node is None:
        return f"FDT 'memblock' has no child '{region.name}'", 0, 0
    if template.compatible and fdt.node_check_compatible(node, template.compatible):
        return f"node is incompatible with '{template.compatible}'", 0, 0
    values: dict[str, int] = {}
    for prop in template.properties:
        value = read_number(node, prop)
        if value is None:
            return _NO_PROPERTY, 0, 0
        values[prop.role] = value
    start, size = values.get("address", 0), values.get("size", 0)
    align = max(region.target_align or region.align, target.kernel.arch.cache_line)
    if start & (align - 1):
        return f"wrong alignment ({align:#x}, {start:#x})", 0, 0
    if size != region.wanted_size:
        return f"wrong size ({size:#x} != {region.wanted_size:#x})", 0, 0
    return "", start, size


def look_at_reserve_mem(target: Booting, region: ReserveMem, start: int, size: int) -> ObjectObservation:
    """What a revived region holds once everything that nobody reserved has been reused."""
    component = target.kernel.component("reserve-mem")
    form = target.kernel.readable("reserve-mem")[0]
    expected = target.truth.contents(region.object_id, region.size)
    ends = ((0, EDGE), (region.size - EDGE, EDGE))
    parts = ends if region.fill == "edges" else in_windows(region.size)
    try:
        if size == region.size:
            want, got = compare_digests(expected, parts, lambda s, n: target.memory.pieces(start + s, n))
        else:
            want, got = expected.digest(parts), "not compared, the size differs"
    except WireError as error:
        raise KernelPanicError(f"reserve_mem '{region.name}': {error}") from None
    seen = {
        "size": (str(region.size), str(size)),
        "address": (f"{region.at:#x}", f"{start:#x}"),
        "contents": (want, got),
    }
    properties = tuple(compare(component, form, name, *values) for name, values in seen.items())
    return ObjectObservation(region.object_id, "reserve-mem", Interface.RESERVE_MEM, Reply.GIVEN, properties=properties)
