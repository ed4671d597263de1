# SPDX-License-Identifier: Apache-2.0
"""A capture as a scenario: what the init program on the real kernel preserved, and what its objects held."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from qualify.machine.contents import Contents
from qualify.machine.handover import Handover, Offer, Truth
from qualify.machine.intervals import Intervals
from qualify.machine.memory import PhysicalMemory
from qualify.scenario import Flb, Folio, Host, KexecMetadata, KhoTest, Memfd, Region, ReserveMem, Scenario, Session
from qualify.scenario.model import PreservedObject
from qualify.wire.chunklist import Blocks
from qualify.wire.memory import Array
from tests.wire.golden import PAGE, Golden, contents_of

SEALS = {0x1: (), 0x6: ("shrink", "grow")}


def number(text: str) -> int:
    return int(text, 16)


def kho_test_number(real: Golden, name: str) -> int:
    """A number of the data node; native words."""
    data = real.tree(real.subtree("kho_test")).child("data")
    assert data is not None
    return int.from_bytes(data.get(name) or b"", "little")


def kho_test_folios(real: Golden) -> list[tuple[int, int]]:
    """(address, order) in the order of the list."""
    raw = b"".join(real.pages[number(p)] for p in real.area("kho_test")["data_pages"])
    words = np.frombuffer(raw, dtype="<u8")[: kho_test_number(real, "nr_folios")].tolist()
    return [(word & ~(PAGE - 1), word & (PAGE - 1)) for word in words]


def holes_of(known: dict[str, object]) -> tuple[tuple[int, int], ...]:
    """(offset, length) of what was never written."""
    written, size = known.get("written_ranges"), known["size"]
    assert isinstance(size, int)
    if not isinstance(written, list):
        return ()
    edges = [0, *(e for pair in written for e in pair), size]
    pairs = zip(edges[::2], edges[1::2], strict=True)
    return tuple((start, end - start) for start, end in pairs if end > start)


def scenario_of(real: Golden) -> Scenario:
    """`at` of the memfds means nothing: their folios lie where the real allocator had them."""
    objects: list[PreservedObject] = [
        ReserveMem(kind="reserve-mem", name=r["name"], size=r["size"], align=r["align"], at=number(r["start"]))
        for r in real.known.get("reserve_mem", [])
    ]
    for session in real.known["sessions"]:
        files = [
            Memfd(
                token=number(f["token"]), size=f["size"], at=0, position=f["pos"], holes=holes_of(f),
                seals=SEALS[number(f["seals_source"])],
            )
            for f in session["files"]
        ]  # fmt: skip
        objects.append(Session(kind="session", name=session["name"], files=tuple(files)))
    objects += [Flb(kind="flb", name=f["name"], data=number(f["data"])) for f in real.index.get("flbs", [])]
    if "kexec-metadata" in real.index["subtrees"]:
        objects.append(KexecMetadata(kind="kexec-metadata"))
    objects.append(KhoTest(kind="kho-test", folios=tuple(Folio(at=a, order=o) for a, o in kho_test_folios(real))))
    scratch = tuple(Region(at=number(r["addr"]), size=number(r["size"])) for r in real.data["kho_data"]["scratch"])
    host = Host(ram=real.data["ram_bytes"], scratch=scratch)
    name = f"golden-{real.name}"
    return Scenario(id=name, title=name, purpose="what a real kernel wrote", host=host, objects=tuple(objects))


@dataclass(frozen=True)
class Generated(Contents):
    """Bytes of the init program's own generator."""

    def window(self, start: int, size: int) -> Array:
        data = contents_of(self.seed, self.size)
        for offset, length in self.holes:
            data[offset : offset + length] = 0
        return data[start : start + size]


@dataclass(frozen=True)
class Word(Contents):
    """Zeros but for the first four bytes, which hold `seed`: what one wants when only a checksum is known."""

    def window(self, start: int, size: int) -> Array:
        data = np.zeros(self.size, dtype=np.uint8)
        data[:4] = np.frombuffer(self.seed.to_bytes(4, "little"), dtype=np.uint8)
        return data[start : start + size]


