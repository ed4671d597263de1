# SPDX-License-Identifier: Apache-2.0
"""What a scenario must hold to be possible on a machine: alignment, room, no overlaps, names that fit."""

from __future__ import annotations

from collections.abc import Iterator

from qualify.scenario.limits import LONGEST_NAME, MOST_REGIONS
from qualify.scenario.model import Scenario
from qualify.scenario.objects import Flb, KhoTest, Memfd, ReserveMem, Session
from qualify.yamlfile import Loc

__all__ = ["check"]

_PAGE = 4096
_APART = "give each its own memory"
_NOWHERE: Loc = ()

Complaint = tuple[Loc, str, str]
_Span = tuple[int, int, str, Loc]


def check(scenario: Scenario) -> Iterator[Complaint]:
    """(place, message, hint) for everything that cannot be."""
    yield from _machine(scenario)
    yield from _memory(scenario)
    for index, obj in enumerate(scenario.objects):
        yield from _one(obj, ("objects", index))
    yield from _together(scenario)


def _machine(scenario: Scenario) -> Iterator[Complaint]:
    host = scenario.host
    if not host.ram or host.ram % _PAGE:
        yield ("host", "ram"), f"RAM of {host.ram} bytes is not a positive multiple of {_PAGE}", ""
    for index, region in enumerate(host.scratch):
        if region.at % _PAGE or region.size % _PAGE or region.end > host.ram:
            text = f"scratch at {region.at:#x} with {region.size:#x} bytes is not whole pages within RAM"
            yield ("host", "scratch", index), text, "give the host more ram or move it"
    size = scenario.target.page_size
    if size is not None and (size < _PAGE or size & (size - 1)):
        text = f"a page of {size} bytes does not exist"
        yield ("target", "page_size"), text, f"a power of two from {_PAGE} on"


def _memory(scenario: Scenario) -> Iterator[Complaint]:
    spans = sorted(_spans(scenario))
    reach, owner, place = 0, "", _NOWHERE
    for start, end, what, loc in spans:
        if not start:
            yield loc, f"{what} starts at 0, the page that no kernel gives out", "place it higher"
        if start % _PAGE:
            yield loc, f"{what} starts at {start:#x}, which is not a multiple of {_PAGE}", "align it to a page"
        if end > scenario.host.ram:
            text = f"{what} ends at {end:#x}, beyond the host's RAM of {scenario.host.ram:#x}"
            yield loc, text, "give the host more ram or move it"
        for region in scenario.host.scratch:
            if start < region.end and region.at < end and region.size:
                text = f"{what} overlaps scratch at {region.at:#x}; KHO refuses to preserve scratch memory"
                yield loc, text, "move it outside host.scratch"
        if start < reach:
            # the kernel's own pages have a default place: what the file says is what overlaps them
            ours = loc[0] == "placement"
            yield place if ours else loc, f"{owner if ours else what} overlaps {what if ours else owner}", _APART
        if end > reach:
            reach, owner, place = end, what, loc


def _spans(scenario: Scenario) -> Iterator[_Span]:
    place = scenario.placement
    yield place.metadata, place.metadata + scenario.own_pages_room, "placement.metadata", ("placement", "metadata")
    yield (
        place.bookkeeping,
        place.bookkeeping + scenario.own_pages_room,
        "placement.bookkeeping",
        ("placement", "bookkeeping"),
    )
    for index, obj in enumerate(scenario.objects):
        loc: Loc = ("objects", index)
        if isinstance(obj, ReserveMem):
            yield obj.at, obj.at + obj.size, obj.object_id, (*loc, "at")
        elif isinstance(obj, Session):
            for number, file in enumerate(obj.files):
                size = _extent(file) * file.count * obj.count
                if size:
                    yield file.at, file.at + size, obj.file_id(file), (*loc, "files", number, "at")
        elif isinstance(obj, KhoTest):
            for number, folio in enumerate(obj.folios):
                end = folio.at + (_PAGE << folio.order)
                yield folio.at, end, f"kho_test folio {number}", (*loc, "folios", number, "at")


