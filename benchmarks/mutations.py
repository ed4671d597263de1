# SPDX-License-Identifier: Apache-2.0
"""Mutation test of the simulator: does it notice when one release's formats are not what the other takes them for?

The source goes by the schema and the target by a mutant of it, and the other way round. A mutant is killed when the
verdict of any object of any scenario is not what it is between two releases that agree.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache

from benchmarks.mutants import Mutant, mutants
from qualify.errors import EncodeError
from qualify.judge import judge
from qualify.machine import Kernel, freeze, thaw
from qualify.model import Evidence
from qualify.scenario import (
    Flb,
    Folio,
    Host,
    KexecMetadata,
    KhoTest,
    Memfd,
    Placement,
    Region,
    ReserveMem,
    Scenario,
    Session,
    TargetActions,
    library,
)
from qualify.schema import Release, Schema, load

__all__ = ["EQUIVALENT", "RELEASES", "Score", "measure", "run"]

RELEASES = ("6.17.8", "6.18.15", "6.19.11", "7.1.13", "7.3.4")

_PRINTED = "the number is printed and compared with nothing"
_SIZE = "readers refuse a size that is too small; in the other byte order it is huge"
_DIRTY = "a folio that comes back clean is lost only when memory is reclaimed, which is not modelled"

# survivors that change no answer, each with the reason; a test fails when one of them is noticed after all
EQUIVALENT: dict[str, str] = {
    "kho_data: scratch_size is u32": "the last member; what is behind it reads as zero, and no array is that long",
    "kho-vmalloc: HUGE_VMAP is 0x8": "nobody sets the flag, and readers accept it under either number",
    "kho-v3: //*/blob-size in big endian": _SIZE,
    "kho-v4: //*/blob-size in big endian": _SIZE,
    "luo-v1: //liveupdate-number in big endian": _PRINTED,
    "luo-v1-flb: //liveupdate-number in big endian": _PRINTED,
    "kho-vmalloc: ALLOC is 0x4": "kho_flags_to_vmalloc() picks out the flags it knows and refuses none",
    "memfd-v1: DIRTY is 0x4": _DIRTY,
    "memfd-v2: DIRTY is 0x4": _DIRTY,
}

EVERYTHING = Scenario(
    id="mutation-everything",
    title="everything, with every value different from every other",
    purpose="a value that is read from a wrong place must differ from the right one",
    target=TargetActions(early_memory=140 << 20),  # more than the larger scratch region; beta lies right below it
    objects=(
        ReserveMem(kind="reserve-mem", name="alpha", size=60 << 10, at=0x3F9DD000),
        ReserveMem(kind="reserve-mem", name="beta", size=8 << 10, at=0x1F800000),
        Session(
            kind="session",
            name="qual",
            files=(
                Memfd(token=0x1A, size=20001, at=0x31777000, position=777, seals=("shrink", "write")),
                Memfd(token=0xFFFFFFFFFFFFFFF0, size=1 << 16, at=0x32000000, order=3, position=5),
            ),
        ),
        Session(kind="session", name="second", files=(Memfd(token=3, count=3, size=4096, at=0x33000000),)),
        Flb(kind="flb", name="liveupdate-test-flb-v0", data=0x1122334455667788),
        Flb(kind="flb", name="liveupdate-test-flb-v1", data=0x99),
        KexecMetadata(kind="kexec-metadata", count=3),
        KhoTest(kind="kho-test", folios=(Folio(at=0x35001000), Folio(at=0x35010000, order=4), Folio(at=0x35100000))),
    ),
)
# a machine on which nothing that matters lies below 4 GiB
HIGH = Scenario(
    id="mutation-high",
    title="everything above 4 GiB",
    purpose="a member that is too narrow for an address or a size must not pass",
    host=Host(ram=32 << 30, scratch=(Region(at=8 << 30, size=6 << 30),)),
    placement=Placement(metadata=0x500000000, bookkeeping=0x540000000),
    target=TargetActions(early_memory=3 << 30),
    objects=(
        ReserveMem(kind="reserve-mem", name="alpha", size=60 << 10, at=0x140001000),
        Session(kind="session", name="qual", files=(Memfd(token=0x1A, size=20001, at=0x5C0001000),)),
        Flb(kind="flb", name="liveupdate-test-flb-v0", data=0x1122334455667788),
        KhoTest(kind="kho-test", folios=tuple(Folio(at=0x580000000 + i * 8192) for i in range(512))),
    ),
)
# what only a full container or the end of a window shows
EDGES = ("sessions-819", "files-128", "window-128m-straddle", "memfd-many-windows", "sessions-52")
# what only a list of more than 255 or 510 pages shows; too slow to try on everything
_LONG = Scenario(
    id="mutation-long",
    title="a memfd of 512 MiB above 4 GiB",
    purpose="131,072 folios, whose list has 512 pages",
    host=HIGH.host,
    placement=HIGH.placement,
    objects=(
        Session(kind="session", name="qual", files=(Memfd(token=1, size=512 << 20, at=0x580000000, windows=32 << 20),)),
    ),
)
SLOW = dict.fromkeys(("kho_vmalloc_chunk: next is u32", "kho_vmalloc_chunk: phys has 255 elements"), _LONG)


@dataclass(frozen=True)
class Score:
    """What became of the mutants of every release, by release and id."""

    killed: dict[tuple[str, str], str]  # -> what was noticed first: scenario, side of the mutant, object, verdicts
    survivors: tuple[tuple[str, str], ...]

    @property
    def total(self) -> int:
        """Every mutant, also those that change no answer."""
        return len(self.killed) + len(self.survivors)

    @property
    def unexplained(self) -> tuple[tuple[str, str], ...]:
        """Survivors for which nobody has given a reason."""
        return tuple(pair for pair in self.survivors if pair[1] not in EQUIVALENT)

    def lines(self) -> list[str]:
        """Every survivor, with why."""
        return [f"{label} {name}: {EQUIVALENT.get(name, 'NOT EXPLAINED')}" for label, name in self.survivors]


@cache
def scenarios() -> tuple[Scenario, ...]:
    shipped = library()
    return (EVERYTHING, HIGH, *(shipped[name] for name in EDGES))


def trip(release: Release, source: Schema, target: Schema, plan: Scenario) -> dict[str, str]:
    """The verdict of every object when each side goes by its own schema."""
    try:
        state = freeze(Kernel(source, source.release(release.label)), plan, 1)
    except EncodeError as error:  # the source cannot even write it
        return {"(source)": str(error)}
    seen = judge(thaw(state, Kernel(target, target.release(release.label)), plan), Evidence.SIMULATED)
    return {o.object_id: o.verdict.value for o in seen.objects}


def noticed(schema: Schema, release: Release, mutant: Mutant, expected: dict[str, dict[str, str]]) -> str:
    """What gives the mutant away, '' when nothing does. `expected` keeps the verdicts without mutants, by scenario."""
    slow = (SLOW[mutant.id],) if mutant.id in SLOW and "memfd" in release.components else ()
    for plan in (*scenarios(), *slow):
        if plan.id not in expected:
            expected[plan.id] = trip(release, schema, schema, plan)
        want = expected[plan.id]
        for way in mutant.ways:
            source, target = (schema, mutant.schema) if way == "read" else (mutant.schema, schema)
            found = trip(release, source, target, plan)
            if found != want:
                name = next((n for n in found if found[n] != want.get(n)), "")
                return f"{plan.id} {way}: {name} {want.get(name, '')} -> {found.get(name, '')}"
    return ""


def measure(schema: Schema | None = None, labels: tuple[str, ...] = RELEASES) -> Score:
    """Judge every mutant of these releases. One that several releases share is killed when any of them notices."""
    schema = schema or load()
    killed: dict[tuple[str, str], str] = {}
    alive: dict[str, str] = {}  # -> release
    dead: set[str] = set()
    for label in labels:
        release, expected = schema.release(label), dict[str, dict[str, str]]()
        for mutant in mutants(schema, release):
            if mutant.id in dead:
                continue
            if why := noticed(schema, release, mutant, expected):
                killed[label, mutant.id] = why
                dead.add(mutant.id)
                alive.pop(mutant.id, None)
            else:
                alive.setdefault(mutant.id, label)
    return Score(killed, tuple((label, name) for name, label in alive.items()))


def run() -> list[dict[str, object]]:
    """One row for `benchmarks.run`; the survivors, each with why, on stderr."""
    found = measure()
    for line in found.lines():
        print(f"survived: {line}", file=sys.stderr)
    aim = "none without a reason"
    return [
        {
            "killed": len(found.killed),
            "total": found.total,
            "survivors": len(found.survivors),
            "unexplained": len(found.unexplained),
            "aim": aim,
            "met": not found.unexplained,
        }
    ]


if __name__ == "__main__":
    result = measure()
    print(f"{len(result.killed)}/{result.total} killed")
    for text in result.lines():
        print("survived:", text)
    sys.exit(bool(result.unexplained))
