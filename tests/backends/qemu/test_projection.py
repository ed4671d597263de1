# SPDX-License-Identifier: Apache-2.0
"""Scenarios to what a boot is told: the whole text, and names that stay unique and short."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qualify.agent import render
from qualify.backends.qemu.naming import free_name
from qualify.backends.qemu.projection import project
from qualify.scenario import LONGEST_NAME, library
from tests.backends.qemu.said import cell

LIBRARY = library()
COMMON = (
    "console=ttyS0 panic=-1 loglevel=7 printk.time=1 kho=on liveupdate=on kho_scratch=65536K,131072K,0K "
    "test_kho.max_mem=4096"
)


def test_a_shared_boot() -> None:
    """Sessions and regions of one name get others, in the order of the cells; no two files hold the same."""
    cells = [cell(LIBRARY[n]) for n in ("baseline", "memfd-sealed", "baseline", "memfd-sparse")]
    asked = project(cells, "x=1", "y=2 z")
    plan = asked.plan
    assert [(s.cell, s.name) for s in asked.sessions] == [(0, "qual"), (1, "qual-2"), (2, "qual-3"), (3, "qual-4")]
    assert [(r.cell, r.name) for r in asked.regions] == [(0, "alpha"), (2, "alpha-2")]
    assert [s.id for s in plan.sessions] == [0, 1, 2, 3]
    seeds = [f.seed for f in plan.files] + [r.seed for r in plan.regions]
    assert len(set(seeds)) == len(seeds)
    regions = "reserve_mem=4194304:4096:alpha reserve_mem=4194304:4096:alpha-2"
    assert asked.source_append == f"{COMMON} {regions} x=1 qualify.stage=source"
    assert asked.target_append == f"{COMMON} {regions} y=2 z"
    assert (asked.memory, asked.crash, asked.padded_initrd) == (1 << 30, False, 0)
    assert plan.load is not None
    assert plan.load.cmdline == f"{asked.target_append} qualify.stage=target"
    lines = [line.split(" seed=")[0] for line in render(plan).splitlines()]
    assert lines[:11] == [
        "plan version=1",
        "session id=0 name=qual", "session id=1 name=qual-2", "session id=2 name=qual-3", "session id=3 name=qual-4",
        "memfd session=0 token=0x1a size=4194304 position=0 create=0x0 seals=0x0",
        "memfd session=1 token=0x1a size=65536 position=0 create=0x2 seals=0xf",
        "memfd session=2 token=0x1a size=4194304 position=0 create=0x0 seals=0x0",
        "memfd session=3 token=0x1a size=131072 position=0 create=0x0 seals=0x0",
        "region id=0 name=alpha size=4194304 fill=full",
        "region id=1 name=alpha-2 size=4194304 fill=full",
    ]  # fmt: skip
    assert lines[11] == "finalise when=never"
    assert lines[13:] == ["want blobs=1"]
    assert "holes=0+4096,32768+65536,122880+8192" in render(plan)


@pytest.mark.parametrize(
    ("name", "release", "when", "words"),
    [
        ("baseline", "6.18.15", "before-load", "kho=on liveupdate=on"),
        ("baseline", "7.3.4", "never", "kho=on liveupdate=on"),
        ("operator-finalised-late", "6.18.15", "after-load", "kho=on"),
        ("operator-finalised-by-hand", "7.1.13", "before-load", "kho=on"),
        ("operator-source-without-kho", "7.1.13", "never", "kho=off"),
        ("operator-source-without-liveupdate", "7.1.13", "never", "liveupdate=off"),
        ("operator-crash-kernel", "7.1.13", "never", "crashkernel=256M"),
    ],
)
def test_what_the_operator_does(name: str, release: str, when: str, words: str) -> None:
    asked = project([cell(LIBRARY[name], release, release)])
    assert asked.plan.finalise.value == when
    assert words in asked.source_append
    assert "crashkernel" not in asked.target_append
    assert asked.crash == ("crash" in name)
    assert asked.plan.load is not None
    assert asked.plan.load.kind.value == ("crash" if asked.crash else "normal")


def test_what_the_target_asks_for() -> None:
    differs = project([cell(LIBRARY["reserve-mem-size-differs"])])
    assert "reserve_mem=65536:4096:alpha" in differs.source_append
    assert "reserve_mem=131072:4096:alpha" in differs.target_append
    silent = project([cell(LIBRARY["reserve-mem-not-asked"])])
    assert silent.source_append.count("reserve_mem=") > silent.target_append.count("reserve_mem=")


def test_huge_pages() -> None:
    file = next(f for f in project([cell(LIBRARY["memfd-hugetlb"])]).plan.files if f.hugetlb)
    assert (file.create, file.hugetlb) == (4 | 21 << 26, 2 << 20)  # MFD_HUGETLB | MFD_HUGE_2MB


@given(
    st.lists(st.text("ab-1", min_size=1, max_size=70), max_size=60),
    st.sampled_from(sorted(LONGEST_NAME.values())),
)
def test_names_are_unique_and_as_long_as_they_may_be(names: list[str], longest: int) -> None:
    taken: set[str] = set()
    for name in names:
        short = name[:longest]
        found = free_name(short, taken, longest)
        assert found not in taken
        assert 0 < len(found) <= longest
        assert found == short or len(found) >= min(len(short), longest)
        taken.add(found)
    assert len(taken) == len(names)


@given(
    st.lists(
        st.sampled_from(sorted(n for n, p in LIBRARY.items() if p.touched_bytes < 1 << 20)), max_size=8, min_size=1
    )
)
def test_any_cells_together_make_a_plan_that_can_be_said(names: list[str]) -> None:
    asked = project([cell(LIBRARY[n]) for n in names])
    assert len({s.name for s in asked.sessions}) == len(asked.sessions)
    assert len({r.name for r in asked.regions}) == len(asked.regions)
    assert all(len(s.name) <= LONGEST_NAME["session"] for s in asked.sessions)
    assert all(
        len(r.name) <= LONGEST_NAME["reserve-mem"]
        for r in asked.regions
        if len(r.region.name) <= LONGEST_NAME["reserve-mem"]
    )
    if len(asked.target_append) < 1900:
        render(asked.plan)
