# SPDX-License-Identifier: Apache-2.0
"""memfd files: what RETRIEVE_FD gives back. See docs/model.md, "The target, in order", 7 and 8."""

from __future__ import annotations

from collections.abc import Mapping

from qualify.compat.cargo import Item
from qualify.compat.images import Misread, Value, misread
from qualify.compat.meeting import Gap, Grade, Match, Meeting
from qualify.compat.memfd_values import blind, entry_size, values_of
from qualify.compat.profile import Part
from qualify.compat.rules import reason
from qualify.compat.stage import LEAKED, NONE, Desk, Fate, Option, listed
from qualify.model import Consequence, Reason, Verdict
from qualify.scenario import SEALS, Memfd
from qualify.scenario.objects import PAGE
from qualify.schema import Condition, Format, Reaction

__all__ = ["memfd_options"]

_ONCE = frozenset({Consequence.NOT_RETRYABLE})

# what can become of one file: (verdict or None for a crash, condition, consequences)
Way = tuple[Verdict | None, str, frozenset[Consequence]]


def memfd_options(desk: Desk) -> tuple[Option, ...]:
    """What becomes of the files that LUO lets the target retrieve."""
    files = desk.handed("memfd")
    meeting, part = desk.meetings["memfd"], desk.target.get("memfd")
    if not files or part is None or meeting.match is not Match.ACCEPTED:
        return (Option(),)
    ways = [(item, *_file(desk, part, meeting, item)) for item in files]
    options = []
    for turn in range(max(len(found) for _, found, _ in ways)):
        chosen = [(item, found[min(turn, len(found) - 1)], why) for item, found, why in ways]
        condition = next((way[1] for _, way, _ in chosen if way[1]), "")
        fates = tuple(Fate(i.index, v, c, why) for i, (v, _, c), why in chosen if v is not None)
        fatal = frozenset(i.index for i, way, _ in chosen if way[0] is None)
        reasons = tuple(r for _, _, why in chosen for r in why) if fatal else ()
        options.append(Option(condition, bool(fatal), fates, reasons, fatal))
    return tuple(options)


def _file(desk: Desk, part: Part, meeting: Meeting, item: Item) -> tuple[tuple[Way, ...], tuple[Reason, ...]]:
    """Every way one file can go, worst first, and why."""
    file = item.model
    assert isinstance(file, Memfd)
    assert meeting.written is not None
    assert meeting.read is not None
    why: list[Reason] = []
    ways: list[Way] = []
    silent = meeting.of(Grade.SILENT, Grade.MISSING, Grade.MALFORMED)
    vmalloc = desk.meetings["kho-vmalloc"].of(Grade.SILENT)
    if silent:
        why.append(reason("MFD003", "memfd", listed(silent)))
        ways += _layout(desk, part, meeting, file, silent)
        if all(verdict is Verdict.RESTORED for verdict, _, _ in ways):
            why += blind(desk.schema, desk.cargo.scenario, meeting, file)
    if vmalloc and file.size:
        why.append(reason("MFD005", "memfd", listed(vmalloc)))
        ways.append((None, "what is taken for an address of the folio list leads outside RAM", NONE))
        ways.append((Verdict.REFUSED, "what is taken for the folio list is noticed to be none", _ONCE))
    if ways and all(verdict is not Verdict.RESTORED for verdict, _, _ in ways):
        return _worst_first(ways), tuple(why)
    carries = "seals" in meeting.written.carried and "seals" in meeting.read.carried
    unknown = file.seal_mask & ~part.number("known-seals") if carries else 0
    if unknown:
        why.append(reason("MFD002", "memfd", f"the target does not know seals {unknown:#x}: EOPNOTSUPP"))
        # only the descriptor is freed
        return ((Verdict.REFUSED, "", _ONCE | LEAKED if file.size else _ONCE),), tuple(why)
    if (lost := _folios(desk, part, item)) is not None:
        verdict, text, left = lost
        why.append(reason("MFD004", "memfd", text))
        return ((verdict, "", left | _ONCE if verdict is Verdict.REFUSED else left),), tuple(why)
    if (dropped := _dropped(part, meeting.written, file)) is not None:
        why.append(dropped)
        ways.append((Verdict.DEGRADED, "", NONE))
        ways = [way for way in ways if way[0] is not Verdict.RESTORED]
    return _worst_first(ways or [(Verdict.RESTORED, "", NONE)]), tuple(why)


def _worst_first(ways: list[Way]) -> tuple[Way, ...]:
    seen: dict[Verdict | None, Way] = {}
    for way in ways:
        seen.setdefault(way[0], way)
    rank = Verdict.PANIC.severity
    return tuple(sorted(seen.values(), key=lambda way: -(way[0].severity if way[0] else rank)))


def _dropped(part: Part, written: Format, file: Memfd) -> Reason | None:
    """Seals that the source accepts and that come back otherwise: the format has no room, or one brings others."""
    if (
        "seals" in written.carried
        and file.seal_mask & SEALS["exec"]
        and (more := part.number("exec-seal-adds") & ~file.seal_mask)
    ):
        return reason("MFD006", "memfd", f"F_SEAL_EXEC is restored on an executable file and adds the seals {more:#x}")
    back = part.number("unsealed-as")
    if "seals" not in written.dropped or file.seal_mask == back:
        return None
    return reason(
        "MFD001", "memfd", f"F_GET_SEALS answered {file.seal_mask:#x} on the source, and {back:#x} on the target"
    )


