# SPDX-License-Identifier: Apache-2.0
"""Simulated targets booted on what real kernels handed over, with the contents that the objects had.

The verdicts on the same release, and those marked so, were seen on booted kernels (docs/observed.md).
"""

from __future__ import annotations

import hashlib

import pytest

from qualify.judge import judge
from qualify.machine.kernel import Kernel
from qualify.machine.roundtrip import jump
from qualify.machine.target import TargetKernel
from qualify.model import Consequence, Evidence, Outcome, Verdict
from tests.machine.golden_scenario import fill, handover_of, holes_of, number, scenario_of, truth_of
from tests.wire.golden import CAPTURES, golden, schema

RESTORED, LOST, CORRUPT, REFUSED, PANIC = (
    Verdict.RESTORED, Verdict.LOST, Verdict.CORRUPT, Verdict.REFUSED, Verdict.PANIC,
)  # fmt: skip

# the folio list of 7.3.4-big was left out of the capture
BOOTABLE = [name for name in CAPTURES if name != "7.3.4-big"]


def boot(name: str, target: str) -> Outcome:
    real = golden(name)
    memory, truth, scenario = real.memory(), truth_of(real), scenario_of(real)
    fill(real, memory, truth)
    handover = handover_of(real, scenario, truth)
    jump(memory, scenario, handover)
    seen = TargetKernel(Kernel(schema(), schema().release(target)), scenario, memory, handover).run()
    return judge(seen, Evidence.TRANSPLANTED)


def verdicts(outcome: Outcome) -> dict[str, Verdict]:
    return {o.object_id: o.verdict for o in outcome.objects}


@pytest.mark.parametrize("name", BOOTABLE)
def test_contents_are_those_of_the_capture(name: str) -> None:
    """The generator in this test gives the very bytes that the real kernel had: equal digests."""
    real, truth = golden(name), truth_of(golden(name))
    for region in real.known.get("reserve_mem", []):
        data = truth.contents(f"reserve_mem/{region['name']}", region["size"]).window(0, region["size"])
        assert hashlib.sha256(data.tobytes()).hexdigest() == region["sha256"]
    for session, file in real.files():
        data = truth.contents(f"session/{session}/0/{file['token']}", file["size"], holes_of(file))
        assert data.digest() == file["sha256"]
        assert len(real.data["contents_pages"][file["token"]]) == -(-file["size"] // 4096)


@pytest.mark.parametrize("name", BOOTABLE)
def test_same_release_restores_everything(name: str) -> None:
    outcome = boot(name, golden(name).data["release"])
    found = verdicts(outcome)
    assert len(found) >= 3
    dropped = schema().format(schema().release(golden(name).data["release"]).components["memfd"].writes or "").dropped \
        if golden(name).known["sessions"] else ()  # fmt: skip
    sealed = {f"memfd/{s}/{f['token']}" for s, f in golden(name).files() if number(f["seals_source"]) != 1}
    for object_id, verdict in found.items():
        degraded = object_id in sealed and "seals" in dropped
        assert verdict is (Verdict.DEGRADED if degraded else RESTORED), object_id
    assert outcome.consequences == frozenset()


@pytest.mark.parametrize(
    ("name", "target"), [("7.3.4", "7.2.13"), ("7.3.4-many", "7.2.13"), ("7.1.13", "7.1.3"), ("6.18.15", "6.19.11")]
)
def test_releases_with_the_same_bytes_restore_everything(name: str, target: str) -> None:
    assert set(verdicts(boot(name, target)).values()) == {RESTORED}


@pytest.mark.parametrize(
    ("name", "target"),
    [("6.19.11", "7.1.13"), ("7.1.13", "6.19.11"), ("7.1.13", "7.3.4"), ("7.3.4", "7.1.13"), ("6.18.15", "7.3.4")],
)
def test_another_string_boots_cold(name: str, target: str) -> None:
    """Seen: "handover FDT is incompatible", "disabling KHO revival"; everything lost, nothing leaked."""
    outcome = boot(name, target)
    found = verdicts(outcome)
    assert set(found.values()) == {LOST}
    assert Consequence.LEAKED not in outcome.consequences


def test_luo_without_flb_node_panics_7_0() -> None:
    outcome = boot("6.19.11", "7.0.13")
    assert set(verdicts(outcome).values()) == {PANIC}
    assert "luo-flb" in outcome.detail


def test_luo_without_a_reader_is_lost_and_leaked() -> None:
    """Seen: regions and kho_test come back, sessions do not and 64.3 MiB stay out of MemTotal."""
    outcome = boot("6.19.11", "6.18.15")
    found = verdicts(outcome)
    assert {found["reserve_mem/alpha"], found["reserve_mem/beta"], found["kho_test"]} == {RESTORED}
    assert found["session/qual"] is found["memfd/qual/0x1a"] is LOST
    leaked = {o.object_id for o in outcome.objects if Consequence.LEAKED in o.observation.consequences}
    assert leaked == {"memfd/qual/0x1a", "memfd/qual/0x1b", "session/qual"}


def test_a_missing_handler_refuses_every_session() -> None:
    """Seen on 7.1.13 without LIVEUPDATE_MEMFD: every open EIO, the empty session included; the others come back."""
    outcome = boot("7.1.13", "7.1.13-nomemfd")
    found = verdicts(outcome)
    assert {v for name, v in found.items() if name.split("/")[0] in ("session", "memfd")} == {REFUSED}
    assert {found["reserve_mem/alpha"], found["kho_test"], found["kexec-metadata"]} == {RESTORED}
    assert {Consequence.BLAST_RADIUS, Consequence.LEAKED, Consequence.NOT_RETRYABLE} <= outcome.consequences


def test_short_bitmaps_lose_what_lies_behind_bit_4095() -> None:
    """A real 6.18 map read as 6.17.8 reads it: alpha (one 4 MiB block, bit 250) is kept, beta (bit 0x7e03) is not."""
    found = verdicts(boot("6.18.15", "6.17.8"))
    assert found["reserve_mem/alpha"] is RESTORED
    assert found["reserve_mem/beta"] is CORRUPT
    assert found["kho_test"] is LOST  # the page of the root FDT was reused before kho_test could look
