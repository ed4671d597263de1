# SPDX-License-Identifier: Apache-2.0
"""Valid handovers with words changed anywhere in what the source wrote, and nonsense in place of it, into every target.

Whatever is read, a simulated target ends in a verdict: never in another exception, never without end, never in memory
that does not stay in proportion.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qualify.judge import judge
from qualify.machine.handover import Handover
from qualify.machine.kernel import Kernel
from qualify.machine.memory import PhysicalMemory
from qualify.machine.roundtrip import Frozen, freeze, thaw
from qualify.machine.target import TargetKernel
from qualify.model import Evidence, Outcome, Verdict
from qualify.scenario import Flb, Folio, KexecMetadata, KhoTest, Memfd, ReserveMem, Scenario, Session
from qualify.schema import Release
from tests.bounds import bounded
from tests.wire.golden import golden, schema

BOUND = 256 << 20  # bytes; a target that survives looks at 1 GiB of RAM
RELEASES = schema().releases

SCENARIO = Scenario(
    id="everything",
    title="everything",
    purpose="one of each kind, small",
    objects=(
        ReserveMem(kind="reserve-mem", name="alpha", size=64 << 10, at=0x3F9DD000),
        Session(
            kind="session",
            name="qual",
            files=(
                Memfd(token=0x1A, size=20001, at=0x31777000, seals=("shrink",)),
                Memfd(token=0x1B, size=1 << 16, at=0x32000000, order=3, holes=((0, 4096),)),
            ),
        ),
        Session(kind="session", name="run", count=3, files=(Memfd(token=1, count=2, size=4096, at=0x33000000),)),
        Flb(kind="flb", name="liveupdate-test-flb-v0", data=0x1122334455667788),
        KexecMetadata(kind="kexec-metadata"),
        KhoTest(kind="kho-test", folios=(Folio(at=0x35001000), Folio(at=0x35010000, order=4))),
    ),
)


@cache
def frozen(label: str) -> Frozen:
    return freeze(Kernel(schema(), schema().release(label)), SCENARIO, 1)


@cache
def places(label: str) -> tuple[int, ...]:
    """The address of every word that is not zero in what the source wrote for itself."""
    memory, found = frozen(label).memory, []
    for start in (SCENARIO.placement.metadata, SCENARIO.placement.bookkeeping):
        data = memory.array(start, 1 << 20).view("<u8")
        found += (start + 8 * np.flatnonzero(data)).tolist()
    return tuple(found)


def boot(release: Release, state: Frozen) -> Outcome:
    with bounded(BOUND):
        outcome = judge(thaw(state, Kernel(schema(), release), SCENARIO), Evidence.SIMULATED)
    assert outcome.verdict is not None
    assert len(outcome.objects) >= len(SCENARIO.object_ids)
    return outcome


def changed(label: str, words: dict[int, int], kho_data: bytes | None = None) -> Frozen:
    """The state of a source with some words of RAM, or its setup_data, replaced."""
    state = frozen(label)
    memory = state.memory.fork()
    assert memory is not None
    for at, word in words.items():
        memory.write(at, word.to_bytes(8, "little"))
    handover = replace(state.handover, kho_data=kho_data if kho_data is not None else state.handover.kho_data)
    return Frozen(memory, handover, 0.0)


special = st.sampled_from(
    [
        0,
        1,
        2,
        0x1000,
        0x3A400000,
        0x3A401000,
        0x3C000000,
        0x3C001000,
        0x3FFFF000,
        0x40000000,
        1 << 32,
        1 << 63,
        (1 << 64) - 1,
    ]
)


@st.composite
def changes(draw: st.DrawFn, label: str) -> dict[int, int]:
    """Words that held something get a bit flipped, a byte swapped, or a number that means something elsewhere."""
    found: dict[int, int] = {}
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.sampled_from(places(label)))
        old = int.from_bytes(frozen(label).memory.read(at, 8), "little")
        change = draw(
            st.one_of(st.integers(0, 63).map(lambda b: 1 << b), st.integers(0, 7).map(lambda b: 0xFF << 8 * b))
        )
        found[at] = draw(st.one_of(st.just(old ^ change), special, st.sampled_from(places(label))))
    return found


@pytest.mark.parametrize("release", RELEASES, ids=lambda r: r.label)
def test_the_handover_is_good_before_it_is_changed(release: Release) -> None:
    worst = boot(release, changed(release.label, {})).verdict
    assert worst in (Verdict.RESTORED, Verdict.DEGRADED)  # DEGRADED: memfd-v1 drops the seals


@pytest.mark.parametrize("release", RELEASES, ids=lambda r: r.label)
@given(data=st.data())
@settings(max_examples=settings().max_examples // 2)
def test_changed_words_end_in_a_verdict(release: Release, data: st.DataObject) -> None:
    boot(release, changed(release.label, data.draw(changes(release.label))))


@pytest.mark.parametrize("source", ["6.17.8", "6.19.11", "7.1.13", "7.3.4"])
@given(data=st.data())
def test_changed_words_of_another_release_end_in_a_verdict(source: str, data: st.DataObject) -> None:
    target = data.draw(st.sampled_from(RELEASES))
    boot(target, changed(source, data.draw(changes(source))))


@pytest.mark.parametrize("release", RELEASES, ids=lambda r: r.label)
@given(kho_data=st.one_of(st.binary(max_size=40), st.lists(special, min_size=4, max_size=4)))
@settings(max_examples=settings().max_examples // 3)
def test_any_setup_data_ends_in_a_verdict(release: Release, kho_data: bytes | list[int]) -> None:
    raw = kho_data if isinstance(kho_data, bytes) else b"".join(w.to_bytes(8, "little") for w in kho_data)
    outcome = boot(release, changed(release.label, {}, raw))
    assert outcome.verdict in (Verdict.LOST, Verdict.PANIC)  # PANIC: the root FDT is right and the scratch array is not


@pytest.mark.parametrize("label", ["6.17.8", "6.19.11", "7.1.13", "7.3.4"])
@given(noise=st.integers(0, (1 << 32) - 1), share=st.sampled_from([0.001, 0.01, 0.2, 1.0]))
@settings(max_examples=settings().max_examples // 3)
def test_noise_ends_in_a_verdict(label: str, noise: int, share: float) -> None:
    """Random bytes over a share of everything that the source wrote for itself but the root FDT."""
    where = [at for at in places(label) if at >= SCENARIO.placement.metadata + 4096]
    dice = np.random.Generator(np.random.PCG64(noise))
    picked = dice.choice(where, max(int(share * len(where)), 1), replace=False)
    values = dice.integers(0, (1 << 64) - 1, len(picked), dtype=np.uint64)
    boot(schema().release(label), changed(label, dict(zip(picked.tolist(), values.tolist(), strict=True))))


@pytest.mark.parametrize("name", ["6.18.15", "6.19.11", "7.1.13", "7.3.4"])
@given(data=st.data())
@settings(max_examples=settings().max_examples // 3)
def test_changed_pages_of_real_kernels_end_in_a_verdict(name: str, data: st.DataObject) -> None:
    real = golden(name)
    memory = real.memory()
    scratch = {at for at in real.roles if real.roles[at] == "scratch array"}
    pages = sorted(set(real.pages) - scratch)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.sampled_from(pages)) + 8 * data.draw(st.integers(0, 511))
        old = int.from_bytes(memory.read(at, 8), "little")
        word = data.draw(
            st.one_of(st.integers(0, 63).map(lambda b, o=old: o ^ 1 << b), special, st.sampled_from(pages))
        )
        memory.write(at, word.to_bytes(8, "little"))
    good = frozen(real.data["release"]).handover
    handover = Handover(real.kho_data, tuple((at, real.pages[at]) for at in scratch), good.offers, good.truth)
    with bounded(BOUND):
        seen = TargetKernel(real.kernel, SCENARIO, memory, handover).run()
    assert judge(seen, Evidence.SIMULATED).verdict is not None


def pointers(label: str) -> list[int]:
    """Where the words stand that lead from page to page in a handover of this release."""
    memory = frozen(label).memory
    low, high = SCENARIO.placement.metadata, SCENARIO.placement.bookkeeping + (1 << 20)
    return [at for at in places(label) if low <= int.from_bytes(memory.read(at, 8), "little") < high]


@pytest.mark.parametrize("label", ["6.17.8", "6.19.11", "7.1.13", "7.3.4"])
def test_every_pointer_turned_wild(label: str) -> None:
    """One pointer at a time leads out of RAM, to its own page, or nowhere: a verdict each time, and PANIC somewhere."""
    found: set[Verdict | None] = set()
    for at in pointers(label):
        for word in (1 << 45, at & ~0xFFF, 0):
            state = changed(label, {at: word})
            kernel = Kernel(schema(), schema().release(label))
            found.add(judge(thaw(state, kernel, SCENARIO), Evidence.SIMULATED).verdict)
    assert Verdict.PANIC in found
    assert None not in found


def test_nothing_is_read_from_a_short_setup_data() -> None:
    outcome = boot(schema().release("7.3.4"), changed("7.3.4", {}, b"\0\0\0"))
    assert outcome.verdict is Verdict.LOST
    assert any("failed to memremap FDT" in line for line in outcome.log)


def test_memory_that_was_never_written_is_no_handover() -> None:
    memory = PhysicalMemory(SCENARIO.host.ram)
    good = frozen("7.3.4").handover
    seen = TargetKernel(Kernel(schema(), schema().release("7.3.4")), SCENARIO, memory, good).run()
    assert judge(seen, Evidence.SIMULATED).verdict is Verdict.LOST
