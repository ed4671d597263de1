# SPDX-License-Identifier: Apache-2.0
"""LUO: its root and tables, which can take the whole target down, and the open of /dev/liveupdate.

See docs/model.md, "The target, in order", 6 and 7. Each step adds what it settles and either ends the walk or goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from qualify.compat.flb import flb_step
from qualify.compat.images import Value, misread
from qualify.compat.meeting import Gap, Grade, Match, Meeting
from qualify.compat.profile import Part
from qualify.compat.rules import reason
from qualify.compat.stage import NONE, Desk, Fate, Option, listed, react
from qualify.compat.tables import file_step, garbage, session_entries
from qualify.compat.turn import Turn, go_on, stop
from qualify.model import Verdict
from qualify.schema import Condition, Reaction

__all__ = ["luo_options"]

_LUO = ("luo-session", "memfd", "luo-flb")


@dataclass(frozen=True, slots=True)
class _Walk:
    """A walk through the steps so far."""

    conditions: tuple[str, ...] = ()
    fates: tuple[Fate, ...] = ()


def luo_options(desk: Desk, handler: bool) -> tuple[Option, ...]:
    """What becomes of sessions and FLBs, and whether the target lives; `handler`: it has one for the files' string."""
    if not desk.sent.luo:
        return (Option(),)
    walks, done = [_Walk()], []
    steps: tuple[Callable[[Desk], tuple[Turn, ...]], ...] = (
        _present,
        _root,
        _session_table,
        flb_step,
        _device,
        session_entries,
        lambda d: file_step(d, handler),
    )
    for step in steps:
        # a step may rely on what the steps before it let pass
        turns = step(desk) if walks else ()
        following = []
        for walk in walks:
            for turn in turns:
                conditions = (*walk.conditions, turn.condition) if turn.condition else walk.conditions
                if turn.option is None:
                    following.append(_Walk(conditions, (*walk.fates, *turn.fates)))
                else:
                    done.append(_ended(turn.option, conditions, walk))
        walks = following
    return (*done, *(_finished(desk, walk) for walk in walks))


def _ended(option: Option, conditions: tuple[str, ...], walk: _Walk) -> Option:
    settled = {f.index for f in option.fates}
    early = tuple(f for f in walk.fates if f.index not in settled)
    return Option(" and ".join(conditions), option.panic, (*option.fates, *early), option.reasons)


def _finished(desk: Desk, walk: _Walk) -> Option:
    settled: dict[int, Fate] = {}
    for fate in (*walk.fates, *(Fate(i.index, Verdict.RESTORED) for i in desk.handed("luo-session", "luo-flb"))):
        # what an earlier step settled, no later one can better
        settled.setdefault(fate.index, fate)
    return Option(" and ".join(walk.conditions), fates=tuple(settled.values()))


def _present(desk: Desk) -> tuple[Turn, ...]:
    """Whether the target looks at LUO's data at all."""
    mine, actions = desk.handed(*_LUO), desk.cargo.scenario.target
    luo = desk.target.get("luo")
    if luo is None or desk.meetings["luo"].match is Match.NO_READER:
        why = reason("LUO003", "luo", "the target has no LUO: nobody takes the memory back")
    elif not actions.kho:
        why = reason("OPS008", "luo", "the target runs without kho=on: LUO does not look")
    elif not desk.tables.root:
        why = reason("KHO012", "luo", "the root FDT was not reserved: the LUO subtree is not found")
    elif not actions.liveupdate and not luo.traits["reads-when-off"]:
        why = reason("OPS009", "luo", "the target runs without liveupdate=on")
    elif any(g.where == "carrier:subtree" for g in desk.meetings["luo"].gaps):
        why = reason("LUO003", "luo", listed(desk.meetings["luo"].gaps))
    else:
        return go_on()
    return stop(Option(fates=desk.lost(mine, why)))


def _root(desk: Desk) -> tuple[Turn, ...]:
    luo, meeting = desk.target["luo"], desk.meetings["luo"]
    assert meeting.written is not None
    assert meeting.read is not None
    mine = desk.handed(*_LUO)
    if not desk.subtrees:
        why = reason("KHO007", "luo", "the LUO subnode is broken to the target")
        return stop(react(desk, luo, Condition.MISSING, Reaction.PANIC, mine, why))
    if not desk.tables.pages:
        why = reason("KHO012", "luo", "LUO's root was not reserved and holds garbage")
        return stop(react(desk, luo, Condition.INCOMPATIBLE, Reaction.PANIC, mine, why))
    if meeting.match is Match.REFUSED:
        strings = ", ".join(f"'{f.compatible}'" for f in luo.reads)
        why = reason("LUO001", "luo", f"LUO's root is '{meeting.written.compatible}', the target reads {strings}")
        return stop(react(desk, luo, Condition.INCOMPATIBLE, Reaction.PANIC, mine, why))
    if any(g.where == "kind" for g in meeting.gaps):
        why = reason("LUO001", "luo", listed(meeting.gaps))
        return stop(react(desk, luo, Condition.INCOMPATIBLE, Reaction.PANIC, mine, why))
    if missing := meeting.of(Grade.MISSING):
        why = reason("LUO002", "luo", listed(missing))
        return stop(react(desk, luo, Condition.MISSING, Reaction.PANIC, mine, why))
    if malformed := meeting.of(Grade.MALFORMED):
        why = reason("LUO001", "luo", listed(malformed))
        return stop(react(desk, luo, Condition.MALFORMED, Reaction.PANIC, mine, why))
    silent = tuple(g for g in meeting.of(Grade.SILENT) if g.where == "root")
    return _struct(desk, luo, meeting, silent) if silent else go_on()


