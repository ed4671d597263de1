# SPDX-License-Identifier: Apache-2.0
"""Which blocks of memory a scenario's objects occupy: (physical address, order) pairs, vectorised."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from qualify.scenario.objects import KhoTest, Memfd, ReserveMem, Session

__all__ = [
    "Blocks",
    "file_blocks",
    "folio_addresses",
    "kho_test_blocks",
    "reserve_blocks",
    "session_files",
    "split_range",
]

# shape (n, 2) uint64: physical address in bytes, order
Blocks = npt.NDArray[np.uint64]


def _blocks(pairs: list[tuple[int, int]]) -> Blocks:
    return np.array(pairs, dtype=np.uint64).reshape(-1, 2)


def split_range(start: int, size: int, page_size: int = 4096) -> Blocks:
    """A page range as kho_preserve_pages() records it: the largest aligned power of two that fits, again and again.

    `start` and `size` in bytes, multiples of the page size; source: kho_preserve_pages() in every release with KHO.
    """
    pairs = []
    page, end = start // page_size, (start + size) // page_size
    while page < end:
        order = (end - page).bit_length() - 1
        if page:
            order = min((page & -page).bit_length() - 1, order)
        pairs.append((page * page_size, order))
        page += 1 << order
    return _blocks(pairs)


def folio_addresses(file: Memfd, index: int, page_size: int = 4096) -> npt.NDArray[np.uint64]:
    """Addresses of the folios of the `index`-th file of a run, in file order; shape (n,)."""
    span = page_size << file.order
    count = -(-file.size // span)
    stride = file.stride or span
    base = file.at + index * count * stride
    return np.uint64(base) + np.arange(count, dtype=np.uint64) * np.uint64(stride)


def file_blocks(file: Memfd, index: int, page_size: int = 4096) -> Blocks:
    """The folios of one file of a run as blocks."""
    where = folio_addresses(file, index, page_size)
    return np.stack([where, np.full_like(where, file.order)], axis=1)


def session_files(session: Session) -> list[tuple[int, Memfd, int]]:
    """(session index, file, index of the file within its run) for every single file, in order of preservation.

    The files of session i follow those of session i-1 in memory.
    """
    return [(s, f, s * f.count + i) for s in range(session.count) for f in session.files for i in range(f.count)]


def kho_test_blocks(test: KhoTest) -> Blocks:
    """The folios of lib/test_kho.c as blocks."""
    return _blocks([(f.at, f.order) for f in test.folios])


def reserve_blocks(region: ReserveMem, page_size: int = 4096) -> Blocks:
    """The blocks of one reserve_mem region."""
    return split_range(region.at, region.size, page_size)
