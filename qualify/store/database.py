# SPDX-License-Identifier: Apache-2.0
"""Opening a database: a fresh one is made, one of ours is checked, anything else is left exactly as it is."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, ExceptionContext, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.orm import Session

from qualify.errors import NoDatabaseError, StoreError
from qualify.store.artefacts import ArtefactStore
from qualify.store.location import artefact_folder, parse_location, sqlite_file
from qualify.store.readonly import read_only_options, read_only_url
from qualify.store.remedy import remedy
from qualify.store.revisions import HEAD, REVISIONS, are_ours, current, is_empty, is_ours, migrate

__all__ = ["Store", "open_store", "upgrade_store"]

_BUSY_MS = 30_000


@dataclass(frozen=True)
class Store:
    """An open database of the right revision, with its artefacts."""

    url: URL
    engine: Engine
    artefacts: ArtefactStore

    @contextmanager
    def session(self) -> Iterator[Session]:
        """For reading, and all of it of one moment, whatever others write meanwhile; nothing is committed."""
        with _told(self.url), Session(self._snapshots()) as session:
            yield session

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """The same without the ORM."""
        with _told(self.url), self._snapshots().connect() as connection:
            yield connection

    def _snapshots(self) -> Engine:
        # An SQLite transaction is one by itself; elsewhere every statement would see what was committed before it.
        if self.url.get_backend_name() == "sqlite":
            return self.engine
        return self.engine.execution_options(isolation_level="REPEATABLE READ")

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction that holds the write lock from its start, so that it cannot fail half way for want of it."""
        with _told(self.url), self.engine.connect().execution_options(write=True) as connection, connection.begin():
            yield connection

    def close(self) -> None:
        """Give up every connection."""
        self.engine.dispose()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def open_store(location: str | Path, *, create: bool = True, reading: bool = False) -> Store:
    """The database at a path or URL. Without `create` it must exist. StoreError says what to do about any other.

    With `reading` nothing will be written: it may lie where nothing can be.
    """
    url = parse_location(str(location))
    file = sqlite_file(url)
    if file is not None:
        _prepare_file(file, create)
    with _told(url):
        engine = _engine(read_only_url(url, file)) if reading and file is not None else _engine(url)
        store = Store(url, engine, ArtefactStore(artefact_folder(url)))
        try:
            with engine.connect().execution_options(write=file is None) as connection, connection.begin():
                if file is None and create and current(connection) is None and is_empty(connection):
                    migrate(connection)
                _check(url, current(connection), is_ours(connection))
        except BaseException:
            store.close()
            raise
    return store


def upgrade_store(location: str | Path) -> tuple[str, str]:
    """Bring a database of ours to the newest revision; (before, after). One transaction: all or nothing."""
    url = parse_location(str(location))
    file = sqlite_file(url)
    if file is not None:
        if _is_fresh(file):
            raise NoDatabaseError(f"{file}: {_no_database(file)}")
        _inspect_file(file, older_is_fine=True)
    with _told(url):
        engine = _engine(url)
        try:
            with engine.connect().execution_options(write=True) as connection, connection.begin():
                before = current(connection)
                _check(url, before, is_ours(connection), older_is_fine=True)
                if before != HEAD:
                    migrate(connection)
                return str(before), HEAD
        finally:
            engine.dispose()


def _prepare_file(file: Path, create: bool) -> None:
    if file.is_dir():
        raise StoreError(f"{file}: is a folder; expected an SQLite database")
    try:
        fresh = _is_fresh(file)
        if fresh and not create:
            hint = f"'qualify run MATRIX --db {file}' makes one"
            raise NoDatabaseError(f"{file}: {_no_database(file)}; {hint}")
        if fresh:
            _make_file(file)
        else:
            _inspect_file(file)
    except OSError as error:
        raise StoreError(f"{file}: cannot be opened: {error.strerror}") from error


def _is_fresh(file: Path) -> bool:
    return not file.exists() or file.stat().st_size == 0


def _no_database(file: Path) -> str:
    return "is an empty file and no database yet" if file.exists() else "there is no such database"