@dataclass(slots=True)
class GoldenTruth(Truth):
    """What was in the objects of a capture.

    kho_test's folios were not captured: here they are zeros, with the recorded checksum in the last of them, so that
    the checksum is right exactly when every folio of the list has been found.
    """

    seeds: dict[str, int] = field(default_factory=dict)
    last_folio: int = 0
    checksum: int = 0

    def contents(self, key: str, size: int, holes: tuple[tuple[int, int], ...] = ()) -> Contents:
        kind, _, rest = key.partition("/")
        if kind == "kho_test":
            return Word(self.checksum if int(rest) == self.last_folio else 0, size)
        seed = self.seeds[key] if kind == "reserve_mem" else int(rest.rpartition("/")[2], 16)
        return Generated(seed, size, holes)


def truth_of(real: Golden) -> GoldenTruth:
    sizes = np.uint64(PAGE) << real.blocks[:, 1]
    return GoldenTruth(
        version=real.data["release"],
        seed=0,
        preserved=Intervals.blocks(real.blocks[:, 0], sizes),
        sessions={(f"session/{s['name']}", 0) for s in real.known["sessions"]},
        tokens={(f"session/{name}", 0, number(f["token"])) for name, f in real.files()},
        seeds={f"reserve_mem/{r['name']}": number(r["seed"]) for r in real.known.get("reserve_mem", [])},
        last_folio=len(kho_test_folios(real)) - 1,
        checksum=kho_test_number(real, "csum"),
    )


def owned_blocks(real: Golden, *roles: str, more: tuple[str, ...] = ()) -> Blocks:
    """Blocks of the map that hold pages with such roles, or one of the pages `more`."""
    wanted = {at for role in roles for at in real.role(role)} | {number(at) for at in more}
    rows = [(a, o) for a, o in real.blocks.tolist() if any(a <= at < a + (PAGE << o) for at in wanted)]
    return np.array(rows, dtype=np.uint64).reshape(-1, 2)


def fill(real: Golden, memory: PhysicalMemory, truth: GoldenTruth) -> None:
    """Write the contents of every object to where the real kernel had them."""
    for region in real.known.get("reserve_mem", []):
        data = truth.contents(f"reserve_mem/{region['name']}", region["size"]).window(0, region["size"])
        memory.write(number(region["start"]), data)
    for name, file in real.files():
        key = f"session/{name}/0/{file['token']}"
        data = truth.contents(key, file["size"], holes_of(file)).window(0, file["size"])
        for i, at in enumerate(real.data["contents_pages"].get(file["token"], [])):
            memory.write(number(at), data[i * PAGE : (i + 1) * PAGE])
    for i, (at, order) in enumerate(kho_test_folios(real)):
        memory.write(at, truth.contents(f"kho_test/{i}", PAGE << order).window(0, PAGE << order))


def handover_of(real: Golden, scenario: Scenario, truth: GoldenTruth) -> Handover:
    """As the stub found it: setup_data's payload, and the scratch array that kexec had put in place."""
    offers = {name: Offer(name, offered=True) for name in scenario.object_ids}
    for session, file in real.files():
        token = file["token"]
        pages = tuple(real.data["contents_pages"].get(token, ()))
        roles = (f"memfd_luo_ser token {token[2:]}", f"memfd {token[2:]} ")
        name = f"memfd/{session}/{token}"
        offers[name] = Offer(name, offered=True, blocks=owned_blocks(real, *roles, more=pages))
    for session in real.known["sessions"]:
        name = f"session/{session['name']}"
        offers[name] = Offer(name, offered=True, blocks=owned_blocks(real, f"file array {session['name']}"))
    scratch = number(real.data["kho_data"]["scratch_addr"])
    return Handover(real.kho_data, ((scratch, real.pages[scratch]),), offers, truth)
