# SPDX-License-Identifier: Apache-2.0
"""Scenarios to what one boot of two kernels is told: the agent's plan, both command lines, how much RAM. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from qualify.agent import Fill, Finalise, Load, LoadKind, Plan, PlanFile, PlanRegion, PlanSession
from qualify.backends.protocol import CellInput
from qualify.backends.qemu.naming import free_name
from qualify.machine.contents import object_seed
from qualify.machine.vm import LOGGING
from qualify.scenario import LONGEST_NAME, SEALS, KhoTest, Memfd, ReserveMem, Scenario, Session

__all__ = ["CLEARING", "INITRD", "KERNEL", "Asked", "PlacedRegion", "PlacedSession", "project"]

KERNEL, INITRD = "/target/bzImage", "/target/initrd"  # in the source's initramfs
CLEARING = "init_on_free=1"  # of any kernel: what is handed to the page allocator at boot is zeroed (mm/mm_init.c)
_CRASH_KERNEL = "crashkernel=256M"
_SMALL_TEST = "test_kho.max_mem=4096"  # lib/test_kho.c of 6.18.15 and 7.3.4
_ALLOW_SEALING, _HUGETLB, _NOEXEC_SEAL = 2, 4, 8  # MFD_* of include/uapi/linux/memfd.h
_HUGE_SHIFT = 26  # MFD_HUGE_SHIFT


@dataclass(frozen=True)
class PlacedSession:
    """One session of one cell; its place in the plan is its id. `number` counts within a run of sessions."""

    cell: int
    session: Session
    number: int
    name: str


@dataclass(frozen=True)
class PlacedRegion:
    """One region of one cell; its place in the plan is its id."""

    cell: int
    region: ReserveMem
    name: str


@dataclass(frozen=True)
class Asked:
    """One boot: what it is told, and which cell asked for what."""

    plan: Plan
    sessions: tuple[PlacedSession, ...]
    regions: tuple[PlacedRegion, ...]
    source_append: str
    target_append: str
    memory: int
    crash: bool
    padded_initrd: int  # bytes; 0 as it is


def project(cells: Sequence[CellInput], source_append: str = "", target_append: str = "") -> Asked:
    """One boot for these cells, all of one pair. The appended words are the kernels' own (`append` in kernel.yaml)."""
    sessions, regions = _sessions(cells), _regions(cells)
    scenario = cells[0].scenario
    target = " ".join(_target_words(cells, regions, target_append))
    load = Load(image=KERNEL, initrd=INITRD, cmdline=f"{target} qualify.stage=target", kind=_kind(scenario))
    plan = Plan(
        sessions=tuple(PlanSession(id=i, name=s.name) for i, s in enumerate(sessions)),
        files=tuple(f for i, s in enumerate(sessions) for f in _plan_files(i, cells[s.cell], s)),
        regions=tuple(_plan_region(i, cells[r.cell], r) for i, r in enumerate(regions)),
        finalise=_finalise(cells[0]),
        load=load,
        blobs=True,
    )
    return Asked(
        plan=plan,
        sessions=sessions,
        regions=regions,
        source_append=" ".join([*_source_words(cells, regions, source_append), "qualify.stage=source"]),
        target_append=target,
        memory=scenario.host.ram,
        crash=_crashes(scenario),
        padded_initrd=0 if len(cells) > 1 or scenario.target.initrd == _USUAL_INITRD else scenario.target.initrd,
    )


_USUAL_INITRD = Scenario.model_fields["target"].default.initrd


def _crashes(scenario: Scenario) -> bool:
    return scenario.target.kind == "crash"


def _kind(scenario: Scenario) -> LoadKind:
    return LoadKind.CRASH if _crashes(scenario) else LoadKind.NORMAL


def _finalise(cell: CellInput) -> Finalise:
    """When the agent writes debugfs out/finalize, where there is one."""
    when = cell.schema.trait(cell.source, "kho", "finalise")
    match cell.scenario.source.finalise:
        case "late":
            return Finalise.AFTER_LOAD
        case "by-hand":
            return Finalise.BEFORE_LOAD
        case "in-time":
            return Finalise.BEFORE_LOAD if when == "before-load" else Finalise.NEVER


