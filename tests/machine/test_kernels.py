# SPDX-License-Identifier: Apache-2.0
"""Parts of the simulated kernels by themselves, and releases that are odd but possible."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qualify.errors import HarnessError
from qualify.machine.allocator import Pages
from qualify.machine.checksum import csum_partial
from qualify.machine.contents import Contents
from qualify.machine.kernel import Kernel
from qualify.machine.reserved import Reserved
from qualify.machine.roundtrip import freeze, memory_for, thaw
from qualify.scenario import library
from qualify.schema import Schema
from tests.machine.bench import ALPHA, FLB, KHO_TEST, METADATA, memfd, scenario, session, trip
from tests.wire.golden import schema

ALL = scenario(ALPHA, session(memfd()), FLB, METADATA, KHO_TEST)


def without(label: str, component: str, **changes: object) -> Schema:
    """The schema with one release's component changed."""
    release = schema().release(label)
    spec = release.components[component].model_copy(update=changes)
    other = release.model_copy(update={"components": {**release.components, component: spec}})
    releases = tuple(other if r.label == label else r for r in schema().releases)
    return Schema(schema().components, schema().structs, schema().formats, releases)


COMPONENTS = ["kho", "luo", "luo-session", "luo-file", "luo-flb", "memfd", "reserve-mem", "kexec-metadata", "kho-test"]


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_release_that_reads_nothing_of_a_component(component: str) -> None:
    """As if it had no reader: never RESTORED, and never an error of the harness."""
    seen = trip("7.1.13", "7.1.13", ALL, schemas=(schema(), without("7.1.13", component, reads=())))
    named = {
        "kho": "reserve_mem", "luo": "session", "luo-session": "session", "luo-file": "memfd", "luo-flb": "flb",
        "memfd": "memfd", "reserve-mem": "reserve_mem", "kexec-metadata": "kexec-metadata", "kho-test": "kho_test",
    }[component]  # fmt: skip
    verdicts = {o.object_id.split("/")[0]: o.verdict.value for o in seen.objects}
    assert verdicts[named] in ("LOST", "REFUSED")


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_release_that_writes_nothing_of_a_component(component: str) -> None:
    seen = trip("7.1.13", "7.1.13", ALL, schemas=(without("7.1.13", component, writes=None), schema()))
    verdicts = {o.object_id.split("/")[0]: o.verdict.value for o in seen.objects}
    gone = {
        "kho": set(verdicts), "luo": {"session", "memfd", "flb"}, "luo-session": {"session", "memfd", "flb"},
        "luo-file": {"memfd", "flb"}, "luo-flb": {"flb"}, "memfd": {"memfd", "flb"}, "reserve-mem": {"reserve_mem"},
        "kexec-metadata": {"kexec-metadata"}, "kho-test": {"kho_test"},
    }[component]  # fmt: skip
    if component in ("luo-session", "luo-flb"):  # a target that insists on the node panics
        assert set(verdicts.values()) <= {"PANIC", "UNSUPPORTED"}
    else:
        assert {name for name, verdict in verdicts.items() if verdict == "UNSUPPORTED"} == gone


# --- allocator --------------------


def test_pages_are_naturally_aligned_and_rounded_up() -> None:
    pages = Pages(0x1000, 4096, 1 << 20)
    assert [pages.preserve(), pages.preserve(3), pages.allocate(), pages.preserve(2)] == [
        0x1000,
        0x4000,
        0x8000,
        0xA000,
    ]
    assert pages.preserved().tolist() == [[0x1000, 0], [0x4000, 2], [0xA000, 1]]
    mark = pages.mark()
    pages.preserve()
    assert pages.since(mark).tolist() == [[0xC000, 0]]
    assert pages.used == 12


def test_a_source_that_needs_more_than_its_room() -> None:
    pages = Pages(0x1000, 4096, 2 * 4096)
    pages.allocate()
    with pytest.raises(HarnessError, match="needs more than 8192 bytes at 0x1000; move placement apart"):
        pages.allocate(2)


# --- kho_restore_page() --------------------


def reserved(label: str, *blocks: tuple[int, int]) -> Reserved:
    return Reserved.of(Kernel(schema(), schema().release(label)), np.array(blocks, dtype=np.uint64).reshape(-1, 2))


def restore(state: Reserved, *addresses: int) -> list[bool]:
    return state.restore(np.array(addresses, dtype=np.uint64))[0].tolist()


