# SPDX-License-Identifier: Apache-2.0
"""The simulator as a backend: placement decides, and what is wrong in the end is wrong because memory was reused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qualify.backends import CellInput, backend
from qualify.backends.simulator import SimulatorBackend
from qualify.judge import judge
from qualify.machine.kernel import Kernel
from qualify.machine.memory import REUSED, PhysicalMemory
from qualify.machine.roundtrip import Frozen, freeze, jump, round_trip
from qualify.machine.target import TargetKernel
from qualify.model import Consequence, Evidence, MachineObservation, Outcome
from qualify.scenario import Host, ReserveMem, Scenario, library
from tests.machine.bench import (
    ALPHA,
    FLB,
    KHO_TEST,
    METADATA,
    Written,
    folio,
    memfd,
    said,
    scenario,
    session,
    trip,
    verdict,
)
from tests.wire.golden import schema

LIBRARY = library()
SPURIOUS, LEAKED = Consequence.SPURIOUS_RESERVATION, Consequence.LEAKED
PATTERN = REUSED.to_bytes(8, "little")


def run(name: str | Scenario, source: str, target: str) -> Outcome:
    plan = LIBRARY[name] if isinstance(name, str) else name
    cell = CellInput(schema(), schema().release(source), schema().release(target), plan, 1)
    return judge(SimulatorBackend().run(cell, Path()), Evidence.SIMULATED)


def boot(plan: Scenario, source: str, target: str) -> tuple[PhysicalMemory, Frozen, TargetKernel]:
    """As the backend does it, but with the target's memory to look into."""
    state = freeze(Kernel(schema(), schema().release(source)), plan, 1)
    memory = state.memory.fork()
    assert memory is not None
    jump(memory, plan, state.handover)
    target_kernel = TargetKernel(Kernel(schema(), schema().release(target)), plan, memory, state.handover)
    target_kernel.run()
    return memory, state, target_kernel


def test_is_found_by_its_name() -> None:
    found = backend("simulator")
    assert (found.name, found.evidence, found.shareable) == ("simulator", Evidence.SIMULATED, True)


def test_sharing_the_source_side_changes_nothing() -> None:
    """Cells that follow each other with one source reuse it; the second must not see what the first did to memory."""
    shared = SimulatorBackend()
    plan = LIBRARY["mixed"]
    source = schema().release("7.1.13")
    for label in ("7.1.13", "7.3.4", "7.1.13", "6.18.15", "7.1.13-nomemfd", "7.1.13"):
        cell = CellInput(schema(), source, schema().release(label), plan, 7)
        alone = round_trip(Kernel(schema(), source), Kernel(schema(), schema().release(label)), plan, 7)
        found = shared.run(cell, Path())
        assert (found.objects, found.panic, found.consequences, found.log) == (
            alone.objects, alone.panic, alone.consequences, alone.log,
        )  # fmt: skip


USUAL = [name for name, plan in LIBRARY.items() if "large" not in plan.tags]


@pytest.mark.parametrize("name", USUAL)
def test_cells_with_the_same_input_give_the_same_observation(name: str) -> None:
    """Releases that behave alike and differ in every word; whatever shows of that must be told as an input."""
    source = schema().release("7.1.13")
    words = {"label": "other", "version": "7.1.77", "aliases": (), "config": {"A": "y"}, "text": "other words"}
    other = source.model_copy(update=words)
    both = replace(schema(), releases=(*schema().releases, other))
    assert both.fingerprint(other) == both.fingerprint(source)
    backend = SimulatorBackend()
    cells = [CellInput(both, s, t, LIBRARY[name], 1) for s in (source, other) for t in (source, other)]
    seen: dict[tuple[str, ...], list[MachineObservation]] = {}
    for cell in cells:
        seen.setdefault(backend.inputs(cell), []).append(replace(backend.run(cell, Path()), timings={}))
    assert all(one == alike[0] for alike in seen.values() for one in alike)
    recorded = any(o.component == "kexec-metadata" for o in LIBRARY[name].objects)
    assert len(seen) == (2 if recorded else 1)


def test_another_seed_gives_other_contents_and_the_same_verdicts() -> None:
    one, two = (
        SimulatorBackend().run(
            CellInput(schema(), r := schema().release("7.3.4"), r, LIBRARY["baseline"], seed), Path()
        )
        for seed in (1, 2)
    )
    digests = [
        {(o.object_id, p.name): p.observed for o in seen.objects for p in o.properties if p.name == "contents"}
        for seen in (one, two)
    ]
    assert all(digests[0][key] != digests[1][key] for key in digests[0])
    assert judge(one, Evidence.SIMULATED).verdict is judge(two, Evidence.SIMULATED).verdict


