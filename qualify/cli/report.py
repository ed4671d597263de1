# SPDX-License-Identifier: Apache-2.0
"""`qualify report html|terminal|junit`: what is stored about a matrix, for people and for CI systems."""

from __future__ import annotations

import json
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from qualify.cli.options import DbOption, JsonOption, MatrixArgument, ScenariosOption, SchemaOption, load_inputs
from qualify.engine import tool_version
from qualify.errors import UsageError
from qualify.matrix import Selection, load_matrix, select
from qualify.report import ReportData
from qualify.report.export import as_dict
from qualify.report.html import render as html
from qualify.report.junit import render as junit
from qualify.report.load import load_report
from qualify.report.terminal import render as terminal
from qualify.schema import Schema
from qualify.store import default_location, open_store

__all__ = ["read_report", "register", "write_report"]

OutputOption = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="PATH", help="Write here; '-' is standard output.", show_default=False),
]
ColourOption = Annotated[bool, typer.Option("--colour", help="Colour the verdicts.")]

_STDOUT = Path("-")
_EMPTY = 3


def register(app: typer.Typer) -> None:
    """Add the group to the application."""
    group = typer.Typer(no_args_is_help=True, help="Show what is stored about a matrix.")
    group.command("html")(_html)
    group.command("terminal")(_terminal)
    group.command("junit")(_junit)
    app.add_typer(group, name="report")


def read_report(selection: Selection, schema: Schema, db: str | None) -> ReportData:
    """The report of a matrix from a database that must exist."""
    now = datetime.now(UTC).replace(microsecond=0)
    with open_store(db or default_location(), create=False) as store, store.session() as session:
        return load_report(session, selection, schema, generated=now, tool_version=tool_version())


def write_report(text: str, path: Path) -> None:
    """A whole file or none: a reader never meets half a report."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(path)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}; give another path") from error


def _html(
    matrix: MatrixArgument,
    output: OutputOption = None,
    db: DbOption = None,
    schema: SchemaOption = None,
    scenarios: ScenariosOption = None,
    json_: JsonOption = False,
) -> None:
    """Write one self-contained page; it needs neither a network nor a server.

    Example: qualify report html upstream -o upstream.html
    """
    selection, loaded = _select(matrix, schema, scenarios)
    _put(html(read_report(selection, loaded, db)), output or _place(selection, ".html"), json_)


def _junit(
    matrix: MatrixArgument,
    output: OutputOption = None,
    db: DbOption = None,
    schema: SchemaOption = None,
    scenarios: ScenariosOption = None,
    json_: JsonOption = False,
) -> None:
    """Write JUnit XML: a suite per pair, a case per scenario.

    Example: qualify report junit window -o junit.xml
    """
    selection, loaded = _select(matrix, schema, scenarios)
    _put(junit(read_report(selection, loaded, db)), output or _place(selection, ".junit.xml"), json_)


def _terminal(
    matrix: MatrixArgument,
    output: OutputOption = None,
    db: DbOption = None,
    schema: SchemaOption = None,
    scenarios: ScenariosOption = None,
    colour: ColourOption = False,
    json_: JsonOption = False,
) -> None:
    """Print the grid, the legend and the findings.

    Example: qualify report terminal window --colour
    """
    data = read_report(*_select(matrix, schema, scenarios), db)
    width = max(shutil.get_terminal_size((120, 24)).columns, 40)
    text = json.dumps(as_dict(data), ensure_ascii=False) if json_ else terminal(data, colour=colour, width=width)
    if output is None or output == _STDOUT:
        print(text)
    else:
        write_report(text + "\n", output)


def _select(name: str, schema: list[Path] | None, scenarios: list[Path] | None) -> tuple[Selection, Schema]:
    loaded, library = load_inputs(schema, scenarios)
    selection = select(load_matrix(name), loaded, library)
    if not selection.cells:
        print(f"qualify: {selection.why_empty}", file=sys.stderr)
        raise typer.Exit(_EMPTY)
    return selection, loaded


def _place(selection: Selection, suffix: str) -> Path:
    folder = Path("reports")
    return (folder if folder.is_dir() else Path()) / f"{selection.matrix.name}{suffix}"


def _put(text: str, output: Path, json_: bool) -> None:
    if output == _STDOUT:
        sys.stdout.write(text)
        return
    write_report(text, output)
    size = len(text.encode())
    print(json.dumps({"path": str(output), "bytes": size}) if json_ else f"wrote {output} ({size / 1024:,.0f} KiB)")