def _extent(file: Memfd) -> int:
    span = _PAGE << file.order
    return -(-file.size // span) * (file.stride or span)


def _together(scenario: Scenario) -> Iterator[Complaint]:
    """What objects need of each other."""
    regions = [i for i, o in enumerate(scenario.objects) if isinstance(o, ReserveMem)]
    for index in regions[MOST_REGIONS:]:
        yield ("objects", index), f"the kernel takes {MOST_REGIONS} reserve_mem regions at most", "leave some out"
    has_files = any(isinstance(o, Session) and o.files for o in scenario.objects)
    names: set[str] = set()
    for index, obj in enumerate(scenario.objects):
        if isinstance(obj, Flb) and not has_files:
            text = f"FLB '{obj.name}' has no preserved file to live beside"
            yield ("objects", index), text, "add a session with a memfd"
        if isinstance(obj, Session):
            if twice := names & set(obj.names()):
                text = f"session '{min(twice)}' is created twice"
                yield ("objects", index, "name"), text, "CREATE_SESSION answers EEXIST"
            names |= set(obj.names())


def _one(obj: object, loc: Loc) -> Iterator[Complaint]:
    if isinstance(obj, ReserveMem):
        yield from _name(obj.kind, (obj.name,), loc)
        if not obj.size or obj.size % _PAGE:
            yield (*loc, "size"), f"reserve_mem size {obj.size} is not a positive multiple of {_PAGE}", ""
        if not obj.align or obj.align & (obj.align - 1) or obj.at % obj.align:
            text = f"align {obj.align:#x} does not fit the address {obj.at:#x}"
            yield (*loc, "align"), text, "a power of two that divides it"
    elif isinstance(obj, Session):
        yield from _name(obj.kind, obj.names(), loc)
        tokens: set[int] = set()
        for number, file in enumerate(obj.files):
            mine = set(range(file.token, file.token + file.count))
            if tokens & mine:
                text = f"token {min(tokens & mine):#x} is used twice in session '{obj.name}'"
                yield (*loc, "files", number, "token"), text, "SESSION_PRESERVE_FD answers EEXIST"
            tokens |= mine
            yield from _file(file, (*loc, "files", number))
    elif isinstance(obj, Flb):
        yield from _name(obj.kind, (obj.name, obj.target_name), loc)
    elif isinstance(obj, KhoTest):
        for number, folio in enumerate(obj.folios):
            if folio.at % (_PAGE << folio.order):
                text = f"a folio of order {folio.order} cannot lie at {folio.at:#x}"
                yield (*loc, "folios", number, "at"), text, "align it"


def _name(kind: str, names: tuple[str, ...], loc: Loc) -> Iterator[Complaint]:
    longest, most = max(names, key=len), LONGEST_NAME[kind]
    if len(longest) > most:
        text = f"the name '{longest}' is longer than the {most} characters the kernel takes"
        yield (*loc, "name"), text, "shorten it"


def _file(file: Memfd, loc: Loc) -> Iterator[Complaint]:
    span = _PAGE << file.order
    if file.at % span or (file.stride or span) % span:
        yield (*loc, "at"), f"folios of order {file.order} must be aligned to {span:#x}", "change at, stride or order"
    if file.stride is not None and file.stride < span:
        yield (*loc, "stride"), f"stride {file.stride} is smaller than a folio of {span} bytes", ""
    if file.position >> 63:
        text = f"position {file.position:#x} is negative to the kernel, and no file can be at it"
        yield (*loc, "position"), text, "at most 0x7fffffffffffffff"
    if file.token + file.count > 1 << 64:
        yield (*loc, "token"), f"{file.count} tokens from {file.token:#x} on do not fit into 64 bits", "start lower"
    if file.seals and file.allow_sealing is False:
        yield (*loc, "seals"), "seals need allow_sealing: true (MFD_ALLOW_SEALING)", ""
    if file.noexec_seal and file.allow_sealing is False:
        yield (*loc, "noexec_seal"), "MFD_NOEXEC_SEAL allows sealing by itself", "leave allow_sealing out"
    for number, (offset, length) in enumerate(file.holes):
        if offset % _PAGE or length % _PAGE or not length or offset + length > -(-file.size // _PAGE) * _PAGE:
            yield (*loc, "holes", number), "a hole must be whole pages within the file", ""
    if file.hugetlb and (file.size % file.hugetlb or file.at % file.hugetlb or not file.size):
        text = f"a file of huge pages is made of whole ones: size and at must be multiples of {file.hugetlb:#x}"
        yield (*loc, "hugetlb"), text, ""
    if file.windows % (1 << 20):
        yield (*loc, "windows"), "windows must be a multiple of 1MiB", ""
