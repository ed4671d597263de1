# SPDX-License-Identifier: Apache-2.0
"""Opening a database: ours, older, newer, a stranger's, broken, none; and what the user is told."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, make_url

from qualify.errors import NoDatabaseError, StoreError
from qualify.store import ArtefactStore, Store, database, default_location, open_store, upgrade_store
from qualify.store.location import artefact_folder, parse_location
from qualify.store.models import Base
from qualify.store.revisions import HEAD, REVISIONS, migrate


def _at_revision(path: Path, revision: str) -> Path:
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        migrate(connection, revision)
    engine.dispose()
    return path


def _stamp(path: Path, revision: str) -> Path:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE alembic_version SET version_num = ?", (revision,))
    return path


def _refused(path: Path) -> str:
    """The message; also proves that the file is as it was and that nothing was put beside it."""
    before, names = path.read_bytes(), sorted(os.listdir(path.parent))
    stamp = path.stat().st_mtime_ns
    with pytest.raises(StoreError) as caught:
        open_store(path).close()
    assert caught.value.exit_status == 2
    assert (path.read_bytes(), path.stat().st_mtime_ns) == (before, stamp)
    assert sorted(os.listdir(path.parent)) == names
    return str(caught.value).replace(str(path), "F")


def test_a_fresh_database_is_at_the_newest_revision(tmp_path: Path) -> None:
    with open_store(tmp_path / "deep" / "er" / "new.sqlite") as store, store.session() as session:
        assert session.connection().exec_driver_sql("SELECT version_num FROM alembic_version").scalar() == HEAD
        assert session.connection().exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert session.connection().exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
        assert (session.connection().exec_driver_sql("PRAGMA busy_timeout").scalar() or 0) >= 10_000
    assert os.listdir(tmp_path / "deep" / "er") == ["new.sqlite"]


def test_a_fresh_database_is_as_readable_as_the_user_wants(tmp_path: Path) -> None:
    mask = os.umask(0o027)
    try:
        with open_store(tmp_path / "a.sqlite") as store:
            (tmp_path / "log").write_text("x")
            kept = store.artefacts.put(tmp_path / "log", "log")
            files = (tmp_path / "a.sqlite", store.artefacts.path(kept.sha256))
            assert [oct(file.stat().st_mode & 0o777) for file in files] == [oct(0o640)] * 2
    finally:
        os.umask(mask)


def test_an_empty_file_counts_as_fresh(tmp_path: Path) -> None:
    path = tmp_path / "empty.sqlite"
    path.touch()
    open_store(path).close()
    assert path.stat().st_size > 0


@pytest.mark.parametrize("empty", [False, True])
def test_a_link_stays_and_what_it_leads_to_is_made(tmp_path: Path, empty: bool) -> None:
    (tmp_path / "link.sqlite").symlink_to(tmp_path / "deep" / "real.sqlite")
    if empty:
        (tmp_path / "deep").mkdir()
        (tmp_path / "deep" / "real.sqlite").touch()
    open_store(tmp_path / "link.sqlite").close()
    assert (tmp_path / "link.sqlite").is_symlink()
    assert os.listdir(tmp_path / "deep") == ["real.sqlite"]


def test_opening_twice_keeps_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with open_store(path) as store, store.writing() as connection:
        connection.exec_driver_sql("INSERT INTO outcome (digest) VALUES ('x')")
    with open_store(path) as store, store.session() as session:
        assert session.connection().exec_driver_sql("SELECT digest FROM outcome").scalars().all() == ["x"]


@pytest.mark.parametrize("prefix", ["", "sqlite:///"])
def test_a_path_and_a_url_mean_the_same(tmp_path: Path, prefix: str) -> None:
    path = tmp_path / "50% of it.sqlite"
    open_store(f"{prefix}{path}").close()
    assert path.is_file()


def test_without_create_it_must_exist(tmp_path: Path) -> None:
    path = tmp_path / "none.sqlite"
    with pytest.raises(
        StoreError, match=r"there is no such database; 'qualify run MATRIX --db .*none.sqlite' makes one"
    ):
        open_store(path, create=False)
    assert not path.exists()


def test_an_older_database_asks_for_the_upgrade_and_gets_it(tmp_path: Path) -> None:
    path = _at_revision(tmp_path / "old.sqlite", REVISIONS[0])
    assert _refused(path).endswith(
        "was written by an older qualify (revision 0001, now 0002); run 'qualify db upgrade --db F'"
    )
    assert upgrade_store(path) == (REVISIONS[0], HEAD)
    open_store(path).close()
    assert upgrade_store(path) == (HEAD, HEAD)


def test_a_newer_database_is_left_alone(tmp_path: Path) -> None:
    path = _stamp(_at_revision(tmp_path / "new.sqlite", HEAD), "9999")
    assert "was written by a newer qualify (revision 9999; this one knows up to 0002)" in _refused(path)
    with pytest.raises(StoreError, match="written by a newer qualify"):
        upgrade_store(path)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Databases are opened as those of a server are, where there is no file to look into first."""
    monkeypatch.setattr(database, "sqlite_file", lambda _url: None)


