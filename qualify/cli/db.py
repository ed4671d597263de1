# SPDX-License-Identifier: Apache-2.0
"""`qualify db upgrade|merge|export|import|prune`: the database as such."""

from __future__ import annotations

import json
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from qualify.cli.options import DbOption, JsonOption
from qualify.errors import StoreError, UsageError
from qualify.store import (
    default_location,
    export_store,
    import_store,
    merge_store,
    open_store,
    prune_store,
    upgrade_store,
)

__all__ = ["register"]

_AGE = re.compile(r"(\d+)\s*([dhm])")
_AGE_UNITS = {"d": "days", "h": "hours", "m": "minutes"}


def register(app: typer.Typer) -> None:
    """Add the group to the application."""
    group = typer.Typer(no_args_is_help=True, help="Upgrade, merge, move and prune databases.")
    group.command("upgrade")(_upgrade)
    group.command("merge")(_merge)
    group.command("export")(_export)
    group.command("import")(_import)
    group.command("prune")(_prune)
    app.add_typer(group, name="db")


def _upgrade(db: DbOption = None, json_: JsonOption = False) -> None:
    """Bring a database that an older qualify wrote up to date.

    Example: qualify db upgrade --db reports/qualify.sqlite
    """
    location = db or default_location()
    before, after = upgrade_store(location)
    if json_:
        print(json.dumps({"db": location, "before": before, "after": after}))
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
    location = db or default_location()
    merged = []
    with open_store(location) as into:
        for name in others:
            with open_store(name, create=False) as other:
                merged.append({"from": name, **merge_store(into, other).as_dict()})
    if json_:
        print(json.dumps({"db": location, "merged": merged}))
        return
    for one in merged:
        print(f"{one['from']}: {one['runs']} runs, {one['results']} results and {one['artefacts']} artefacts were new")


def _export(
    out: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write; '-' is standard output.")],
    db: DbOption = None,
    json_: JsonOption = False,
) -> None:
    """Write a whole database as text, one JSON object a line: to keep, or to move to another kind of database.

    Example: qualify db export evidence.jsonl
    """
    location = db or default_location()
    with open_store(location, create=False) as store:
        if str(out) == "-":
            export_store(store, sys.stdout)
            return
        unfinished = out.with_name(f".{out.name}.unfinished")
        try:
            with unfinished.open("w", encoding="utf-8", errors="surrogatepass") as file:
                lines = export_store(store, file)
            unfinished.replace(out)
        except OSError as error:
            raise UsageError(f"cannot write {out}: {error.strerror}") from error
        finally:
            unfinished.unlink(missing_ok=True)
    print(json.dumps({"db": location, "file": str(out), "lines": lines}) if json_ else f"wrote {out} ({lines} lines)")


def _import(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What 'qualify db export' wrote.")],
    db: DbOption = None,
    json_: JsonOption = False,
) -> None:
    """Merge an export into a database. Doing it again adds nothing; one that was cut short or changed is refused.

    Example: qualify db import evidence.jsonl --db postgresql://host/qualify
    """
    location = db or default_location()
    try:
        source = file.open(encoding="utf-8", errors="surrogatepass")
    except OSError as error:
        raise StoreError(f"{file}: cannot be read: {error.strerror}") from error
    with source, open_store(location) as into:
        merged = import_store(into, source, str(file)).as_dict()
    if json_:
        print(json.dumps({"db": location, "file": str(file), **merged}))
    else:
        print(
            f"{file}: {merged['runs']} runs, {merged['results']} results and {merged['artefacts']} artefacts were new"
        )


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
    except OverflowError:
        raise UsageError(f"--older-than '{older_than}' reaches back before the calendar") from None
    location = db or default_location()
    with open_store(location, create=False) as store:
        pruned = prune_store(store, before, dry_run=dry_run).as_dict()
    if json_:
        print(json.dumps({"db": location, "dry_run": dry_run, **pruned}))
        return
    verb = "would forget" if dry_run else "forgot"
    print(f"{verb} {pruned['results']} results, {pruned['runs']} runs and {pruned['artefacts']} artefacts")
    if pruned["waiting"]:
        print("their files stay until the next time: the database is in use")