# --- short bitmaps: 6.17.13 -> 6.17.8 ---------------------------------------------------


def test_low_order_pages_beyond_bit_4095_are_corrupt_because_they_were_reused() -> None:
    """The target says yes; what it gives is the pattern that the next owner of the memory wrote."""
    region = ReserveMem(kind="reserve-mem", name="alpha", size=8192, at=0x28FFF000)  # bits 4095 and 4096
    plan = scenario(region)
    memory, state, target = boot(plan, "6.17.13", "6.17.8")
    assert (
        state.memory.read(region.at, 8192)
        == state.handover.truth.contents("reserve_mem/alpha", 8192).window(0, 8192).tobytes()
    )
    assert target.reserved.ranges.covers(region.at, region.at + 4096)
    assert not target.reserved.ranges.contains(np.array([region.at + 4096], dtype=np.uint64)).any()
    assert memory.read(region.at, 4096) == state.memory.read(region.at, 4096)
    assert memory.read(region.at + 4096, 4096) == PATTERN * 512
    assert verdict(run(plan, "6.17.13", "6.17.8"), "reserve_mem/alpha") == "CORRUPT"


@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("window-16m-last-page", "RESTORED"),
        ("window-16m-next-page", "CORRUPT"),
        ("window-16m-straddle", "CORRUPT"),
        ("window-128m-last-page", "CORRUPT"),
        ("window-128m-first-page", "RESTORED"),
        ("window-order-4-last-block", "RESTORED"),
        ("window-order-4-next-block", "CORRUPT"),
        ("window-order-9-last-block", "RESTORED"),
        ("window-order-9-next-block", "CORRUPT"),
        ("window-4m-low", "RESTORED"),
        ("window-4m-below-16g", "RESTORED"),
        ("window-4m-above-16g", "CORRUPT"),
    ],
)
def test_short_bitmaps_by_address_and_order(name: str, want: str) -> None:
    assert verdict(run(name, "6.17.13", "6.17.8"), "reserve_mem/alpha") == want
    assert verdict(run(name, "6.17.13", "6.17.13"), "reserve_mem/alpha") == "RESTORED"


def test_root_fdt_that_was_not_reserved_hides_later_subtrees() -> None:
    """reserve_mem reads it early and gets its region; kho_test reads it after its page was reused."""
    plan = LIBRARY["kho-test-several"]
    memory, state, _ = boot(plan, "6.17.13", "6.17.8")
    root = int.from_bytes((state.handover.kho_data or b"")[:8], "little")
    assert root == plan.placement.metadata
    assert memory.read(root, 4096) == PATTERN * 512
    assert said(run(plan, "6.17.13", "6.17.8"), "kho_test") == "LOST kho_test"
    found = run("kho-test-tables-in-reach", "6.17.13", "6.17.8")
    assert verdict(found, "kho_test") == "RESTORED"
    assert said(run("kho-test-folio-out-of-reach", "6.17.13", "6.17.8"), "kho_test") == "REFUSED kho_test EINVAL"


# --- long reads of short bitmaps: 6.17.8 -> 6.17.13 -----------------------------------------


@pytest.mark.parametrize(
    ("neighbours", "want", "spurious"),
    [
        ("zero", "RESTORED", False),
        ("in-ram", "RESTORED", True),
        ("beyond-ram", "PANIC", False),
        ("unknown", "RESTORED", True),
    ],
)
def test_bytes_behind_a_short_bitmap(neighbours: str, want: str, spurious: bool) -> None:
    found = run(f"neighbours-{neighbours}", "6.17.8", "6.17.13")
    assert verdict(found, "reserve_mem/alpha") == want
    assert (SPURIOUS in found.consequences) == spurious
    assert ("no struct page" in found.detail) == (want == "PANIC")
    same = run(f"neighbours-{neighbours}", "6.17.8", "6.17.8")
    assert verdict(same, "reserve_mem/alpha") == "RESTORED"
    assert SPURIOUS not in same.consequences


# --- LUO ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("release", "first"), [("6.19.8", "RESTORED"), ("6.19.11", "RESTORED"), ("7.1.13", "REFUSED")])
def test_a_target_without_the_handler(release: str, first: str) -> None:
    """6.19: that file and those after it; 7.1: every session, with it the empty one beside."""
    plan = scenario(session(name="first"), session(memfd()), target={"without": ("memfd",)})
    found = trip(release, release, plan)
    assert verdict(found, "session/first") == verdict(found, "session/qual") == first
    assert verdict(found, "memfd/qual/0x1a") == "REFUSED"
    assert (Consequence.BLAST_RADIUS in found.consequences) == (first == "REFUSED")
    assert LEAKED in found.consequences


