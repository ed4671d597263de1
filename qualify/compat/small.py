# SPDX-License-Identifier: Apache-2.0
"""The small users: reserve_mem, kexec-metadata, kho_test. See docs/model.md, "The target, in order", 4 and 6."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from qualify.compat.cargo import Item
from qualify.compat.images import Value, misread
from qualify.compat.meeting import Grade, Match, Meeting
from qualify.compat.profile import Part
from qualify.compat.rules import reason
from qualify.compat.stage import NONE, WARNED, Desk, Fate, Option, kho_test_pages, listed, react
from qualify.model import Reason, Verdict
from qualify.scenario import KexecMetadata, KhoTest, ReserveMem, fits_afresh
from qualify.schema import Condition, FdtNode, FdtProperty, Format, Reaction

__all__ = ["metadata_options", "region_options", "test_options"]


def region_options(desk: Desk) -> tuple[Option, ...]:
    """What becomes of each region. They are read early, from an FDT that nobody has overwritten yet."""
    fates: list[Fate] = []
    for item in desk.handed("reserve-mem"):
        option = _region(desk, item)
        if option.panic:
            return (option,)
        fates += option.fates
    return (Option(fates=_squeezed(desk, fates)),)


def _squeezed(desk: Desk, fates: list[Fate]) -> tuple[Fate, ...]:
    """Regions allocated afresh come out of scratch; one that does not fit is refused, which no cold boot would do."""
    part = desk.target.get("reserve-mem")
    regions = {f.index: m for f in fates if isinstance(m := desk.cargo.items[f.index].model, ReserveMem)}
    afresh = [f for f in fates if f.verdict is Verdict.LOST and part is not None and regions[f.index].target_asks]
    sizes = [regions[f.index].wanted_size for f in afresh]
    kho = desk.target.get("kho")
    extends = kho is not None and bool(kho.traits["extends-scratch"])
    room = dict(zip((f.index for f in afresh), fits_afresh(desk.cargo.scenario, sizes, extends), strict=True))
    return tuple(f if room.get(f.index, True) else _no_room(desk, part, f) for f in fates)


def _no_room(desk: Desk, part: Part | None, fate: Fate) -> Fate:
    item = desk.cargo.items[fate.index]
    why = reason("RSV006", "reserve-mem", "scratch has no room for the region: ENOMEM, and there is no region at all")
    assert part is not None
    option = react(desk, part, Condition.NO_ROOM, Reaction.REFUSE_ENOMEM, [item])
    got = option.fates[0]
    return Fate(fate.index, got.verdict, got.consequences | fate.consequences | WARNED, (*fate.reasons, why))


def _region(desk: Desk, item: Item) -> Option:
    region, part, meeting = item.model, desk.target.get("reserve-mem"), desk.meetings["reserve-mem"]
    assert isinstance(region, ReserveMem)
    if part is None or meeting.match is Match.NO_READER:
        why = reason("RSV004", "reserve-mem", "the target has no reader for regions")
        return Option(fates=desk.lost([item], why))
    if not region.target_asks:
        why = reason("RSV004", "reserve-mem", f"reserve_mem= with '{region.name}' is missing on the target")
        return Option(fates=desk.lost([item], why))
    if not desk.subtrees:
        why = reason("KHO007", "reserve-mem", "the memblock subnode is broken to the target")
        return _fresh(desk, part, Condition.MISSING, item, why)
    if any(g.where == "carrier:subtree" for g in meeting.gaps):
        why = reason("RSV002", "reserve-mem", listed(meeting.gaps))
        return _fresh(desk, part, Condition.ABSENT, item, why)
    if meeting.match is Match.REFUSED:
        why = reason("RSV002", "reserve-mem", "the subtree's string differs")
        return _fresh(desk, part, Condition.INCOMPATIBLE, item, why)
    for grade, met in ((Grade.MALFORMED, Condition.MALFORMED), (Grade.MISSING, Condition.MISSING)):
        if found := meeting.of(grade):
            # the one thing that reserve_mem_kho_revive() says nothing about is a property
            silent = all(g.where.startswith("property") for g in found)
            why = reason("RSV002", "reserve-mem", listed(found))
            return _fresh(desk, part, met, item, why, silent=silent)
    return _asked(desk, part, meeting, item, region)


def _asked(desk: Desk, part: Part, meeting: Meeting, item: Item, region: ReserveMem) -> Option:
    """reserve_mem_kho_revive(): size, then alignment, then the address is taken on trust."""
    size = region.wanted_size
    align = max(region.align if region.target_align is None else region.target_align, desk.arch.cache_line)
    start, held = _node_values(meeting, region)
    why: tuple[Reason, ...] = ()
    if silent := meeting.of(Grade.SILENT):
        why = (reason("RSV005", "reserve-mem", listed(silent)),)
    if start & (align - 1):
        text = f"the region at {start:#x} is not aligned to {align:#x}"
        return _fresh(desk, part, Condition.MISALIGNED, item, *why, reason("RSV003", "reserve-mem", text))
    if held != size:
        text = f"the region has {held:#x} bytes, the target asks for {size:#x}"
        return _fresh(desk, part, Condition.SIZE_DIFFERS, item, *why, reason("RSV003", "reserve-mem", text))
    if start != region.at or any(g.name not in ("start", "size") for g in meeting.of(Grade.SILENT)):
        return Option(fates=(Fate(item.index, Verdict.CORRUPT, NONE, why),))
    if desk.covers[item.index].whole:
        return Option(fates=(Fate(item.index, Verdict.RESTORED, NONE, why),))
    text = "the region is revived at its old address, and not all of it was reserved"
    return Option(fates=(Fate(item.index, Verdict.CORRUPT, NONE, (*why, reason("RSV001", "reserve-mem", text))),))


def _node_values(meeting: Meeting, region: ReserveMem) -> tuple[int, int]:
    """Address and size as the target reads them from the region's node."""
    assert meeting.written is not None
    assert meeting.read is not None
    stored = {"address": region.at, "size": region.size}
    theirs = {p.name: p for p in _properties(meeting.written)}
    found = {}
    for prop in _properties(meeting.read):
        mine = theirs.get(prop.name)
        value = stored.get(mine.role, 0) if mine is not None else 0
        if mine is not None and mine.endian != prop.endian:
            value = int.from_bytes(value.to_bytes(8, "little"), "big")
        found[prop.role] = value
    # a reader without such a property has nothing to get wrong
    return found.get("address", region.at), found.get("size", region.size)


