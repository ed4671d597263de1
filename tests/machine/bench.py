# SPDX-License-Identifier: Apache-2.0
"""A bench for one round trip: build a scenario, look at or change what the source wrote, boot a target on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qualify.judge import judge
from qualify.machine.kernel import Kernel
from qualify.machine.memory import PhysicalMemory
from qualify.machine.roundtrip import Frozen, freeze, thaw
from qualify.model import Consequence, Evidence, ObjectOutcome, Outcome
from qualify.scenario import (
    Flb,
    Folio,
    KexecMetadata,
    KhoTest,
    Memfd,
    ReserveMem,
    Scenario,
    Session,
    SourceActions,
    TargetActions,
)
from qualify.schema import Schema
from tests.wire.golden import schema

ALPHA = ReserveMem(kind="reserve-mem", name="alpha", size=64 << 10, at=0x3F9DD000)
BETA = ReserveMem(kind="reserve-mem", name="beta", size=16 << 10, at=0x3FA00000)
METADATA = KexecMetadata(kind="kexec-metadata")
KHO_TEST = KhoTest(kind="kho-test", folios=(Folio(at=0x35001000), Folio(at=0x35010000, order=4)))
FLB = Flb(kind="flb", name="liveupdate-test-flb-v0", data=0x1122334455667788)

Edit = Callable[["Written"], None]


def memfd(token: int = 0x1A, size: int = 32 << 10, at: int = 0x31777000, **more: Any) -> Memfd:
    return Memfd(token=token, size=size, at=at, **more)


def session(*files: Memfd, name: str = "qual", count: int = 1) -> Session:
    return Session(kind="session", name=name, count=count, files=files)


def scenario(*objects: Any, **more: Any) -> Scenario:
    """`kho`, `liveupdate`, ... of the source as `source`, those of the target as `target`."""
    source = SourceActions(**more.pop("source", {}))
    target = TargetActions(**more.pop("target", {}))
    return Scenario(id="bench", title="bench", purpose="bench", objects=objects, source=source, target=target, **more)


class Written:
    """What the source left in memory, to be searched and changed."""

    def __init__(self, state: Frozen, plan: Scenario) -> None:
        self.memory: PhysicalMemory = state.memory
        self._plan = plan

    def find(self, needle: bytes) -> int:
        """The only place among the source's own pages where `needle` stands."""
        for start in (self._plan.placement.metadata, self._plan.placement.bookkeeping):
            raw = self.memory.read(start, 4 << 20)
            if needle in raw:
                assert raw.count(needle) == 1, f"{needle!r} is there {raw.count(needle)} times"
                return start + raw.index(needle)
        raise AssertionError(f"{needle!r} is not there")

    def word(self, at: int) -> int:
        return int.from_bytes(self.memory.read(at, 8), "little")

    def put(self, at: int, value: int | bytes, size: int = 8) -> None:
        self.memory.write(at, value if isinstance(value, bytes) else value.to_bytes(size, "little"))


def trip(
    source: str, target: str, plan: Scenario, *, edit: Edit | None = None, schemas: tuple[Schema, Schema] | None = None
) -> Outcome:
    """Source to target; `edit` changes memory in between, `schemas` are what source and target go by."""
    mine, theirs = schemas or (schema(), schema())
    state = freeze(Kernel(mine, mine.release(source)), plan, 1)
    if edit is not None:
        edit(Written(state, plan))
    kernel = Kernel(theirs, theirs.release(target), plan.target.without, plan.target.page_size)
    return judge(thaw(state, kernel, plan), Evidence.SIMULATED)


def of(outcome: Outcome, object_id: str) -> ObjectOutcome:
    return next(o for o in outcome.objects if o.object_id == object_id)


def said(outcome: Outcome, object_id: str) -> str:
    """``REFUSED RETRIEVE_FD EIO``: verdict, where it was asked, errno."""
    found = of(outcome, object_id)
    parts = (found.verdict.value, found.observation.interface.value, found.observation.errno)
    return " ".join(p for p in parts if p)


def verdict(outcome: Outcome, object_id: str) -> str:
    return of(outcome, object_id).verdict.value


def prop(outcome: Outcome, object_id: str, name: str) -> str:
    """What the target gave for a property."""
    return next(p.observed for p in of(outcome, object_id).observation.properties if p.name == name)


def consequences(outcome: Outcome, object_id: str) -> set[Consequence]:
    return set(of(outcome, object_id).observation.consequences)


def descriptor(written: Written) -> int:
    """The address of the only memfd_luo_ser."""
    return written.word(written.find(b"memfd-v") + 48)


def member(release: str, name: str) -> int:
    """The offset of a member of memfd_luo_ser in this release."""
    form = schema().written(schema().release(release), "memfd")
    assert form is not None
    return next(f.offset for f in schema().flat(form.struct) if f.name == name)


def folio(written: Written, number: int) -> int:
    """The address of entry `number` of the folio list."""
    at = descriptor(written)
    release = "7.3.4" if written.memory.read(written.find(b"memfd-v") + 7, 1) == b"2" else "6.19.11"
    chunk = written.word(at + member(release, "folios.first"))
    return written.word(chunk + 8) + 16 * number
