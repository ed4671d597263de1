# SPDX-License-Identifier: Apache-2.0
"""The target until its page allocator runs: does it take the handover, does it live, what does it reserve?

Each way it can go is a `World`, under one condition. See docs/model.md, "The target, in order", 1 to 3.
"""

from __future__ import annotations

import dataclasses
import enum
from dataclasses import dataclass

import numpy as np

from qualify.compat.cargo import Cargo, Consignment
from qualify.compat.meeting import Gap, Grade, Match, Meeting, same_bytes
from qualify.compat.pagesize import other_page_size
from qualify.compat.profile import Part, Profile
from qualify.compat.reach import Reach, beyond_ram, full, nothing, reach
from qualify.compat.rules import reason
from qualify.model import Consequence, Reason
from qualify.scenario import ReserveMem, early_memory, room_beside_image, spare_early
from qualify.schema import ChunkListMap, Condition, Reaction

__all__ = ["End", "World", "worlds"]

_SPURIOUS = frozenset({Consequence.SPURIOUS_RESERVATION})
_LEAKED = frozenset({Consequence.LEAKED})


class End(enum.Enum):
    """How early boot ends."""

    COLD = "cold"
    PANIC = "panic"
    ALIVE = "alive"


@dataclass(frozen=True, slots=True)
class World:
    """One way that early boot can go. `subtrees` is False where users find a broken subnode.

    `unsure`: consequences that a lost or refused object may or may not have, whatever the later stages make of it.
    """

    end: End
    condition: str = ""
    reach: Reach | None = None
    subtrees: bool = True
    consequences: frozenset[Consequence] = frozenset()
    unsure: frozenset[Consequence] = frozenset()
    reasons: tuple[Reason, ...] = ()


def worlds(cargo: Cargo, sent: Consignment, source: Profile, target: Profile, meeting: Meeting) -> tuple[World, ...]:
    """Every way that early boot of `target` can go after `source`; `meeting` is the two sides' KHO core."""
    scenario = cargo.scenario
    kho = target.parts.get("kho")
    if sent.withheld is not None:
        return (World(End.COLD, reasons=(sent.withheld,)),)
    if kho is None or meeting.match is Match.NO_READER:
        return (World(End.COLD, reasons=(reason("KHO009", "kho", "the target has no KHO and ignores the handover"),)),)
    if not scenario.target.kho and kho.traits["off-target"] == "ignores":
        return (World(End.COLD, reasons=(reason("OPS008", "kho", "the target runs without kho=on"),)),)
    crash = scenario.target.kind == "crash"
    if crash and kho.traits["kdump-target"] == "disabled":
        return (World(End.COLD, reasons=(reason("OPS006", "kho", "the crash kernel disables KHO"),)),)
    if meeting.match is Match.REFUSED:
        return (_refused(kho, meeting),)
    if (early := _root(cargo, kho, meeting, sent)) is not None:
        return early
    if crash:
        text = "the handover lies outside the memory that the crash kernel knows"
        return (World(End.PANIC, reasons=(reason("OPS007", "kho", text),)),)
    extends = bool(kho.traits["extends-scratch"])
    if spare_early(scenario, extends) is None:
        need, left = early_memory(scenario, extends) >> 20, sum(room_beside_image(scenario) or ()) >> 20
        text = f"{need} MiB are needed before the map is read, {left} MiB of scratch are left"
        return (World(End.PANIC, reasons=(reason("OPS010", "kho", text),)),)
    broken = _broken_subtrees(meeting)
    found = _map(cargo, sent, source, target, meeting)
    if not broken:
        return found
    return tuple(dataclasses.replace(w, subtrees=False, reasons=(*w.reasons, *broken)) for w in found)


def _refused(kho: Part, meeting: Meeting) -> World:
    written, read = meeting.written, meeting.read
    assert written is not None
    strings = ", ".join(f"'{f.compatible}'" for f in kho.reads)
    text = f"the handover is '{written.compatible}', the target reads {strings}"
    why = [reason("KHO001", "kho", text)]
    if read is not None and same_bytes(meeting.gaps):
        why.append(reason("CMP003", "kho", "apart from the string, the two are the same to the byte"))
    reaction = kho.on(Condition.INCOMPATIBLE, Reaction.COLD_BOOT)
    return World(End.PANIC if reaction is Reaction.PANIC else End.COLD, reasons=tuple(why))


