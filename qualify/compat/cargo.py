# SPDX-License-Identifier: Apache-2.0
"""A scenario's objects, where they lie, and what a source makes of them before the jump."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from qualify.compat.profile import Profile
from qualify.compat.rules import reason
from qualify.model import Reason
from qualify.scenario import (
    Blocks,
    Flb,
    KexecMetadata,
    KhoTest,
    Memfd,
    ReserveMem,
    Scenario,
    Session,
    folio_addresses,
    kho_test_blocks,
    reserve_blocks,
    room_beside_image,
)
from qualify.scenario.objects import PAGE
from qualify.schema import Container, Schema

__all__ = ["Cargo", "Consignment", "Item", "consign", "pack"]

Model = ReserveMem | Session | Memfd | Flb | KexecMetadata | KhoTest


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """One object; `owner` is the index of a file's session, else -1."""

    index: int
    object_id: str
    component: str
    model: Model
    owner: int = -1
    sessions: int = 1  # how many sessions a file's run is repeated in


@dataclass(frozen=True, slots=True, eq=False)
class Cargo:
    """All objects of a scenario, files right after their session."""

    scenario: Scenario
    items: tuple[Item, ...]

    @property
    def table_room(self) -> int:
        """Bytes from placement.metadata on that surely hold all of the source's tables: twice what they take."""
        page, pages = PAGE, 256
        for item in self.items:
            if isinstance(item.model, Session):
                pages += 2 * item.model.count
            elif isinstance(item.model, Memfd):
                folios = -(-item.model.size // (page << item.model.order))
                # descriptor, list of folios at 16 bytes each, and the chunks that lead to the list
                pages += item.model.count * item.sessions * (3 + folios // 128)
        return min(2 * pages * page, self.scenario.own_pages_room)

    def blocks(self, item: Item, page_size: int) -> Blocks:
        """(address, order) of every block of contents."""
        return _blocks(item, page_size)


@dataclass(frozen=True, slots=True)
class Consignment:
    """What a source does with the cargo. `refused` holds per object why it is not handed over, or None.

    `withheld` says why the target is passed no handover at all; `empty_map` that the map's address is 0.
    """

    refused: tuple[Reason | None, ...]
    withheld: Reason | None = None
    empty_map: bool = False
    jumps: bool = True
    luo: bool = False

    @property
    def handed(self) -> tuple[int, ...]:
        return tuple(i for i, why in enumerate(self.refused) if why is None)


def pack(scenario: Scenario) -> Cargo:
    """The objects of a scenario, in the order of `Scenario.object_ids`."""
    items: list[Item] = []
    for model in scenario.objects:
        owner = len(items)
        items.append(Item(owner, model.object_id, model.component, model))
        if isinstance(model, Session):
            for file in model.files:
                items.append(Item(len(items), model.file_id(file), file.component, file, owner, model.count))
    return Cargo(scenario, tuple(items))


@lru_cache(maxsize=64)
def _blocks(item: Item, page_size: int) -> Blocks:
    match item.model:
        case ReserveMem() as region:
            return reserve_blocks(region, page_size)
        case KhoTest() as test:
            return kho_test_blocks(test)
        case Memfd() as file:
            where = _addresses(file, file.count * item.sessions, page_size).reshape(-1)
            return np.stack([where, np.full_like(where, file.order)], axis=1)
        case _:
            return np.zeros((0, 2), dtype=np.uint64)


def _addresses(file: Memfd, count: int, page_size: int) -> npt.NDArray[np.uint64]:
    """Folio addresses of a run of files, one row per file."""
    first = folio_addresses(file, 0, page_size)
    if count == 1 or not len(first):
        return first.reshape(1, -1)
    step = np.uint64(folio_addresses(file, 1, page_size)[0] - first[0])
    rows: npt.NDArray[np.uint64] = first[None, :] + np.arange(count, dtype=np.uint64)[:, None] * step
    return rows


def consign(schema: Schema, cargo: Cargo, source: Profile) -> Consignment:
    """What `source` hands over. See docs/model.md, "The source"."""
    scenario = cargo.scenario
    operator, target, kho = scenario.source, scenario.target, source.parts.get("kho")
    count = len(cargo.items)
    if kho is None or kho.written is None:
        return Consignment((reason("SRC001", "kho", "the source has no KHO"),) * count, jumps=False)
    if not operator.kho:
        return Consignment((reason("OPS001", "kho", "the source runs without kho=on"),) * count, jumps=False)
    crash, by_file = target.kind == "crash", operator.load == "kexec_file_load"
    if by_file and not crash and room_beside_image(scenario) is None:
        rooms = ", ".join(f"{region.size >> 20}" for region in scenario.host.scratch)
        text = (
            f"kernel ({target.image >> 20} MiB) and initrd ({target.initrd >> 20} MiB) do not fit into scratch"
            f" ({rooms} MiB), each in one piece: EADDRNOTAVAIL"
        )
        return Consignment((reason("OPS005", "kho", text),) * count, jumps=False)
    luo = "luo" in source.parts and source.parts["luo"].written is not None and operator.liveupdate
    refused = _refuse(schema, cargo, source, luo)
    withheld: Reason | None = None
    finalise = kho.traits["finalise"]
    if not by_file:
        withheld = reason("OPS004", "kho", "loaded with kexec_load: no handover is passed")
    elif crash and kho.traits["crash-image"] == "not-handed-over":
        withheld = reason("OPS006", "kho", "the source passes no handover to a crash kernel")
    elif finalise == "before-load" and operator.finalise == "late":
        withheld = reason("OPS003", "kho", "loaded before the handover was finalised: nothing is passed")
    empty = finalise == "at-reboot" and (crash or not luo) and operator.finalise != "by-hand"
    return Consignment(refused, withheld, empty, luo=luo)


def _refuse(schema: Schema, cargo: Cargo, source: Profile, luo: bool) -> tuple[Reason | None, ...]:
    """Why each object is not handed over. Containers fill in the order of preservation."""
    why: list[Reason | None] = [None] * len(cargo.items)
    room = {c: _capacity(schema, source, c) for c in ("luo-session", "luo-file", "luo-flb")}
    used = {"luo-session": 0, "luo-flb": 0}
    files: dict[int, int] = {}
    # the objects bound to files come last: whether they are written is known once all files are
    for item in sorted(cargo.items, key=lambda i: isinstance(i.model, Flb)):
        answer = _missing(schema, item, source, luo)
        if answer is None and isinstance(item.model, Flb) and not _any_file(cargo, why):
            answer = reason("SRC004", item.component, "no preserved file depends on it")
        if answer is None and isinstance(item.model, Session | Flb):
            need = item.model.count if isinstance(item.model, Session) else 1
            answer = _full(item.component, used[item.component] + need, room[item.component])
            used[item.component] += need if answer is None else 0
        elif answer is None and isinstance(item.model, Memfd):
            held = files.get(item.owner, 0) + item.model.count
            full = _full("luo-file", held, room["luo-file"])  # asked first, before any handler
            answer = why[item.owner] or full or _hugetlb(item.model, source) or _seals(item.model, source)
            if answer is None:
                files[item.owner] = held
        why[item.index] = answer
    return tuple(why)


def _any_file(cargo: Cargo, why: list[Reason | None]) -> bool:
    return any(isinstance(item.model, Memfd) and why[item.index] is None for item in cargo.items)


def _missing(schema: Schema, item: Item, source: Profile, luo: bool) -> Reason | None:
    part = source.parts.get(item.component)
    if part is None or part.written is None:
        return reason("SRC001", item.component, f"the source has no {item.component}")
    if isinstance(item.model, Session | Memfd | Flb) and not luo:
        return reason("OPS002", item.component, "the source runs without liveupdate=on: no /dev/liveupdate")
    bound = schema.components[item.component].bound_to
    if bound and not any(c in source.parts for c in bound):
        return reason("SRC004", item.component, f"the source has none of {', '.join(bound)}")
    return None


def _hugetlb(file: Memfd, source: Profile) -> Reason | None:
    if not file.hugetlb:
        return None
    errno = source.parts["memfd"].traits["hugetlb-refused"]
    return reason("SRC005", "memfd", f"no handler of the source takes a file of huge pages: {errno}")


def _seals(file: Memfd, source: Profile) -> Reason | None:
    unknown = file.seal_mask & ~source.parts["memfd"].number("known-seals")
    return reason("SRC003", "memfd", f"the source does not know seals {unknown:#x}: EOPNOTSUPP") if unknown else None


def _full(component: str, need: int, room: int | None) -> Reason | None:
    if room is None or need <= room:
        return None
    return reason("SRC002", component, f"{component} holds {room} entries, {need} are asked for")


def _capacity(schema: Schema, source: Profile, component: str) -> int | None:
    part = source.parts.get(component)
    form = part.written if part is not None else None
    return entries(schema, form.container, source.page_size) if form is not None and form.container else None


def entries(schema: Schema, container: Container, page_size: int) -> int:
    """How many entries a container holds."""
    header = schema.structs[container.header].size if container.header else 0
    entry = schema.structs[container.entry].size
    if container.kind == "blocks":
        return container.max_blocks * ((page_size - header) // entry)
    return (container.pages * page_size - header) // entry