@pytest.mark.parametrize(
    "statements",
    [
        ["CREATE TABLE customers (id INTEGER PRIMARY KEY)"],
        ["CREATE VIEW customers AS SELECT 1"],
        ["CREATE TABLE customers (id INTEGER)", "CREATE TABLE run (id INTEGER)", "CREATE TABLE result (id INTEGER)"],
        ["CREATE TABLE customers (id INTEGER)", "CREATE TABLE alembic_version (version_num TEXT)"],
        ["CREATE TABLE customers (id INTEGER)", "CREATE TABLE alembic_version (version_num TEXT)",
         "INSERT INTO alembic_version VALUES ('8d2f')"],
    ],
)  # fmt: skip
@pytest.mark.usefixtures("server")
def test_a_servers_database_with_anything_in_it_is_left_alone(tmp_path: Path, statements: list[str]) -> None:
    path = tmp_path / "shop.sqlite"

    def inside() -> list[tuple[str, str]]:
        with closing(sqlite3.connect(path)) as db:
            return db.execute("SELECT type, sql FROM sqlite_master ORDER BY name").fetchall()

    with closing(sqlite3.connect(path)) as db, db:
        for statement in statements:
            db.execute(statement)
    before = inside()
    with pytest.raises(StoreError, match="is a database of another program; it was left as it is"):
        open_store(path).close()
    assert inside() == before


@pytest.mark.parametrize("statements", [[], ["CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"]])
@pytest.mark.usefixtures("server")
def test_a_servers_database_without_tables_becomes_ours(tmp_path: Path, statements: list[str]) -> None:
    path = tmp_path / "new.sqlite"
    with closing(sqlite3.connect(path)) as db, db:
        for statement in statements:
            db.execute(statement)
    open_store(path).close()
    with open_store(path, create=False) as store, store.session() as session:
        assert session.connection().exec_driver_sql("SELECT version_num FROM alembic_version").scalar() == HEAD


def test_what_is_read_is_of_one_moment_on_a_server_too(tmp_path: Path) -> None:
    driver = SimpleNamespace(paramstyle="format", __version__="1.31.0", connect=None)
    url = make_url("postgresql+pg8000://host/qualify")
    store = Store(url, create_engine(url, module=driver), ArtefactStore(tmp_path))
    with store.session() as session:
        assert session.get_bind().get_execution_options() == {"isolation_level": "REPEATABLE READ"}


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "places.sqlite"
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE bookmarks (url TEXT)")
    assert _refused(path).startswith("F: is a database of another program; it was left as it is")
    with pytest.raises(StoreError, match="another program"):
        upgrade_store(path)


def test_another_alembic_programs_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE alembic_version (version_num TEXT)")
        db.execute("INSERT INTO alembic_version VALUES ('0001')")
    assert "another program" in _refused(path)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("dear diary " * 200)
    assert _refused(path) == (
        "F: is not an SQLite database that can be read: file is not a database; name another with --db"
    )


def test_a_database_that_does_not_say_its_revision(tmp_path: Path) -> None:
    path = _at_revision(tmp_path / "hurt.sqlite", HEAD)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DELETE FROM alembic_version")
    assert _refused(path).startswith("F: is damaged: it does not say which revision it is at; ")


def test_an_empty_file_is_told_from_none(tmp_path: Path) -> None:
    (tmp_path / "empty.sqlite").touch()
    for open_it in (lambda path: open_store(path, create=False), upgrade_store):
        with pytest.raises(NoDatabaseError, match=r"empty.sqlite: is an empty file and no database yet"):
            open_it(tmp_path / "empty.sqlite")
        with pytest.raises(NoDatabaseError, match=r"none.sqlite: there is no such database"):
            open_it(tmp_path / "none.sqlite")


