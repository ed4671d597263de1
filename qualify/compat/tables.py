# SPDX-License-Identifier: Apache-2.0
"""The tables of sessions and files as the first open of /dev/liveupdate reads them."""

from __future__ import annotations

from qualify.compat.cargo import Item
from qualify.compat.images import Table, Value, read_table
from qualify.compat.meeting import Grade, Match, Meeting
from qualify.compat.profile import Part
from qualify.compat.rules import reason
from qualify.compat.stage import LEAKED, NONE, Desk, Fate, Option, listed
from qualify.compat.turn import Turn, go_on, stop
from qualify.model import Consequence, Reason, Verdict
from qualify.scenario import Memfd, Session
from qualify.schema import Condition, Reaction

__all__ = ["file_step", "garbage", "session_entries"]

_OPEN_FAILS = frozenset({Consequence.BLAST_RADIUS, Consequence.NOT_RETRYABLE}) | LEAKED
_SAMPLE = 3  # entries that are looked at: the first, the second for the stride, and one more


def garbage(desk: Desk, why: Reason) -> tuple[Turn, ...]:
    """A table that is none: either its addresses lead nowhere, or something about it is noticed when it is opened."""
    return (
        Turn("what is taken for an address leads outside RAM", Option(panic=True, reasons=(why,))),
        Turn("the table is noticed to be none", fates=_all_refused(desk, why).fates),
    )


def _all_refused(desk: Desk, why: Reason) -> Option:
    """Every open of the device fails: all sessions and files. An empty session can be the only one that is hit."""
    found = desk.handed("luo-session", "memfd")
    more = _OPEN_FAILS if len(found) > 1 else _OPEN_FAILS - {Consequence.BLAST_RADIUS}
    return Option(fates=tuple(Fate(i.index, Verdict.REFUSED, more, (why,)) for i in found))


def session_entries(desk: Desk) -> tuple[Turn, ...]:
    """The entries of the session table."""
    meeting, sessions = desk.meetings["luo-session"], desk.handed("luo-session")
    written, read = meeting.written, meeting.read
    if not sessions or written is None or read is None:
        return go_on()
    if read.container and read.container.kind == "array" and not desk.tables.holds(read.container.pages):
        why = reason("KHO012", "luo-session", "the session table was not reserved and holds garbage")
        return garbage(desk, why)
    if not (silent := meeting.of(Grade.SILENT)) or written.container is None or read.container is None:
        return go_on()
    why = reason("LUO006", "luo-session", listed(silent))
    table, entries, count = _sessions(desk, meeting, sessions)
    if table.header.get("count", count) != count:
        return _wrong_count(desk, table.header.get("count"), why)
    wrong = {n for got, want in zip(table.entries, entries, strict=True) for n in want if got.get(n) != want[n]}
    if {"file_set_ser.files", "file_set_ser.count"} & wrong:
        return garbage(desk, why)
    if "name" in wrong:
        return (
            Turn("two names come out equal, or a name empty", _all_refused(desk, why)),
            Turn("the names differ from those asked for", Option(fates=_gone(desk, why))),
        )
    fates = tuple(Fate(i.index, Verdict.DEGRADED, NONE, (why,)) for i in sessions)
    return (Turn("what moved means something", fates=fates), Turn("it means nothing"))


def _gone(desk: Desk, why: Reason) -> tuple[Fate, ...]:
    return desk.lost(desk.handed("luo-session", "memfd"), why)


def _wrong_count(desk: Desk, got: Value | None, why: Reason) -> tuple[Turn, ...]:
    if got == 0:
        return stop(Option(fates=_gone(desk, why)))
    return garbage(desk, why)


def _sessions(desk: Desk, meeting: Meeting, sessions: tuple[Item, ...]) -> tuple[Table, list[dict[str, Value]], int]:
    """The table as the target decodes it, the entries as they were written, and how many there are."""
    assert meeting.written is not None
    assert meeting.written.container is not None
    assert meeting.read is not None
    assert meeting.read.container is not None
    held = {i.owner: i for i in desk.handed("memfd")}
    place = desk.cargo.scenario.placement.metadata + 0x8000
    entries: list[dict[str, Value]] = []
    count = 0
    for item in sessions:
        session = item.model
        assert isinstance(session, Session)
        count += session.count
        files = sum(f.model.count for f in desk.handed("memfd") if f.owner == item.index and isinstance(f.model, Memfd))
        for name in session.names()[:_SAMPLE]:
            where = place + 0x2000 * len(entries) if item.index in held else 0
            entry: dict[str, Value] = {"name": name.encode(), "file_set_ser.files": where, "file_set_ser.count": files}
            entries.append(entry)
    entries = entries[:_SAMPLE]
    mine, theirs = meeting.written.container, meeting.read.container
    table = read_table(
        desk.schema, (mine.header, mine.entry), (theirs.header, theirs.entry), {"next": 0, "count": count}, entries
    )
    return table, entries, count