@pytest.mark.parametrize(("release", "flags"), [("6.19.8", [2, 3, 3]), ("6.19.11", [3, 3, 3]), ("7.3.4", [3, 3, 3])])
def test_flags_of_folios_that_were_never_written(release: str, flags: list[int]) -> None:
    """Up to 6.19.8 such a folio is handed over as clean; it is up to date all the same and comes back as zeros."""
    found: list[int] = []

    def look(written: Written) -> None:
        found.extend(written.word(folio(written, i)) >> 52 for i in range(3))

    plan = scenario(session(memfd(size=12 << 10, holes=((0, 4096),))))
    assert verdict(trip(release, release, plan, edit=look), "memfd/qual/0x1a") == "RESTORED"
    assert found == flags


def test_flb_of_7_0_on_a_target_that_reads_none() -> None:
    found = run("flb-one", "7.0.13", "6.19.11")
    assert verdict(found, "memfd/qual/0x1a") == "RESTORED"
    assert said(found, "flb/liveupdate-test-flb-v0") == "LOST flb"


def test_flb_needs_a_preserved_file_on_the_source() -> None:
    found = trip("7.3.4", "7.3.4", scenario(session(), FLB))
    assert verdict(found, "flb/liveupdate-test-flb-v0") == "UNSUPPORTED"


def test_session_of_a_run_that_is_lost_takes_its_files_along() -> None:
    """One of three names changed on the way: its files are looked for in no other session of the run."""
    plan = scenario(session(memfd(1, 4096, 0x31000000), name="vm", count=3))
    found = trip("7.3.4", "7.3.4", plan, edit=lambda w: w.put(w.find(b"vm-0\0"), b"VM"))
    assert said(found, "session/vm-0..2") == "LOST RETRIEVE_SESSION ENOENT"
    assert said(found, "memfd/vm-0..2/0x1") == "LOST RETRIEVE_SESSION ENOENT"
    assert (
        "2 of 3 came back unchanged"
        in next(o for o in found.objects if o.verdict == "LOST" and "memfd" in o.object_id).observation.notes
    )


def test_two_folios_at_one_index() -> None:
    """shmem_add_to_page_cache() answers EEXIST."""

    def twice(written: Written) -> None:
        written.put(folio(written, 1) + 8, 0)

    found = trip("7.3.4", "7.3.4", scenario(session(memfd())), edit=twice)
    assert said(found, "memfd/qual/0x1a") == "REFUSED RETRIEVE_FD EEXIST"


# --- sizes of blocks --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "release", "want", "spurious"),
    [
        ("reserve-mem-1g", "7.1.13", "RESTORED", False),
        ("reserve-mem-2g", "7.1.13", "RESTORED", True),  # 1 << 31 is negative: reserved to the end of memory
        ("reserve-mem-4g", "7.1.13", "CORRUPT", False),  # 1 << 32 is 1: nothing but the first page
        ("reserve-mem-2g", "7.2.13", "RESTORED", False),
        ("reserve-mem-4g", "7.2.13", "RESTORED", False),
        ("reserve-mem-2g", "6.18.15", "RESTORED", True),
        ("reserve-mem-4g", "6.18.15", "CORRUPT", False),
    ],
)
def test_sizes_that_do_not_fit_an_int(name: str, release: str, want: str, spurious: bool) -> None:
    found = run(name, release, release)
    assert verdict(found, "reserve_mem/alpha") == want
    assert (SPURIOUS in found.consequences) == spurious


def test_a_block_of_order_20_keeps_one_page() -> None:
    """From 7.1 to 7.1: what is left of 4 GiB."""
    _, _, target = boot(LIBRARY["reserve-mem-4g"], "7.1.13", "7.1.13")
    at = next(o for o in LIBRARY["reserve-mem-4g"].objects if isinstance(o, ReserveMem)).at
    assert target.reserved.ranges.covers(at, at + 4096)
    assert not target.reserved.ranges.covers(at, at + 8192)


# --- the jump -------------------------------------------------------------------------------------------


