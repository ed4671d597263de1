# SPDX-License-Identifier: Apache-2.0
"""Where a database is: what --db may say, and where artefacts go beside it."""

from __future__ import annotations

from pathlib import Path

import platformdirs
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from qualify.errors import StoreError

__all__ = ["artefact_folder", "default_location", "parse_location", "sqlite_file"]


def default_location(folder: Path | None = None) -> str:
    """``reports/qualify.sqlite`` where there is a reports folder, else the user's data folder."""
    reports = (folder or Path.cwd()) / "reports"
    if reports.is_dir():
        return str(reports / "qualify.sqlite")
    return str(platformdirs.user_data_path("qualify") / "qualify.sqlite")


def parse_location(location: str) -> URL:
    """A URL as it is, anything else as the path of an SQLite file."""
    if "://" not in location:
        if not location or location == ":memory:":
            raise StoreError(f"'{location}' is not a database that lasts; give a path or a URL")
        return URL.create("sqlite", database=str(Path(location).expanduser()))
    try:
        url = make_url(location)
    except ArgumentError as error:
        raise StoreError(
            f"'{location}' is not a database URL; expected for example sqlite:///path/to.sqlite"
        ) from error
    if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
        raise StoreError(f"'{location}' is not a database that lasts; give a path or a URL")
    return url


def sqlite_file(url: URL) -> Path | None:
    """The file of an SQLite URL; None for servers."""
    return Path(str(url.database)) if url.get_backend_name() == "sqlite" else None


def artefact_folder(url: URL) -> Path:
    """Beside an SQLite file; in the user's data folder for a server."""
    file = sqlite_file(url)
    if file is None:
        return platformdirs.user_data_path("qualify") / "artefacts"
    return file.with_name(file.name + ".artefacts")