def _root(cargo: Cargo, kho: Part, meeting: Meeting, sent: Consignment) -> tuple[World, ...] | None:
    """Boot structures and root FDT; None when the target goes on to the map."""
    if boot := [g for g in meeting.gaps if g.where == "root" or g.where.startswith("role:")]:
        why = (reason("KHO008", "kho", _list(boot)),)
        return (
            World(End.PANIC, "the address taken for the root or for scratch is not mapped", reasons=why),
            World(End.COLD, "what is found there is no FDT", reasons=why),
        )
    prop = [g for g in meeting.gaps if g.where == "property:/" and g.grade is not Grade.IGNORED]
    prop += [g for g in meeting.gaps if g.where in ("kind", "node:/") and g.grade is not Grade.IGNORED]
    if prop:
        why = (reason("KHO005", "kho", _list(prop)),)
        if all(g.grade is Grade.SILENT for g in prop):
            return (World(End.PANIC, reasons=why),)
        return (_without_map(cargo, kho.on(Condition.MISSING, Reaction.COLD_BOOT), why),)
    if sent.empty_map:
        why = (reason("KHO006", "kho", "the map was never finalised: its address is 0"),)
        if kho.traits["empty-map"] == "refuse":
            return (World(End.COLD, reasons=why),)
    return None


def _without_map(cargo: Cargo, reaction: Reaction, why: tuple[Reason, ...]) -> World:
    if reaction is Reaction.PANIC:
        return World(End.PANIC, reasons=why)
    if reaction in (Reaction.IGNORE, Reaction.WARNING):
        # up to 6.18 a line in the log, and on with nothing reserved
        return World(End.ALIVE, reach=nothing(cargo), reasons=why)
    return World(End.COLD, reasons=why)


def _broken_subtrees(meeting: Meeting) -> tuple[Reason, ...]:
    found = [g for g in meeting.gaps if g.where.startswith("property:/*") and g.grade is not Grade.IGNORED]
    found += [g for g in meeting.gaps if g.where.startswith("node:/*") and g.grade is not Grade.IGNORED]
    return (reason("KHO007", "kho", _list(found)),) if found else ()


def _list(found: list[Gap]) -> str:
    return "; ".join(g.text for g in found)


