# SPDX-License-Identifier: Apache-2.0
"""Reading an SQLite file where nothing can be written beside it: read-only media, somebody else's folder."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

from sqlalchemy.engine import URL

__all__ = ["read_only_options", "read_only_url"]


def read_only_options(file: Path) -> dict[str, str]:
    """What SQLite must be told to read `file`.

    In WAL mode even readers make files beside it, unless they are told that it cannot change. That is not to be said
    while a log holds commits: they would silently be left out. With the log's index at hand it can be read as it is.
    """
    real = file.resolve()
    log = real.with_name(f"{real.name}-wal")
    holds_commits = log.exists() and log.stat().st_size > 0
    if holds_commits or os.access(real.parent, os.W_OK):
        return {"mode": "ro"}
    return {"mode": "ro", "immutable": "1"}


def read_only_url(url: URL, file: Path) -> URL:
    """The same database, for reading alone; as it is where its folder can be written."""
    if os.access(file.resolve().parent, os.W_OK):
        return url
    path = f"file:{quote(str(file.resolve()))}"
    return url.set(database=path, query={**url.query, **read_only_options(file), "uri": "true"})