def _properties(form: Format) -> Iterator[FdtProperty]:
    node = form.fdt.child("*") if form.fdt is not None else None
    yield from node.properties if node is not None else ()


def _fresh(desk: Desk, part: Part, met: Condition, item: Item, *why: Reason, silent: bool = False) -> Option:
    option = react(desk, part, met, Reaction.FRESH_ALLOCATION, [item], *why)
    if option.panic or not (silent or met is Condition.ABSENT):
        return option
    return Option(fates=tuple(Fate(f.index, f.verdict, f.consequences - WARNED, f.reasons) for f in option.fates))


def metadata_options(desk: Desk) -> tuple[Option, ...]:
    """What becomes of the record of who kexeced."""
    items = desk.handed("kexec-metadata")
    part, meeting = desk.target.get("kexec-metadata"), desk.meetings["kexec-metadata"]
    if meeting.match is Match.NO_WRITER:
        return (Option(),)
    if part is None or meeting.match is Match.NO_READER:
        return (Option(fates=desk.lost(items, reason("MET003", "kexec-metadata", "the target does not read it"))),)
    if not desk.cargo.scenario.target.kho:
        return (Option(fates=desk.lost(items, reason("OPS008", "kexec-metadata", "the target runs without kho=on"))),)
    absent = not desk.tables.root or not desk.subtrees
    if absent or any(g.where == "carrier:subtree" for g in meeting.gaps):
        why = reason("MET003", "kexec-metadata", "the subtree is not found")
        return (react(desk, part, Condition.ABSENT, Reaction.IGNORE, items, why),)
    if meeting.match is Match.REFUSED or not desk.tables.pages:
        why = reason("MET001", "kexec-metadata", "the version differs")
        return (react(desk, part, Condition.INCOMPATIBLE, Reaction.WARNING, items, why),)
    return (_metadata(desk, part, meeting, items),)


