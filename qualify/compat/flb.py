# SPDX-License-Identifier: Apache-2.0
"""File-lifecycle-bound objects: their table at boot, and what a user that asks by name is given."""

from __future__ import annotations

from qualify.compat.cargo import Item
from qualify.compat.images import Value, read_table
from qualify.compat.meeting import Grade, Match, Meeting
from qualify.compat.rules import reason
from qualify.compat.stage import NONE, Desk, Fate, Option, listed, react
from qualify.compat.turn import Turn, go_on, stop
from qualify.model import Verdict
from qualify.scenario import Flb
from qualify.schema import Condition, Format, Reaction

__all__ = ["flb_step"]

_LUO = ("luo-session", "memfd", "luo-flb")


def flb_step(desk: Desk) -> tuple[Turn, ...]:
    """The FLB table as it is read at boot, and every object in it."""
    part, meeting = desk.target.get("luo-flb"), desk.meetings["luo-flb"]
    mine = desk.handed("luo-flb")
    if part is None or meeting.match is Match.NO_READER:
        why = reason("FLB002", "luo-flb", "the target reads no FLB table")
        return (Turn(fates=desk.lost(mine, why)),)
    if meeting.match is Match.NO_WRITER:
        if part.reads and part.reads[0].carrier.node and not _luo_has(desk, part.reads[0].carrier.node):
            why = reason("LUO005", "luo-flb", "there is no FLB node")
            return _unless_ignored(desk, react(desk, part, Condition.MISSING, Reaction.IGNORE, desk.handed(*_LUO), why))
        return go_on()
    if meeting.match is Match.REFUSED:
        why = reason("LUO005", "luo-flb", "the FLB table's string differs")
        return _unless_ignored(desk, react(desk, part, Condition.INCOMPATIBLE, Reaction.PANIC, desk.handed(*_LUO), why))
    head = [g for g in meeting.gaps if not g.where.startswith(("header", "entry", "container", "carried"))]
    for grade, met in ((Grade.MISSING, Condition.MISSING), (Grade.MALFORMED, Condition.MALFORMED)):
        if found := [g for g in head if g.grade is grade]:
            why = reason("LUO005", "luo-flb", listed(found))
            return _unless_ignored(desk, react(desk, part, met, Reaction.PANIC, desk.handed(*_LUO), why))
    why = reason("LUO006", "luo-flb", listed(meeting.of(Grade.SILENT)))
    if [g for g in head if g.grade is Grade.SILENT] or any(
        g.where == "container" and g.grade is Grade.SILENT for g in meeting.gaps
    ):
        return (
            Turn("an address taken from the FLB table leads outside RAM", Option(panic=True, reasons=(why,))),
            Turn("no FLB of that name is found", fates=desk.lost(mine, why)),
        )
    return (Turn(fates=tuple(_ask(desk, meeting, item) for item in mine)),)


def _luo_has(desk: Desk, node: str) -> bool:
    luo = desk.meetings["luo"].written
    return luo is not None and luo.fdt is not None and luo.fdt.child(node) is not None


def _unless_ignored(desk: Desk, option: Option) -> tuple[Turn, ...]:
    """A table that is merely ignored costs its own objects; anything worse ends the walk."""
    if option.panic or any(f.verdict is Verdict.REFUSED for f in option.fates):
        return stop(option)
    flbs = {item.index for item in desk.handed("luo-flb")}
    return (Turn(fates=tuple(f for f in option.fates if f.index in flbs)),)


def _ask(desk: Desk, meeting: Meeting, item: Item) -> Fate:
    """What a user of the object is given."""
    flb = item.model
    assert isinstance(flb, Flb)
    bound = desk.schema.components["luo-flb"].bound_to
    if bound and not any(c in desk.target for c in bound):
        why = reason("FLB001", "luo-flb", f"the target has none of {', '.join(bound)}: nobody asks")
        return Fate(item.index, Verdict.LOST, desk.leaked(item), (why,))
    asked = flb.target_name or flb.name
    others = {i.model.name: i.model.data for i in desk.handed("luo-flb") if isinstance(i.model, Flb)}
    if asked not in others:
        why = reason("FLB001", "luo-flb", f"the target asks for '{asked}', which is not in the table")
        part = desk.target["luo-flb"]
        return react(desk, part, Condition.NOT_FOUND, Reaction.IGNORE, [item], why).fates[0]
    if others[asked] != flb.data:
        why = reason("FLB001", "luo-flb", f"the target asks for '{asked}' and is given another object")
        return Fate(item.index, Verdict.CORRUPT, NONE, (why,))
    return _misread(desk, meeting, item)


def _misread(desk: Desk, meeting: Meeting, item: Item) -> Fate:
    written, read = meeting.written, meeting.read
    assert written is not None
    assert read is not None
    if not meeting.of(Grade.SILENT) or written.container is None or read.container is None:
        return Fate(item.index, Verdict.RESTORED)
    why = reason("LUO006", "luo-flb", listed(meeting.of(Grade.SILENT)))
    index, got = _entry(desk, written, read, item)
    flb = item.model
    assert isinstance(flb, Flb)
    if index is None or got.get("name") != flb.name.encode():
        return Fate(item.index, Verdict.LOST, NONE, (why,))
    if got.get("data") != flb.data:
        return Fate(item.index, Verdict.CORRUPT, NONE, (why,))
    return Fate(item.index, Verdict.DEGRADED, NONE, (why,))


def _entry(desk: Desk, written: Format, read: Format, item: Item) -> tuple[int | None, dict[str, Value]]:
    """The object's entry as the target decodes it; no index when its count ends before."""
    assert written.container is not None
    assert read.container is not None
    flbs = desk.handed("luo-flb")
    entries: list[dict[str, Value]] = [
        {"name": i.model.name.encode(), "data": i.model.data, "count": 1} for i in flbs if isinstance(i.model, Flb)
    ]
    table = read_table(
        desk.schema,
        (written.container.header, written.container.entry),
        (read.container.header, read.container.entry),
        {"pgcnt": 1, "count": len(entries)},
        entries,
    )
    index = flbs.index(item)
    count = table.header.get("count", len(entries))
    if isinstance(count, int) and index >= count:
        return None, {}
    return index, dict(table.entries[index])
