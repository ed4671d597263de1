# SPDX-License-Identifier: Apache-2.0
"""Which revisions of the store there are, and how to get from one to the next."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sqlalchemy import Connection, inspect, text

__all__ = ["HEAD", "REVISIONS", "are_ours", "current", "is_empty", "is_ours", "migrate"]

#: Oldest first. Written out so that opening a database does not import Alembic; a test compares it with the scripts.
REVISIONS = ("0001", "0002")
HEAD = REVISIONS[-1]

#: Tables of the first revision that no other program is likely to have together.
_OURS = {"run", "run_end", "cell", "result", "outcome"}


def current(connection: Connection) -> str | None:
    """The revision a database is at; None when Alembic never touched it."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return revision


def is_ours(connection: Connection) -> bool:
    """True when the database holds our tables (whatever its revision)."""
    return are_ours(inspect(connection).get_table_names())


def are_ours(tables: Iterable[str]) -> bool:
    """True when our tables are among these."""
    return _OURS.issubset(tables)


def is_empty(connection: Connection) -> bool:
    """True when there is nothing in the database but what Alembic may have left: only then may it become ours."""
    found = inspect(connection)
    return {*found.get_table_names(), *found.get_view_names()} <= {"alembic_version"}


def migrate(connection: Connection, revision: str = HEAD) -> None:
    """Bring the database to `revision`. All or nothing: the caller's transaction holds every step."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    # Interpolation would trip over a '%' in the path.
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