def _make_file(file: Path) -> None:
    """Made complete under another name first: nobody, and no kill, can ever see a half-made database."""
    file = file.resolve()  # what a link leads to is made, and the link stays
    file.parent.mkdir(parents=True, exist_ok=True)
    # Not by tempfile: that would make it readable for nobody else, whatever the user's umask says.
    name = str(file.with_name(f".{file.name}.{uuid.uuid4().hex}"))
    try:
        engine = _engine(URL.create("sqlite", database=name), journal="DELETE")
        with engine.begin() as connection:
            migrate(connection)
        engine.dispose()
        try:
            os.link(name, file)
        except FileExistsError:
            _replace_if_empty(name, file)
    finally:
        Path(name).unlink(missing_ok=True)


def _replace_if_empty(name: str, file: Path) -> None:
    """Put our database in the place of an empty file; one that another process made meanwhile is as good as ours."""
    with file.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        there = os.fstat(held.fileno())
        if there.st_size == 0 and os.path.samestat(there, file.stat()):
            os.replace(name, file)


def _inspect_file(file: Path, *, older_is_fine: bool = False) -> None:
    """Read-only, because the settings that a connection of ours makes would already change a stranger's file."""
    try:
        options = "&".join(f"{name}={value}" for name, value in read_only_options(file).items())
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?{options}", uri=True)) as db:
            tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            revision = None
            if "alembic_version" in tables:
                revision = next((str(row[0]) for row in db.execute("SELECT version_num FROM alembic_version")), None)
    except sqlite3.DatabaseError as error:
        raise StoreError(f"{file}: is not an SQLite database that can be read: {error}{remedy(error)}") from error
    _check(URL.create("sqlite", database=str(file)), revision, are_ours(tables), older_is_fine=older_is_fine)


def _check(url: URL, revision: str | None, ours: bool, *, older_is_fine: bool = False) -> None:
    name = url.render_as_string(hide_password=True) if sqlite_file(url) is None else str(url.database)
    if not ours:
        raise StoreError(f"{name}: is a database of another program; it was left as it is. Name another with --db")
    if revision is None:
        raise StoreError(f"{name}: is damaged: it does not say which revision it is at; take a copy, or name another")
    if revision not in REVISIONS:
        raise StoreError(
            f"{name}: was written by a newer qualify (revision {revision}; this one knows up to {HEAD}); "
            "it was left as it is. Update qualify or name another with --db"
        )
    if revision != HEAD and not older_is_fine:
        raise StoreError(
            f"{name}: was written by an older qualify (revision {revision}, now {HEAD}); "
            f"run 'qualify db upgrade --db {name}'"
        )


def _engine(url: URL, journal: str = "WAL") -> Engine:
    try:
        engine = create_engine(url)
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise StoreError(
            f"'{url.drivername}' needs a database driver that is not installed: {error}{remedy(error)}"
        ) from error
    if url.get_backend_name() == "sqlite":
        _tune_sqlite(engine, journal)

    @event.listens_for(engine, "handle_error")
    def _blame(context: ExceptionContext) -> None:
        # Where two databases are at work in one transaction (a merge), the one that complains is to be named.
        if context.sqlalchemy_exception is not None:
            context.sqlalchemy_exception.add_note(url.render_as_string(hide_password=True))

    return engine


def _tune_sqlite(engine: Engine, journal: str) -> None:
    @event.listens_for(engine, "connect")
    def _connect(connection: sqlite3.Connection, _record: Any) -> None:
        # Python's driver opens transactions late and not before DDL; begin them ourselves, below.
        connection.isolation_level = None
        for pragma in (
            f"busy_timeout = {_BUSY_MS}",
            "foreign_keys = ON",
            f"journal_mode = {journal}",
            "synchronous = NORMAL",  # with WAL a power cut may lose the last commits but never the database
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        write = connection.get_execution_options().get("write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


@contextmanager
def _told(url: URL) -> Iterator[None]:
    """What the database itself complains about, as a StoreError that names it."""
    try:
        yield
    except DBAPIError as error:
        name = next(iter(getattr(error, "__notes__", ())), url.render_as_string(hide_password=True))
        raise StoreError(f"{name}: {error.orig}{remedy(error.orig)}") from error
    except SQLAlchemyError as error:
        raise StoreError(f"{url.render_as_string(hide_password=True)}: {error}") from error