def test_scratch_contents_are_gone_after_the_jump() -> None:
    plan = scenario(ALPHA)
    state = freeze(Kernel(schema(), schema().release("7.3.4")), plan, 1)
    for region in plan.host.scratch:
        if region.size:
            state.memory.write(region.at, b"old" * 100)
    jump(state.memory, plan, state.handover)
    for region in plan.host.scratch:
        assert state.memory.read(region.at, min(region.size, 304)) == PATTERN * (min(region.size, 304) // 8)
    ((at, array),) = state.handover.segments
    assert state.memory.read(at, len(array)) == array, "but for what kexec put there"
    assert state.memory.read(ALPHA.at, 8) != PATTERN


def test_refused_handover_overwrites_all_memory() -> None:
    memory, _, target = boot(scenario(ALPHA, session(memfd())), "7.1.13", "7.3.4")
    assert not target.accepted
    for at in (0, ALPHA.at, 0x31777000, 0x3A400000, (1 << 30) - 4096):
        assert memory.read(at, 4096) == PATTERN * 512
    assert not target.leaked("memfd/qual/0x1a")


def test_accepted_handover_overwrites_what_nobody_reserved() -> None:
    memory, state, _ = boot(scenario(ALPHA), "7.3.4", "7.3.4")
    assert memory.read(ALPHA.at, ALPHA.size) == state.memory.read(ALPHA.at, ALPHA.size)
    assert memory.read(ALPHA.at + ALPHA.size, 4096) == PATTERN * 512
    book = scenario(ALPHA).placement.bookkeeping
    assert memory.read(book, 4096) == PATTERN * 512, "the nodes of the map are not preserved"


def test_the_scratch_array_is_what_the_target_goes_by() -> None:
    """Scratch where there is no RAM: the first early allocation is the last."""
    plan = scenario(ALPHA)
    state = freeze(Kernel(schema(), schema().release("7.3.4")), plan, 1)
    ((at, _),) = state.handover.segments
    jump(state.memory, plan, state.handover)
    state.memory.write(at, (1 << 40).to_bytes(8, "little"))
    seen = TargetKernel(Kernel(schema(), schema().release("7.3.4")), plan, state.memory, state.handover).run()
    assert seen.panic == "scratch memory lies where there is no RAM"


def test_early_memory_taken_from_the_wrong_scratch_overwrites_what_was_preserved() -> None:
    region = ALPHA.model_copy(update={"size": 64 << 20, "at": 0x30000000, "fill": "edges"})
    plan = scenario(region)
    state = freeze(Kernel(schema(), schema().release("7.3.4")), plan, 1)
    ((at, _),) = state.handover.segments
    jump(state.memory, plan, state.handover)
    # the largest region is taken to end where alpha ends
    state.memory.write(at, b"".join(n.to_bytes(8, "little") for n in (0x2C000000, 0x8000000, 0, 0, 0, 0)))
    seen = TargetKernel(Kernel(schema(), schema().release("7.3.4")), plan, state.memory, state.handover).run()
    assert judge(seen, Evidence.SIMULATED).objects[0].verdict == "CORRUPT"


def test_no_scratch_region_large_enough() -> None:
    found = run("operator-image-too-large", "7.3.4", "7.3.4")
    assert {o.verdict.value for o in found.objects} == {"UNSUPPORTED"}
    assert {o.observation.errno for o in found.objects} == {"EADDRNOTAVAIL"}
    none = scenario(ALPHA, host=Host(scratch=()), target={"image": 0})
    assert said(trip("7.3.4", "7.3.4", none), "reserve_mem/alpha") == "UNSUPPORTED source EADDRNOTAVAIL"


def test_early_memory_that_scratch_does_not_hold() -> None:
    found = run("operator-scratch-too-small", "7.3.4", "7.3.4")
    assert "out of scratch memory before the map was read" in found.detail


# --- leaks ------------------------------------------------------------------------------------------------


def test_what_was_given_back_is_not_leaked() -> None:
    found = run("mixed-with-kho-test", "7.3.4", "7.3.4")
    assert {o.verdict.value for o in found.objects} == {"RESTORED"}
    assert found.consequences == frozenset()


def test_leaks_are_those_of_the_objects_that_nobody_took() -> None:
    plan = scenario(ALPHA.model_copy(update={"target_asks": False}), session(memfd()), METADATA, KHO_TEST)
    found = trip("7.1.13", "7.1.13", plan)
    leaked = {o.object_id for o in found.objects if LEAKED in o.observation.consequences}
    assert leaked == {"reserve_mem/alpha"}


def test_a_crash_kernel_up_to_6_19_is_handed_what_it_cannot_reach() -> None:
    for release, want in (("6.18.15", "PANIC"), ("7.1.13", "LOST"), ("7.3.4", "LOST")):
        assert verdict(run("operator-crash-kernel", release, release), "reserve_mem/alpha") == want