def _folios(desk: Desk, part: Part, item: Item) -> tuple[Verdict, str, frozenset[Consequence]] | None:
    """What folios that the target did not reserve, or does not accept, come to; and what of them stays behind."""
    kho, file, cover = desk.target["kho"], item.model, desk.covers[item.index]
    assert isinstance(file, Memfd)
    if not file.size:
        return None
    checked = kho.traits["page-check"] == "magic"
    order = kho.number("max-order")
    if checked and 0 <= order < file.order:
        return Verdict.REFUSED, f"folios of order {file.order}, and the target accepts up to {order}", LEAKED
    if not (cover.first or cover.later):
        return None
    if not checked:
        return Verdict.CORRUPT, "folios were not reserved, and nothing checks that they were", NONE
    left = LEAKED if cover.behind and part.traits["rest-after-error"] == "leaked" else NONE
    if cover.later and part.traits["folio-error"] == "first-only":
        text = "a folio after the first is not restored, and the error is forgotten: the file has a hole"
        return Verdict.CORRUPT, text, left
    errno = part.on(Condition.UNRESTORABLE_PAGE, Reaction.REFUSE_EIO).errno or "EIO"
    return Verdict.REFUSED, f"a folio is not in the map that the target read: {errno}", left


def _layout(desk: Desk, part: Part, meeting: Meeting, file: Memfd, found: tuple[Gap, ...]) -> list[Way]:
    """What a file comes to whose structs are read in another layout."""
    written, read = meeting.written, meeting.read
    assert written is not None
    assert read is not None
    ways: list[Way] = []
    if any(g.where in ("kind", "container") or g.where.startswith("carrier") for g in found):
        ways.append((None, "an address is taken from the wrong bytes", NONE))
        ways.append((Verdict.REFUSED, "the mistake is noticed", _ONCE))
    elif any(g.where == "root" for g in found):
        if not (written.struct and read.struct):
            return [(None, "an address is taken from the wrong bytes", NONE), (Verdict.REFUSED, "", _ONCE)]
        values = values_of(desk.schema, desk.cargo.scenario, file, written)
        wrong = misread(desk.schema, written.struct, read.struct, values)
        ways += _root(desk, part, file, wrong, values)
        known = set(values)
        extra = [f.name for f in desk.schema.flat(read.struct) if f.name not in known]
        if extra or (not wrong and any(g.name == "(size)" for g in found)):
            ways.append((Verdict.DEGRADED, f"{', '.join(extra) or 'what one side adds'} means something", NONE))
    if file.size and any(g.where.startswith("role:") for g in found):
        ways.append((Verdict.CORRUPT, "a page of the file is taken for another one, or for none", NONE))
        ways.append((Verdict.REFUSED, "an entry of the folio list names a page that was not preserved", _ONCE))
    if any(g.where == "constant" for g in found):
        ways.append((Verdict.CORRUPT, "a flag means something else to the target", NONE))
    return ways or [(Verdict.RESTORED, "", NONE)]


def _root(desk: Desk, part: Part, file: Memfd, wrong: tuple[Misread, ...], values: Mapping[str, Value]) -> list[Way]:
    """The checks of retrieve, in its order, over what it reads."""
    got = {m.name: m.got for m in wrong}
    if not got:
        return [(Verdict.RESTORED, "the members that moved hold equal values", NONE)]
    now = {name: got.get(name, want) for name, want in values.items()}
    seals = now.get("seals")
    if isinstance(seals, int) and seals & ~part.number("known-seals"):
        return [(Verdict.REFUSED, "", _ONCE)]
    if any(value is None for value in now.values()):
        return [(Verdict.CORRUPT, "the target lacks a member", NONE), (Verdict.REFUSED, "the lack is noticed", _ONCE)]
    count, first = now["nr_folios"], now["folios.first"]
    assert isinstance(count, int)
    assert isinstance(first, int)
    if count:
        if "folios.first" in got and first:
            outside = first >= desk.cargo.scenario.host.ram
            ways: list[Way] = [(None, "" if outside else "the address taken for the list is followed further", NONE)]
            return ways if outside else [*ways, (Verdict.REFUSED, "the list is noticed to be none", _ONCE)]
        if {"folios.first", "folios.total_pages", "folios.order"} & set(got):
            return [(Verdict.REFUSED, "", _ONCE)]
        pages = values["folios.total_pages"]
        assert isinstance(pages, int)
        read = desk.meetings["memfd"].read
        if read is not None and count * entry_size(desk.schema, read) > pages * PAGE:
            return [(None, "the count leads past the list", NONE), (Verdict.REFUSED, "the count is noticed", _ONCE)]
    written = values["nr_folios"]
    assert isinstance(written, int)
    if count < written or "size" in got:
        return [(Verdict.CORRUPT, "", NONE)]
    if {"pos", "seals"} & set(got):
        return [(Verdict.DEGRADED, "", NONE)]
    return [(Verdict.RESTORED, "", NONE), (Verdict.DEGRADED, "the members that moved mean something", NONE)]