def _sessions(cells: Sequence[CellInput]) -> tuple[PlacedSession, ...]:
    placed: list[PlacedSession] = []
    taken: set[str] = set()
    for index, cell in enumerate(cells):
        for session in cell.scenario.objects:
            if isinstance(session, Session):
                for number, name in enumerate(session.names()):
                    free = free_name(name, taken, LONGEST_NAME["session"])
                    taken.add(free)
                    placed.append(PlacedSession(index, session, number, free))
    return tuple(placed)


def _regions(cells: Sequence[CellInput]) -> tuple[PlacedRegion, ...]:
    placed: list[PlacedRegion] = []
    taken: set[str] = set()
    for index, cell in enumerate(cells):
        for region in cell.scenario.objects:
            if isinstance(region, ReserveMem):
                free = free_name(region.name, taken, LONGEST_NAME["reserve-mem"])
                taken.add(free)
                placed.append(PlacedRegion(index, region, free))
    return tuple(placed)


def _plan_files(place: int, cell: CellInput, placed: PlacedSession) -> Iterator[PlanFile]:
    for file in placed.session.files:
        for token in range(file.token, file.token + file.count):
            yield _plan_file(place, cell, placed, file, token)


def _plan_file(place: int, cell: CellInput, placed: PlacedSession, file: Memfd, token: int) -> PlanFile:
    sealable = bool(file.seals) if file.allow_sealing is None else file.allow_sealing
    create = (_ALLOW_SEALING if sealable else 0) | (_NOEXEC_SEAL if file.noexec_seal else 0)
    if file.hugetlb:
        create |= _HUGETLB | (file.hugetlb.bit_length() - 1) << _HUGE_SHIFT
    return PlanFile(
        session=place,
        token=token,
        size=file.size,
        position=file.position,
        create=create,
        seals=sum(SEALS[s] for s in set(file.seals)),
        seed=object_seed(cell.seed, f"session/{placed.name}/{token:#x}"),  # names differ, so no two files hold the same
        holes=file.holes,
        order=file.order,
        hugetlb=file.hugetlb,
    )


def _plan_region(place: int, cell: CellInput, placed: PlacedRegion) -> PlanRegion:
    region = placed.region
    seed = object_seed(cell.seed, f"reserve_mem/{placed.name}")
    return PlanRegion(id=place, name=placed.name, size=region.size, fill=Fill(region.fill), seed=seed)


def _own_test(cells: Sequence[CellInput]) -> list[str]:
    """The kernel's own test fills 8 MiB at every boot; where nobody asks for it, a page is enough."""
    wanted = any(isinstance(thing, KhoTest) for cell in cells for thing in cell.scenario.objects)
    return [] if wanted else [_SMALL_TEST]


def _source_words(cells: Sequence[CellInput], regions: Sequence[PlacedRegion], append: str) -> list[str]:
    scenario = cells[0].scenario
    words = [LOGGING, *_switches(scenario.source.kho, scenario.source.liveupdate), _scratch(scenario)]
    words += _own_test(cells)
    words += [f"reserve_mem={r.region.size}:{r.region.align}:{r.name}" for r in regions]
    return [*words, *([_CRASH_KERNEL] if _crashes(scenario) else []), *([append] if append else [])]


def _target_words(cells: Sequence[CellInput], regions: Sequence[PlacedRegion], append: str) -> list[str]:
    scenario = cells[0].scenario
    words = [LOGGING, *_switches(scenario.target.kho, scenario.target.liveupdate), _scratch(scenario)]
    words += _own_test(cells)
    for placed in regions:
        region = placed.region
        if region.target_asks:
            align = region.align if region.target_align is None else region.target_align
            words.append(f"reserve_mem={region.wanted_size}:{align}:{placed.name}")
    return [*words, *([append] if append else [])]


def _switches(kho: bool, liveupdate: bool) -> list[str]:
    return [f"kho={'on' if kho else 'off'}", f"liveupdate={'on' if liveupdate else 'off'}"]


def _scratch(scenario: Scenario) -> str:
    """Low memory, global, per node; source: kho_parse_scratch_size() in kernel/liveupdate/kexec_handover.c of 7.3.4."""
    sizes = [r.size for r in scenario.host.scratch] + [0, 0, 0]
    return "kho_scratch=" + ",".join(f"{size >> 10}K" for size in sizes[:3])