def file_step(desk: Desk, handler: bool) -> tuple[Turn, ...]:
    """The files of the sessions: their table, and whether anybody takes files of this kind."""
    files, meeting, part = desk.handed("memfd"), desk.meetings["luo-file"], desk.target.get("luo-file")
    if not files:
        return go_on()
    if part is None or meeting.match is not Match.ACCEPTED:
        why = reason("LUO006", "luo-file", "the target cannot read the files of a session")
        return garbage(desk, why)
    container = meeting.read.container if meeting.read else None
    if container and container.kind == "array" and not desk.tables.holds(container.pages):
        return _no_handler(desk, part, files, reason("KHO012", "luo-file", "the files' table was not reserved"))
    silent = meeting.of(Grade.SILENT, Grade.MALFORMED, Grade.MISSING)
    if handler:
        return _misread(desk, meeting, reason("LUO006", "luo-file", listed(silent))) if silent else go_on()
    written = desk.meetings["memfd"].written
    string = written.compatible if written else ""
    if part.on(Condition.NO_HANDLER, Reaction.OPEN_FAILS) is Reaction.OPEN_FAILS:
        why = reason("LUO008", "luo-file", f"nobody registered for '{string}': every open answers EIO")
    else:
        why = reason("LUO007", "luo-file", f"nobody registered for '{string}': RETRIEVE_FD answers ENOENT")
    return _no_handler(desk, part, files, why)


def _no_handler(desk: Desk, part: Part, files: tuple[Item, ...], why: Reason) -> tuple[Turn, ...]:
    """What luo_file_deserialize() makes of a file whose string nobody knows."""
    if part.on(Condition.NO_HANDLER, Reaction.OPEN_FAILS) is Reaction.OPEN_FAILS:
        return stop(_all_refused(desk, why))
    fates = tuple(Fate(i.index, Verdict.REFUSED, desk.leaked(i), (why,)) for i in files)
    return (Turn(fates=fates),)


def _misread(desk: Desk, meeting: Meeting, why: Reason) -> tuple[Turn, ...]:
    """Entries of files in another layout."""
    written, read = meeting.written, meeting.read
    assert written is not None
    assert read is not None
    mine, theirs = written.container, read.container
    if mine is None or theirs is None or mine.kind != theirs.kind or bool(mine.header) != bool(theirs.header):
        return garbage(desk, why)
    form = desk.meetings["memfd"].written
    string = form.compatible.encode() if form else b""
    place = desk.cargo.scenario.placement.metadata + 0x20000
    files = desk.handed("memfd")
    entries: list[dict[str, Value]] = []
    for item in files:
        assert isinstance(item.model, Memfd)
        for i in range(item.model.count)[:_SAMPLE]:
            entries.append({"compatible": string, "data": place + 0x1000 * i, "token": item.model.token + i})
    entries = entries[:_SAMPLE]
    header: dict[str, Value] = {"next": 0, "count": len(entries)}
    table = read_table(desk.schema, (mine.header, mine.entry), (theirs.header, theirs.entry), header, entries)
    pairs = zip(table.entries, entries, strict=True)
    wrong = {n for got, want in pairs for n in want if got.get(n) != want[n]}
    if any(table.header.get(n, v) != v for n, v in header.items()) or "compatible" in wrong:
        return garbage(desk, why)
    if "token" in wrong:
        refused = tuple(Fate(i.index, Verdict.REFUSED, desk.leaked(i), (why,)) for i in files)
        return (Turn(fates=refused),)
    if "data" in wrong:
        corrupt = tuple(Fate(i.index, Verdict.CORRUPT, NONE, (why,)) for i in files)
        refused = tuple(Fate(i.index, Verdict.REFUSED, NONE, (why,)) for i in files)
        return (
            Turn("the address taken for a file's data leads outside RAM", Option(panic=True, reasons=(why,))),
            Turn("what is there passes for an empty file", fates=corrupt),
            Turn("what is there is noticed to be no file", fates=refused),
        )
    degraded = tuple(Fate(i.index, Verdict.DEGRADED, NONE, (why,)) for i in files)
    return (Turn("what moved means something", fates=degraded), Turn("it means nothing"))
