# SPDX-License-Identifier: Apache-2.0
"""Which files go into a page, within a limit: first the logs of what needs explaining, then the rest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from qualify.errors import StoreError
from qualify.report.cells import CellRow, FileRow
from qualify.report.filetext import HEAD, LIMIT, FileText, is_text, packed_text
from qualify.store import ArtefactStore

__all__ = ["TOTAL", "load_texts"]

TOTAL = 8 << 20
"""Bytes of packed files in one page; a log takes about a seventh of its size."""

_FULL = FileText(why="the page is full")


def load_texts(store: ArtefactStore, cells: Sequence[CellRow], total: int = TOTAL) -> dict[str, FileText]:
    """Digest -> what of the file goes into the page. Equal files, such as those of a shared boot, are there once."""
    texts: dict[str, FileText] = {}
    used = 0
    for file in _in_order(cells):
        if file.sha256 in texts:
            continue
        found = _read(store, file) if used < total else _FULL
        if used + len(found.data) > total:
            found = _FULL
        used += len(found.data)
        texts[file.sha256] = found
    return texts


def _in_order(cells: Iterable[CellRow]) -> Iterator[FileRow]:
    ranked = sorted(cells, key=_urgency)
    files = [f for c in ranked for f in (*c.files, *(f for r in c.repeats for f in r.files)) if is_text(f.name)]
    yield from (f for f in files if f.name.endswith(".log"))
    yield from (f for f in files if not f.name.endswith(".log"))


def _urgency(cell: CellRow) -> tuple[bool, bool, bool, int]:
    severity = cell.verdict.severity if cell.verdict is not None else 0
    return cell.verdict is not None, cell.agrees is not False, not cell.unstable, -severity


def _read(store: ArtefactStore, file: FileRow) -> FileText:
    try:
        if file.size <= LIMIT:
            return packed_text(store.read(file.sha256))
        with store.path(file.sha256).open("rb") as opened:
            head = opened.read(HEAD)
            opened.seek(HEAD - LIMIT, 2)
            return packed_text(head, opened.read(LIMIT - HEAD), file.size - LIMIT)
    except StoreError as error:
        return FileText(why=str(error))
    except OSError as error:
        return FileText(why=f"it cannot be read: {error.strerror}")