def _metadata(desk: Desk, part: Part, meeting: Meeting, items: tuple[Item, ...]) -> Option:
    written, read = meeting.written, meeting.read
    assert written is not None
    assert read is not None
    if not meeting.of(Grade.SILENT, Grade.MISSING, Grade.MALFORMED):
        return Option(fates=tuple(Fate(i.index, Verdict.RESTORED) for i in items))
    why = reason("MET002", "kexec-metadata", listed(meeting.gaps))
    if not (written.struct and read.struct):
        return react(desk, part, Condition.INCOMPATIBLE, Reaction.WARNING, items, why)
    count = next((i.model.count for i in items if isinstance(i.model, KexecMetadata)), 1)
    values: dict[str, Value] = {"previous_release": b"6.6.6-release", "kexec_count": count}
    version = written.version.field if written.version else ""
    number = written.version.value if written.version else 0
    wrong = {m.name: m.got for m in misread(desk.schema, written.struct, read.struct, {version: number, **values})}
    sizes = desk.schema.structs[written.struct].size, desk.schema.structs[read.struct].size
    if (read.version is not None and read.version.field in wrong) or sizes[0] < sizes[1]:
        return react(desk, part, Condition.MALFORMED, Reaction.WARNING, items, why)
    contents = desk.schema.components["kexec-metadata"].contents
    if not wrong:  # what moved holds equal values
        return Option(fates=tuple(Fate(i.index, Verdict.RESTORED, NONE, (why,)) for i in items))
    bad = {name.replace("_", "-") for name in wrong}
    verdict = Verdict.CORRUPT if bad & set(contents) else Verdict.DEGRADED
    return Option(fates=tuple(Fate(i.index, verdict, NONE, (why,)) for i in items))


def test_options(desk: Desk) -> tuple[Option, ...]:
    """What lib/test_kho.c says."""
    items = desk.handed("kho-test")
    part, meeting = desk.target.get("kho-test"), desk.meetings["kho-test"]
    if not items:
        return (Option(),)
    if part is None or meeting.match is Match.NO_READER:
        return (Option(fates=desk.lost(items, reason("TST003", "kho-test", "the target has no kho_test"))),)
    if not desk.cargo.scenario.target.kho and not part.traits["reads-when-off"]:
        return (Option(fates=desk.lost(items, reason("OPS008", "kho-test", "the target runs without kho=on"))),)
    if not desk.tables.root or any(g.where == "carrier:subtree" for g in meeting.gaps):
        why = reason("TST003", "kho-test", "the subtree is not found: kho_test saves afresh")
        return (react(desk, part, Condition.ABSENT, Reaction.SAVE_AFRESH, items, why),)
    return (_test(desk, part, meeting, items),)


def _test(desk: Desk, part: Part, meeting: Meeting, items: tuple[Item, ...]) -> Option:
    refuse = Reaction.REFUSE_EINVAL
    if not desk.subtrees:
        why = reason("TST004", "kho-test", "the subnode is broken to the target")
        return react(desk, part, Condition.MISSING, refuse, items, why)
    if meeting.match is Match.REFUSED or not desk.tables.pages:
        why = reason("TST004", "kho-test", "the string differs, or its FDT was not reserved")
        return react(desk, part, Condition.INCOMPATIBLE, refuse, items, why)
    if found := [g for g in meeting.gaps if g.where.startswith("inside:")]:
        why = reason("TST001", "kho-test", listed(found))
        return react(desk, part, Condition.MALFORMED, refuse, items, why)
    if found := list(meeting.of(Grade.MISSING, Grade.MALFORMED, Grade.SILENT)):
        return react(desk, part, Condition.MALFORMED, refuse, items, reason("TST004", "kho-test", listed(found)))
    if (vmalloc := desk.meetings["kho-vmalloc"].of(Grade.SILENT)) and _uses_vmalloc(meeting):
        why = reason("TST001", "kho-test", listed(vmalloc))
        return react(desk, part, Condition.MALFORMED, refuse, items, why)
    fates: list[Fate] = []
    for item in items:
        assert isinstance(item.model, KhoTest)
        if text := _unusable(desk, item, desk.target["kho"].traits):
            why = reason("TST002", "kho-test", text)
            option = react(desk, part, Condition.UNRESTORABLE_PAGE, refuse, [item], why)
            if option.panic:
                return option
            fates += option.fates
        else:
            fates.append(Fate(item.index, Verdict.RESTORED))
    return Option(fates=tuple(fates))


def _unusable(desk: Desk, item: Item, kho: Mapping[str, object]) -> str:
    limit = int(str(kho["max-order"]))
    assert isinstance(item.model, KhoTest)
    if kho["page-check"] == "magic" and any(0 <= limit < f.order for f in item.model.folios):
        return f"the target accepts folios up to order {limit}"
    if not desk.tables.holds(kho_test_pages(len(item.model.folios))):
        return "its FDT was not reserved"
    return "" if desk.covers[item.index].whole else "a folio was not reserved: the checksum is wrong"


def _uses_vmalloc(meeting: Meeting) -> bool:
    """Whether the list of folios is a descriptor of a preserved vmalloc area."""

    def inside(node: FdtNode) -> bool:
        return any(p.struct for p in node.properties) or any(inside(c) for c in node.children)

    return meeting.read is not None and meeting.read.fdt is not None and inside(meeting.read.fdt)