def test_a_database_that_stays_locked_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qualify.store.database._BUSY_MS", 1)
    with (
        open_store(tmp_path / "a.sqlite") as one,
        open_store(tmp_path / "a.sqlite") as other,
        one.writing(),
        pytest.raises(StoreError, match=r"database is locked; another program holds it; wait until that has ended"),
        other.writing(),
    ):
        pass


def test_a_damaged_database(tmp_path: Path) -> None:
    path = _at_revision(tmp_path / "hurt.sqlite", HEAD)
    data = bytearray(path.read_bytes())
    data[100:4096] = b"\xee" * (4096 - 100)
    path.write_bytes(data)
    assert "is not an SQLite database that can be read: database disk image is malformed" in _refused(path)


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is a folder; expected an SQLite database"):
        open_store(tmp_path)


def test_a_place_that_cannot_be_written() -> None:
    with pytest.raises(StoreError, match=r"/proc/qualify/a\.sqlite: cannot be opened: "):
        open_store("/proc/qualify/a.sqlite")


@pytest.mark.parametrize("location", ["", ":memory:", "sqlite://", "sqlite:///:memory:"])
def test_memory_is_no_place_for_evidence(location: str) -> None:
    with pytest.raises(StoreError, match="is not a database that lasts"):
        open_store(location)


def test_nonsense_for_a_url() -> None:
    with pytest.raises(StoreError, match="is not a database URL; expected for example sqlite:///"):
        open_store("://")


def test_an_unknown_kind_of_database() -> None:
    with pytest.raises(StoreError, match="'cobol' needs a database driver that is not installed") as caught:
        open_store("cobol://host/db")
    assert str(caught.value).endswith("; tested are sqlite:///PATH and postgresql://HOST/NAME")


def test_a_driver_that_is_not_installed_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StoreError, match=r"needs a database driver .*; 'pip install psycopg' installs it$"):
        open_store("postgresql+psycopg://host/db")


def test_upgrading_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no such database"):
        upgrade_store(tmp_path / "none.sqlite")


def test_default_location(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert default_location(tmp_path) == str(tmp_path / "data" / "qualify" / "qualify.sqlite")
    (tmp_path / "reports").mkdir()
    assert default_location(tmp_path) == str(tmp_path / "reports" / "qualify.sqlite")


def test_artefacts_stand_beside_the_file() -> None:
    assert artefact_folder(parse_location("/x/q.sqlite")) == Path("/x/q.sqlite.artefacts")
    assert artefact_folder(parse_location("postgresql://host/db")).name == "artefacts"


def test_the_revisions_written_out_are_those_there_are() -> None:
    config = Config()
    config.set_main_option("script_location", "qualify:store/migrations")
    scripts = ScriptDirectory.from_config(config)
    assert tuple(s.revision for s in reversed(list(scripts.walk_revisions()))) == REVISIONS


def test_migrations_make_exactly_the_tables_of_the_models(tmp_path: Path) -> None:
    from alembic.autogenerate import compare_metadata

    engine = create_engine(f"sqlite:///{_at_revision(tmp_path / 'a.sqlite', HEAD)}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
        assert inspect(connection).get_view_names() == ["latest_result"]


def test_every_revision_can_be_undone(tmp_path: Path) -> None:
    from alembic import command

    path = _at_revision(tmp_path / "a.sqlite", HEAD)
    engine = create_engine(f"sqlite:///{path}")
    config = Config()
    config.set_main_option("script_location", str(Path(sys.modules["qualify.store"].__path__[0]) / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    assert inspect(engine).get_table_names() == ["alembic_version"]


RACER = """
import sys
from qualify.store import open_store
with open_store(sys.argv[1]) as store:
    for n in range(20):
        with store.writing() as connection:
            connection.exec_driver_sql("INSERT INTO outcome (digest) VALUES (?)", (f"{sys.argv[2]} {n}",))
"""


@pytest.mark.parametrize("empty", [False, True])
def test_processes_that_make_the_same_database_at_once_agree(tmp_path: Path, empty: bool) -> None:
    path = tmp_path / "race.sqlite"
    if empty:
        path.touch()
    racers = [
        subprocess.Popen([sys.executable, "-c", RACER, str(path), str(n)], stderr=subprocess.PIPE) for n in range(4)
    ]
    errors = [racer.communicate(timeout=60)[1] for racer in racers]
    assert [racer.returncode for racer in racers] == [0] * 4, errors
    assert [name for name in os.listdir(tmp_path) if name.startswith(".")] == []
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*) FROM outcome").fetchone() == (80,)  # nobody's rows went to a lost file