def _struct(desk: Desk, luo: Part, meeting: Meeting, silent: tuple[Gap, ...]) -> tuple[Turn, ...]:
    """struct luo_ser in another layout: which addresses does the target follow?"""
    written, read = meeting.written, meeting.read
    assert written is not None
    assert read is not None
    mine = desk.handed(*_LUO)
    why = reason("LUO004", "luo", listed(silent))
    if not (written.struct and read.struct):
        return stop(react(desk, luo, Condition.MALFORMED, Reaction.PANIC, mine, why))
    if desk.schema.structs[written.struct].size < desk.schema.structs[read.struct].size:
        return stop(react(desk, luo, Condition.MALFORMED, Reaction.PANIC, mine, why))
    table = desk.cargo.scenario.placement.metadata + 0x2000
    values: dict[str, Value] = {
        "compatible": written.compatible.encode(),
        "liveupdate_num": 1,
        "sessions_pa": table if desk.handed("luo-session") else 0,
        "flbs_pa": table + 0x1000,
    }
    wrong = {m.name: m.got for m in misread(desk.schema, written.struct, read.struct, values)}
    if "compatible" in wrong:
        return stop(react(desk, luo, Condition.INCOMPATIBLE, Reaction.PANIC, mine, why))
    if wrong.get("sessions_pa"):
        return stop(Option(panic=True, reasons=(why,)))
    fates: tuple[Fate, ...] = ()
    if "sessions_pa" in wrong:
        fates = desk.lost(desk.handed("luo-session", "memfd"), why)
    if "flbs_pa" in wrong and (flbs := desk.handed("luo-flb")):
        if wrong["flbs_pa"]:
            return (
                Turn("the address taken for the FLB table leads outside RAM", Option(panic=True, reasons=(why,))),
                Turn("no FLB of that name is found there", fates=(*fates, *desk.lost(flbs, why))),
            )
        fates = (*fates, *desk.lost(flbs, why))
    if fates:
        return (Turn(fates=fates),)
    sessions = tuple(Fate(i.index, Verdict.DEGRADED, NONE, (why,)) for i in desk.handed("luo-session"))
    return (Turn("what the target reads from elsewhere does not matter"), Turn("it does", fates=sessions))


def _session_table(desk: Desk) -> tuple[Turn, ...]:
    """The table of sessions as far as it is checked at boot."""
    part, meeting = desk.target.get("luo-session"), desk.meetings["luo-session"]
    if part is None or meeting.match in (Match.NO_READER, Match.NO_WRITER):
        why = reason("LUO003", "luo-session", "the target has no reader for sessions")
        return stop(Option(fates=desk.lost(desk.handed(*_LUO), why)))
    mine = desk.handed(*_LUO)
    if meeting.match is Match.REFUSED:
        why = reason("LUO005", "luo-session", "the session table's string differs")
        return stop(react(desk, part, Condition.INCOMPATIBLE, Reaction.PANIC, mine, why))
    blocks = desk.meetings["kho-block"].of(Grade.SILENT, Grade.MALFORMED)
    head = [g for g in meeting.gaps if g.where.startswith(("carrier", "property", "node")) or g.where == "kind"]
    for grade, met in ((Grade.MISSING, Condition.MISSING), (Grade.MALFORMED, Condition.MALFORMED)):
        if found := [g for g in head if g.grade is grade]:
            why = reason("LUO005", "luo-session", listed(found))
            return stop(react(desk, part, met, Reaction.PANIC, mine, why))
    if found := [g for g in head if g.grade is Grade.SILENT]:
        # an address in the wrong byte order
        return stop(Option(panic=True, reasons=(reason("LUO006", "luo-session", listed(found)),)))
    if any(g.where == "container" and g.grade is Grade.SILENT for g in meeting.gaps):
        why = reason("LUO006", "luo-session", listed(meeting.of(Grade.SILENT)))
        return garbage(desk, why)
    container = meeting.read.container if meeting.read else None
    if blocks and desk.handed("luo-session") and container and container.kind == "blocks":
        return garbage(desk, reason("LUO006", "kho-block", listed(blocks)))
    return go_on()


def _device(desk: Desk) -> tuple[Turn, ...]:
    """Whether there is a /dev/liveupdate."""
    if desk.cargo.scenario.target.liveupdate:
        return go_on()
    why = reason("OPS009", "luo", "the target runs without liveupdate=on: no /dev/liveupdate")
    return stop(Option(fates=desk.lost(desk.handed(*_LUO), why)))
