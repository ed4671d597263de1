# SPDX-License-Identifier: Apache-2.0
"""`qualify db upgrade|merge|export|import|prune|artefact`: the database as such."""

from __future__ import annotations

import re
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from qualify.cli.artefact import artefact_command
from qualify.cli.files import writing
from qualify.cli.options import DbOption, JsonOption, located
from qualify.cli.output import is_stdout, print_json, stdout_file
from qualify.errors import StoreError, UsageError
from qualify.report.wording import plural
from qualify.store import (
    Merged,
    export_store,
    filling,
    merge_store,
    merge_stores,
    open_store,
    prune_store,
    staged_export,
    upgrade_store,
)

__all__ = ["register"]

_AGE = re.compile(r"(\d+)\s*([dhm])")
_AGE_UNITS = {"d": "days", "h": "hours", "m": "minutes"}


def register(app: typer.Typer) -> None:
    """Add the group to the application."""
    group = typer.Typer(no_args_is_help=True, help="Upgrade, merge, move and prune databases; get files out of them.")
    group.command("upgrade")(_upgrade)
    group.command("merge")(_merge)
    group.command("export")(_export)
    group.command("import")(_import)
    group.command("prune")(_prune)
    group.command("artefact")(artefact_command)
    app.add_typer(group, name="db")


def _upgrade(db: DbOption = None, json_: JsonOption = False) -> None:
    """Bring a database that an older qualify wrote up to date.

    Example: qualify db upgrade --db reports/qualify.sqlite
    """
    location = located(db)
    before, after = upgrade_store(location)
    if json_:
        print_json({"db": location, "before": before, "after": after})
    elif before == after:
        print(f"{location}: is up to date (revision {after})")
    else:
        print(f"{location}: upgraded from revision {before} to {after}")


def _merge(
    others: Annotated[list[str], typer.Argument(metavar="OTHER...", help="Databases to read; they stay as they are.")],
    db: DbOption = None,
    json_: JsonOption = False,
) -> None:
    """Copy what other databases hold into one. Doing it again adds nothing.

    Example: qualify db merge lab-1.sqlite lab-2.sqlite --db all.sqlite
    """
    location = located(db)
    with ExitStack() as stack:
        sources = [stack.enter_context(open_store(name, create=False, reading=True)) for name in others]
        merged = merge_stores(stack.enter_context(filling(location)), sources)
    if json_:
        plain = [{"from": name, **one.as_dict()} for name, one in zip(others, merged, strict=True)]
        print_json({"db": location, "merged": plain})
        return
    for name, one in zip(others, merged, strict=True):
        print(f"{name}: {_counted(one)} were new")


def _export(
    out: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write; '-' is standard output.")],
    db: DbOption = None,
    json_: JsonOption = False,
) -> None:
    """Write a whole database as text, one JSON object a line: to keep, or to move to another kind of database.

    Example: qualify db export evidence.jsonl
    """
    location = located(db)
    with open_store(location, create=False, reading=True) as store:
        if is_stdout(out):
            with stdout_file() as file:
                export_store(store, file)
            return
        with writing(out, location, errors="surrogatepass") as file:
            lines = export_store(store, file)
    if json_:
        print_json({"db": location, "file": str(out), "lines": lines})
    else:
        print(f"wrote {out} ({plural(lines, 'line')})")


def _import(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What 'qualify db export' wrote.")],
    db: DbOption = None,
    json_: JsonOption = False,
) -> None:
    """Merge an export into a database. Doing it again adds nothing; one that was cut short or changed is refused.

    Example: qualify db import evidence.jsonl --db postgresql://host/qualify
    """
    location = located(db)
    try:
        source = file.open(encoding="utf-8", errors="surrogatepass")
    except OSError as error:
        raise StoreError(f"{file}: cannot be read: {error.strerror}") from error
    with source, staged_export(source, str(file)) as staging, filling(location) as into:
        merged = merge_store(into, staging)
    if json_:
        print_json({"db": location, "file": str(file), **merged.as_dict()})
    else:
        print(f"{file}: {_counted(merged)} were new")


def _prune(
    older_than: Annotated[str, typer.Option("--older-than", metavar="AGE", help="Such as 30d, 12h or 0d.")],
    db: DbOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and keep it.")] = False,
    json_: JsonOption = False,
) -> None:
    """Forget history: results that newer ones have replaced. The latest of every cell always stays.

    Files go only while no run, merge or export is under way; else they wait for the next time.

    Example: qualify db prune --older-than 30d --dry-run
    """
    match = _AGE.fullmatch(older_than.strip())
    if match is None:
        raise UsageError(f"--older-than '{older_than}' is no age; give a number with d, h or m, such as 30d")
    try:
        before = datetime.now(UTC) - timedelta(**{_AGE_UNITS[match[2]]: int(match[1])})
    except (OverflowError, ValueError):
        raise UsageError(f"--older-than '{older_than}' reaches back before the calendar") from None
    location = located(db)
    with open_store(location, create=False) as store:
        pruned = prune_store(store, before, dry_run=dry_run)
    if json_:
        print_json({"db": location, "dry_run": dry_run, **pruned.as_dict()})
        return
    results, runs = plural(pruned.results, "result"), plural(pruned.runs, "run")
    verb = "would forget" if dry_run else "forgot"
    print(f"{verb} {results}, {runs} and {plural(pruned.artefacts, 'artefact')}")
    if pruned.waiting:
        print("their files stay until the next time: the database is in use")


def _counted(merged: Merged) -> str:
    runs, results = plural(merged.runs, "run"), plural(merged.results, "result")
    return f"{runs}, {results} and {plural(merged.artefacts, 'artefact')}"