def test_each_page_comes_back_once() -> None:
    state = reserved("7.3.4", (0x3000, 0), (0x8000, 3))
    assert restore(state, 0x2000, 0x3000, 0x3000, 0x9000, 0x8000) == [False, True, False, False, True]
    assert restore(state, 0x3000, 0x8000) == [False, False]
    assert not state.still_holds(np.array([(0x3000, 0)], dtype=np.uint64))


def test_without_the_check_any_page_comes_back() -> None:
    state = reserved("6.17.8", (0x3000, 0))
    assert restore(state, 0x2000, 0x3000, 0x3000) == [True, True, True]
    assert restore(reserved("6.17.8"), 0x2000) == [True]
    assert restore(reserved("6.18.15"), 0x2000) == [False]


def test_orders_beyond_the_largest() -> None:
    """6.18 to 7.0 look at the order, 7.1 does not."""
    assert restore(reserved("6.18.15", (0, 10), (1 << 30, 11)), 0, 1 << 30) == [True, False]
    assert restore(reserved("7.1.13", (0, 10), (1 << 30, 11)), 0, 1 << 30) == [True, True]


def test_what_was_not_restored_is_still_held() -> None:
    state = reserved("7.3.4", (0x3000, 0), (0x8000, 3))
    restore(state, 0x3000)
    assert state.still_holds(np.array([(0x3000, 0), (0x8000, 3)], dtype=np.uint64))
    assert not state.still_holds(np.array([(0x3000, 0), (0x4000, 0)], dtype=np.uint64))


# --- contents --------------------


@given(st.binary(min_size=8, max_size=8 * 64).map(lambda b: b[: len(b) // 8 * 8]), st.integers(0, (1 << 32) - 1))
def test_checksum_is_the_ones_complement_sum_of_32_bit_words(data: bytes, start: int) -> None:
    total = start + sum(int.from_bytes(data[i : i + 4], "little") for i in range(0, len(data), 4))
    found = csum_partial(np.frombuffer(data, dtype=np.uint8), start)
    assert found < 1 << 32
    assert found % 0xFFFFFFFF == total % 0xFFFFFFFF


@given(st.integers(1, 40_000), st.integers(0, 9), st.integers(1, 12_288))
def test_windows_of_contents_are_parts_of_the_whole(size: int, page: int, length: int) -> None:
    holes = ((4096, 4096),) if size > 8192 else ()
    contents = Contents(77, size, holes)
    whole = b"".join(part.tobytes() for _, part in contents.windows(8192))
    assert len(whole) == size
    start = min(page * 4096, size // 4096 * 4096)
    assert contents.window(start, length).tobytes() == whole[start : start + length]
    assert not holes or not any(whole[4096:8192])


def test_every_page_of_every_object_is_different() -> None:
    pages = [Contents(seed, 6 << 20).window(at, 4096).tobytes() for seed in (1, 2) for at in range(0, 6 << 20, 1 << 19)]
    assert len(set(pages)) == len(pages)


@pytest.mark.parametrize(("windows", "mapped"), [(1 << 20, 1 << 20), (64 << 20, 16 << 20)])
def test_memory_is_mapped_in_the_windows_that_a_file_asks_for(windows: int, mapped: int) -> None:
    memory = memory_for(scenario(session(memfd(size=1 << 20, windows=windows), memfd(token=2))))
    memory.write(0, b"x")
    assert memory.touched == mapped


# --- keeping a source for several targets --------------------


def test_what_is_mapped_in_windows_cannot_be_kept() -> None:
    plan = scenario(session(memfd(size=1 << 20, windows=1 << 20)))
    kernel = Kernel(schema(), schema().release("7.3.4"))
    state = freeze(kernel, plan, 1)
    with pytest.raises(HarnessError, match="mapped in windows cannot be kept for a second target"):
        thaw(state, kernel, plan, keep=True)
    assert {o.reply.value for o in thaw(state, kernel, plan).objects} == {"given"}


def test_a_kept_source_is_not_changed_by_its_targets() -> None:
    plan = library()["mixed"]
    kernel = Kernel(schema(), schema().release("7.3.4"))
    state = freeze(kernel, plan, 1)
    before = state.memory.read(plan.placement.metadata, 1 << 20)
    first, second = thaw(state, kernel, plan, keep=True), thaw(state, kernel, plan, keep=True)
    assert first.objects == second.objects
    assert state.memory.read(plan.placement.metadata, 1 << 20) == before
