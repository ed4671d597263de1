# SPDX-License-Identifier: Apache-2.0
"""Writing files where the user says: whole or not at all, through links and pipes, and never over the evidence."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO

from qualify.cli.output import FITTING
from qualify.errors import UsageError
from qualify.store.location import artefact_folder, parse_location, sqlite_file

__all__ = ["check_output", "default_output", "write_file", "writing", "writing_bytes"]

#: What SQLite and `qualify run` keep beside a database.
_BESIDE = ("", "-wal", "-shm", "-journal", ".lock")


def default_output(location: str, name: str) -> Path:
    """Where a file goes that has no path: the reports folder where there is one, else beside the database."""
    reports = Path("reports")
    database = sqlite_file(parse_location(location))
    return reports / name if reports.is_dir() or database is None else database.with_name(name)


def check_output(path: Path, location: str) -> None:
    """UsageError now rather than after hours of work: when nothing can be written there."""
    target, whole = _target(path, location)
    if whole:
        with _trouble(path):
            target.parent.mkdir(parents=True, exist_ok=True)
            unfinished = _unfinished(target)
            unfinished.open("w").close()
            unfinished.unlink()


def write_file(text: str, path: Path, location: str) -> None:
    """A whole text; see `writing`. Makes the folders that it needs."""
    with writing(path, location, folders=True) as file:
        file.write(text)


@contextmanager
def writing(path: Path, location: str, *, folders: bool = False, errors: str = FITTING) -> Iterator[TextIO]:
    """A UTF-8 file: complete under its name or not there, so that a reader never meets half of it.

    Links are followed; what is no regular file (a pipe, a device) is written to and stays what it is. `location` is the
    database that is open. UsageError when it cannot be written, or is a file of that database.
    """
    with _place(path, location, folders=folders) as place, place.open("w", encoding="utf-8", errors=errors) as file:
        yield file


@contextmanager
def writing_bytes(path: Path, location: str) -> Iterator[BinaryIO]:
    """Bytes as they are; otherwise as `writing`."""
    with _place(path, location) as place, place.open("wb") as file:
        yield file


@contextmanager
def _place(path: Path, location: str, *, folders: bool = False) -> Iterator[Path]:
    """Where to write: what is there takes the name when all went well."""
    target, whole = _target(path, location)
    with _trouble(path):
        if not whole:
            yield target
            return
        if folders:
            target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = _unfinished(target)
        try:
            yield unfinished
            if target.exists():
                unfinished.chmod(stat.S_IMODE(target.stat().st_mode))
            unfinished.replace(target)
        finally:
            unfinished.unlink(missing_ok=True)


def _target(path: Path, location: str) -> tuple[Path, bool]:
    """(what to write, whether it is a regular file or none yet, so that a finished one can take its place)."""
    with _trouble(path):
        _refuse_database(path, location)
        try:
            mode = path.stat().st_mode
        except FileNotFoundError:
            return Path(os.path.realpath(path)), True
    if stat.S_ISDIR(mode):
        raise UsageError(f"cannot write {path}: it is a folder; give the path of a file in it")
    if stat.S_ISREG(mode):
        return Path(os.path.realpath(path)), True
    return path, False


def _refuse_database(path: Path, location: str) -> None:
    url = parse_location(location)
    database = sqlite_file(url)
    if database is None:
        return
    real = Path(os.path.realpath(path))
    for suffix in _BESIDE:
        file = database.with_name(database.name + suffix)
        same = path.exists() and file.exists() and path.samefile(file)
        if same or real == Path(os.path.realpath(file)):
            raise UsageError(f"cannot write {path}: it belongs to the database {database}; give another path")
    if Path(os.path.realpath(artefact_folder(url))) in real.parents:
        raise UsageError(f"cannot write {path}: it is where {database} keeps its artefacts; give another path")


def _unfinished(target: Path) -> Path:
    return target.with_name(f".{target.name}.unfinished")


@contextmanager
def _trouble(path: Path) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise UsageError(f"cannot write {path}: its reader went away") from None
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}; give another path") from error
