# SPDX-License-Identifier: Apache-2.0
"""Where blocks lie, against a slow and independent reference."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from qualify.scenario import (
    Folio,
    KhoTest,
    Memfd,
    ReserveMem,
    Session,
    file_blocks,
    folio_addresses,
    kho_test_blocks,
    reserve_blocks,
    session_files,
    split_range,
)

PAGE = 4096


def as_pairs(blocks: object) -> list[tuple[int, int]]:
    return [(int(at), int(order)) for at, order in blocks]  # type: ignore[attr-defined]


def reference(first: int, count: int) -> list[tuple[int, int]]:
    """Page by page: take the highest order for which the block is aligned and does not leave the range."""
    blocks = []
    page, end = first, first + count
    while page < end:
        order = max(o for o in range(53) if page % 2**o == 0 and page + 2**o <= end)
        blocks.append((page * PAGE, order))
        page += 2**order
    return blocks


@given(st.integers(0, 1 << 28), st.integers(0, 1 << 22))
def test_split_range_is_what_the_kernel_does(first: int, count: int) -> None:
    assert as_pairs(split_range(first * PAGE, count * PAGE)) == reference(first, count)


@given(st.integers(0, 1 << 28), st.integers(1, 1 << 30))
def test_split_range_covers_the_range_exactly(first: int, count: int) -> None:
    at = first
    for address, order in as_pairs(split_range(first * PAGE, count * PAGE)):
        assert address == at * PAGE
        assert at % (1 << order) == 0
        at += 1 << order
    assert at == first + count


def test_split_range_of_large_regions() -> None:
    assert as_pairs(split_range(4 << 30, 4 << 30)) == [(4 << 30, 20)]
    assert as_pairs(split_range(4 << 30, 2 << 30)) == [(4 << 30, 19)]
    assert as_pairs(split_range(0, 6 * PAGE)) == [(0, 2), (4 * PAGE, 1)]
    assert as_pairs(split_range(0x1000, 0)) == []


def test_split_range_with_other_pages() -> None:
    assert as_pairs(split_range(0x10000, 0x30000, page_size=0x10000)) == [(0x10000, 0), (0x20000, 1)]


def test_reserve_blocks_are_those_of_the_region() -> None:
    region = ReserveMem(kind="reserve-mem", name="a", size=3 * PAGE, at=0x3000)
    assert as_pairs(reserve_blocks(region)) == [(0x3000, 0), (0x4000, 1)]


def test_folios_follow_each_other_without_a_stride() -> None:
    file = Memfd(token=1, size=3 * PAGE + 1, at=0x10000)
    assert folio_addresses(file, 0).tolist() == [0x10000, 0x11000, 0x12000, 0x13000]
    assert folio_addresses(file, 1).tolist() == [0x14000, 0x15000, 0x16000, 0x17000]


def test_a_stride_spreads_folios_and_runs() -> None:
    file = Memfd(token=1, count=2, size=3 * PAGE, at=0x100000, order=1, stride=0x10000)
    assert folio_addresses(file, 0).tolist() == [0x100000, 0x110000]
    assert folio_addresses(file, 1).tolist() == [0x120000, 0x130000]
    assert as_pairs(file_blocks(file, 0)) == [(0x100000, 1), (0x110000, 1)]


def test_an_empty_file_has_no_blocks() -> None:
    assert file_blocks(Memfd(token=1, size=0, at=0), 0).shape == (0, 2)


@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 5), st.integers(0, 3))
def test_files_of_a_run_never_share_memory(sessions: int, count: int, pages: int, order: int) -> None:
    first = Memfd(token=0, count=count, size=pages * PAGE, at=0x10000000, order=order)
    session = Session(kind="session", name="s", count=sessions, files=(first,))
    seen: set[int] = set()
    for _, file, index in session_files(session):
        for at, o in as_pairs(file_blocks(file, index)):
            covered = set(range(at, at + (PAGE << o), PAGE))
            assert not covered & seen
            seen |= covered


def test_session_files_come_in_order_of_preservation() -> None:
    a, b = Memfd(token=0, count=2, size=PAGE, at=0), Memfd(token=9, size=PAGE, at=0x100000)
    session = Session(kind="session", name="s", count=2, files=(a, b))
    order = [(s, f.token, i) for s, f, i in session_files(session)]
    assert order == [(0, 0, 0), (0, 0, 1), (0, 9, 0), (1, 0, 2), (1, 0, 3), (1, 9, 1)]


def test_kho_test_blocks_are_its_folios() -> None:
    test = KhoTest(kind="kho-test", folios=(Folio(at=0x8000, order=3), Folio(at=0x1000)))
    assert as_pairs(kho_test_blocks(test)) == [(0x8000, 3), (0x1000, 0)]