def _map(cargo: Cargo, sent: Consignment, source: Profile, target: Profile, meeting: Meeting) -> tuple[World, ...]:
    written, read = meeting.written, meeting.read
    assert written is not None
    assert read is not None
    if sent.empty_map:
        why = (
            reason("KHO006", "kho", "the map was never finalised: its address is 0, and the target reserves nothing"),
        )
        return (World(End.ALIVE, reach=nothing(cargo), reasons=why),)
    mine, theirs = written.memory_map, read.memory_map
    other = [g for g in meeting.gaps if g.where == "map"]
    if source.endian != target.endian:
        other.append(Gap("map", Grade.SILENT, "endian", f"{source.endian} vs {target.endian} endian"))
    if mine is None or theirs is None or other:
        return _misread(cargo, other)
    pages = source.page_size, cargo.scenario.target.page_size or target.page_size
    top = -(-cargo.scenario.host.ram // target.arch.section) * target.arch.section
    if pages[0] != pages[1]:
        return _other_pages(cargo, sent, meeting, pages, top)
    narrow = target.parts["kho"].traits["reserve-size"] == "int32"
    if isinstance(mine, ChunkListMap) and isinstance(theirs, ChunkListMap) and mine != theirs:
        return _bitmaps(cargo, sent, (mine.bitmap_bytes, theirs.bitmap_bytes), pages[0], narrow, top)
    return (_plain(cargo, sent, pages[0], narrow),)


def _plain(cargo: Cargo, sent: Consignment, page_size: int, narrow: bool) -> World:
    """The target understands every bit."""
    # only a region of at least 2 GiB can be one block of order 19
    large = any(isinstance(i.model, ReserveMem) and i.model.size >> 31 for i in cargo.items)
    if not (narrow and large):
        return World(End.ALIVE, reach=full(cargo))
    found = reach(cargo, sent, lambda at, order: np.ones(len(at), dtype=np.bool_), page_size=page_size, narrow=True)
    return _alive(found, cargo)


def _alive(found: Reach, cargo: Cargo, extra: tuple[Reason, ...] = ()) -> World:
    why = list(extra)
    text = "a block of 2 GiB and more is reserved to the wrong size"
    large = any(isinstance(i.model, ReserveMem) and i.model.size >> 31 for i in cargo.items)
    if found.overflow or (large and not all(c.whole for c in found.covers)):
        why.append(reason("KHO010", "kho", text))
    return World(End.ALIVE, reach=found, consequences=_SPURIOUS if found.overflow else frozenset(), reasons=tuple(why))


def _bitmaps(
    cargo: Cargo, sent: Consignment, sizes: tuple[int, int], page_size: int, narrow: bool, top: int
) -> tuple[World, ...]:
    """Bitmaps of another length behind an equal string."""
    mine, theirs = (np.uint64(size * 8) for size in sizes)
    shift = np.uint64(page_size.bit_length() - 1)
    if theirs < mine:
        found = reach(
            cargo, sent, lambda at, order: (at >> (shift + order)) % mine < theirs, page_size=page_size, narrow=narrow
        )
        text = f"bitmaps of {sizes[0]} bytes are read as {sizes[1]} bytes: bits from {theirs} on are not seen"
        return (_alive(found, cargo, (reason("KHO003", "kho", text),)),)
    plain = _plain(cargo, sent, page_size, narrow)
    text = f"bitmaps of {sizes[0]} bytes are read as {sizes[1]}: {sizes[1] - sizes[0]} neighbouring bytes count as bits"
    why = (reason("KHO002", "kho", text), *plain.reasons)
    clean = dataclasses.replace(plain, reasons=why)
    spurious = dataclasses.replace(
        clean,
        condition="the neighbouring bytes name pages in RAM, or none",
        consequences=plain.consequences | _SPURIOUS,
    )
    panic = World(End.PANIC, "the neighbouring bytes name a page beyond RAM", reasons=why)
    always, ever = beyond_ram(cargo, sent, (int(mine), int(theirs)), page_size, top)
    if not ever and cargo.scenario.placement.neighbours != "zero":
        return (dataclasses.replace(spurious, condition=""),)
    match cargo.scenario.placement.neighbours:
        case "zero":
            return (clean,)
        case "in-ram":
            return (dataclasses.replace(spurious, condition=""),)
        case "beyond-ram" if always:
            return (dataclasses.replace(panic, condition=""),)
        case "beyond-ram":
            return (panic, spurious)
        case "unknown":
            return (panic, spurious)


def _misread(cargo: Cargo, found: list[Gap]) -> tuple[World, ...]:
    why = (reason("KHO004", "kho", _list(found) or "one side has no memory map"),)
    return (
        World(End.PANIC, "what is taken for an address leads outside RAM", reasons=why),
        World(End.ALIVE, "what is taken for the map names other pages", nothing(cargo), reasons=why),
        World(End.ALIVE, "the misread part happens not to matter", full(cargo), reasons=why),
    )


def _other_pages(
    cargo: Cargo, sent: Consignment, meeting: Meeting, pages: tuple[int, int], top: int
) -> tuple[World, ...]:
    assert meeting.written is not None
    assert meeting.written.memory_map is not None
    assert meeting.read is not None
    assert meeting.read.memory_map is not None
    maps = meeting.written.memory_map, meeting.read.memory_map
    found = other_page_size(cargo, sent, maps, pages, top)
    text = f"pages of {pages[0]} bytes are read as pages of {pages[1]} bytes"
    if found is None:
        why = (reason("KHO011", "kho", f"{text}: the map names addresses beyond RAM"),)
        return (World(End.PANIC, reasons=why),)
    why = (reason("KHO011", "kho", text),)
    # what lies under the misplaced ranges by accident stays reserved with them
    alive = World(End.ALIVE, "all that the misread map names is RAM", found.reach, unsure=_LEAKED, reasons=why)
    spurious = dataclasses.replace(alive, consequences=_SPURIOUS)
    return (
        World(End.PANIC, "a bit behind those that were written names a page beyond RAM", reasons=why),
        *((alive,) if not found.spurious else ()),
        *((spurious,) if found.maybe_spurious else ()),
    )
