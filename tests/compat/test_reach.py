# SPDX-License-Identifier: Apache-2.0
"""Which blocks a target reserves, against a slow model that sets and reads single bits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qualify.compat.cargo import Consignment, consign, pack
from qualify.compat.pagesize import other_page_size
from qualify.compat.profile import Profiles
from qualify.compat.reach import reach
from qualify.scenario import Memfd, Placement, ReserveMem, Scenario, Session, library, reserve_blocks
from qualify.schema import ChunkListMap, load

SCHEMA = load()


def one_region(at: int, size: int, ram: int = 64 << 30, metadata: int = 0x3A400000) -> Scenario:
    return Scenario.model_validate(
        {
            "id": "region",
            "title": "",
            "purpose": "",
            "host": {"ram": ram},
            "placement": Placement(metadata=metadata),
            "objects": [ReserveMem(kind="reserve-mem", name="r", size=size, at=at)],
        }
    )


def slow(scenario: Scenario, written: int, read: int) -> bool:
    """Whether every block of the only region is found again when its bits are set and read one by one."""
    region = scenario.objects[0]
    assert isinstance(region, ReserveMem)
    bitmaps: dict[tuple[int, int], set[int]] = {}
    for at, order in reserve_blocks(region).tolist():
        bit = at >> (12 + order)
        bitmaps.setdefault((order, bit // written), set()).add(bit % written)
    found = {
        (((window * written) << (12 + order)) + (bit << (12 + order)), order)
        for (order, window), bits in bitmaps.items()
        for bit in bits
        if bit < read
    }
    return found == {(at, order) for at, order in reserve_blocks(region).tolist()}


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 8 << 20), st.integers(1, 5000), st.sampled_from([4096, 32768]), st.sampled_from([512, 4096]))
def test_short_reads(page: int, pages: int, written: int, read: int) -> None:
    scenario = one_region(page * 4096, pages * 4096)
    cargo = pack(scenario)
    shift, mine, theirs = np.uint64(12), np.uint64(written), np.uint64(read)
    found = reach(
        cargo, Consignment((None,)), lambda at, order: (at >> (shift + order)) % mine < theirs, page_size=4096
    )
    assert found.covers[0].whole == slow(scenario, written, read)


def test_group_of_files_is_laid_out_one_after_the_other() -> None:
    """The vectorised blocks of a run equal those of its files one by one, over all sessions."""
    file = Memfd(token=1, count=3, size=3 * 8192, at=0x30000000, order=1, stride=16384)
    session = Session(kind="session", name="s", count=2, files=(file,))
    scenario = Scenario(id="run", title="", purpose="", objects=(session,))
    cargo = pack(scenario)
    found = cargo.blocks(cargo.items[1], 4096)
    expected = [(0x30000000 + i * 16384, 1) for i in range(2 * 3 * 3)]
    assert [tuple(row) for row in found.tolist()] == expected


def test_first_and_later_folios_are_told_apart() -> None:
    file = Memfd(token=1, count=2, size=8192, at=0x30000000)
    cargo = pack(Scenario(id="f", title="", purpose="", objects=(Session(kind="session", name="s", files=(file,)),)))
    sent = Consignment((None, None))
    for missing, (first, later) in {0: (True, False), 1: (False, True), 3: (False, True)}.items():
        gone = np.uint64(0x30000000 + missing * 4096)
        cover = reach(cargo, sent, lambda at, order, gone=gone: at != gone, page_size=4096).covers[1]  # type: ignore[misc]
        assert (cover.first, cover.later) == (first, later)
        assert cover.any
        assert not cover.whole


@pytest.mark.parametrize(("pages", "expected"), [((4096, 65536), None), ((4096, 4096), True)])
def test_other_page_size(pages: tuple[int, int], expected: bool | None) -> None:
    """64 KiB pages name addresses beyond RAM; the same page size would name the right ones."""
    cargo = pack(one_region(0x3F9DD000, 4 << 20, ram=1 << 30))
    bitmaps = ChunkListMap(
        kind="chunk-list", header="khoser_mem_chunk_hdr", entry="khoser_mem_bitmap_ptr", bitmap_bytes=4096
    )
    found = other_page_size(cargo, Consignment((None,)), (bitmaps, bitmaps), pages, 1 << 30)
    assert (found if found is None else found.reach.covers[0].whole) == expected


def test_consignment_of_the_library() -> None:
    """Containers take exactly what fits."""
    profiles = Profiles(SCHEMA)
    for name, label, refused in [
        ("files-128", "7.1", 0),
        ("files-129", "7.1", 1),
        ("files-129", "7.2", 0),
        ("sessions-819", "6.19", 0),
        ("sessions-820", "6.19", 1),
        ("sessions-820", "7.3", 0),
    ]:
        sent = consign(SCHEMA, pack(library()[name]), profiles.profile(SCHEMA.release(label)))
        assert sum(why is not None for why in sent.refused) == refused, (name, label)
