# SPDX-License-Identifier: Apache-2.0
"""Databases that are made to be filled from others: filled, or not there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import func, select

from qualify.store.database import Store, open_store
from qualify.store.location import parse_location, sqlite_file
from qualify.store.models import RunRow

__all__ = ["filling"]


@contextmanager
def filling(location: str | Path) -> Iterator[Store]:
    """The database at `location`, made if need be. One that was made for this is taken away again if this fails."""
    file = sqlite_file(parse_location(str(location)))
    made = file is not None and not file.exists()
    with open_store(location) as store:
        kept = store.artefacts.folder.exists()
        try:
            yield store
        except BaseException:
            if made and file is not None:
                _take_away(store, file)
                if not kept:
                    shutil.rmtree(store.artefacts.folder, ignore_errors=True)
            raise


def _take_away(store: Store, file: Path) -> None:
    with store.writing() as connection:
        used = connection.scalar(select(func.count()).select_from(RunRow))
    if used:  # by another process, which found it there
        return
    store.close()
    for suffix in ("", "-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)
