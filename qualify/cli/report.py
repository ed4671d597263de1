# SPDX-License-Identifier: Apache-2.0
"""`qualify report html|terminal|junit`: what is stored about a matrix, for people and for CI systems."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from qualify.cli.failure import NothingSelectedError
from qualify.cli.files import default_output, write_file
from qualify.cli.inputs import with_matrix
from qualify.cli.options import (
    REPORT_PLACE,
    DbOption,
    JsonOption,
    MatrixArgument,
    ScenariosOption,
    SchemaOption,
    located,
)
from qualify.cli.output import FITTING, is_stdout, print_json, stdout_file
from qualify.cli.style import columns
from qualify.engine import expressible, tool_version
from qualify.matrix import Matrix, Selection, select
from qualify.report import ReportData
from qualify.report.export import as_dict
from qualify.report.html import render as html
from qualify.report.junit import render as junit
from qualify.report.load import load_report
from qualify.report.terminal import render as terminal
from qualify.scenario import Scenario
from qualify.schema import Schema
from qualify.store import open_store

__all__ = ["read_report", "register"]

OutputOption = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="PATH",
        help=f"Write here; '-' is standard output. {REPORT_PLACE}",
        show_default=False,
    ),
]
PrintedOption = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="PATH", help="Write here instead of printing it.", show_default=False),
]
ColourOption = Annotated[bool, typer.Option("--colour", help="Colour the verdicts.")]


def register(app: typer.Typer) -> None:
    """Add the group to the application."""
    group = typer.Typer(no_args_is_help=True, help="Show what is stored about a matrix.")
    group.command("html")(_html)
    group.command("terminal")(_terminal)
    group.command("junit")(_junit)
    app.add_typer(group, name="report")


def read_report(selection: Selection, schema: Schema, location: str, *, texts: bool = False) -> ReportData:
    """The report of a matrix from a database that must exist; with the `texts` of files, for a page."""
    now = datetime.now(UTC).replace(microsecond=0)
    with open_store(location, create=False, reading=True) as store, store.session() as session:
        artefacts = store.artefacts if texts else None
        return load_report(session, selection, schema, generated=now, tool_version=tool_version(), artefacts=artefacts)


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
    _put(html, ".html", matrix, output, db, schema, scenarios, json_)


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
    _put(junit, ".junit.xml", matrix, output, db, schema, scenarios, json_)


def _terminal(
    matrix: MatrixArgument,
    output: PrintedOption = None,
    db: DbOption = None,
    schema: SchemaOption = None,
    scenarios: ScenariosOption = None,
    colour: ColourOption = False,
    json_: JsonOption = False,
) -> None:
    """Print the grid, the legend and the findings.

    Example: qualify report terminal window --colour
    """
    location = located(db)
    data = read_report(*_select(matrix, schema, scenarios), location)
    if json_ and (output is None or is_stdout(output)):
        print_json(as_dict(data))
        return
    text = json.dumps(as_dict(data), ensure_ascii=False) if json_ else terminal(data, colour=colour, width=columns(120))
    if output is None or is_stdout(output):
        print(text)
    else:
        write_file(text + "\n", output, location)


def _selection(matrix: Matrix, schema: Schema, library: dict[str, Scenario]) -> Selection:
    return expressible(select(matrix, schema, library), schema, library)


def _select(name: str, schema: list[Path] | None, scenarios: list[Path] | None) -> tuple[Selection, Schema]:
    selection, loaded = with_matrix(
        name, schema, scenarios, lambda matrix, *known: (_selection(matrix, *known), known[0])
    )
    if not selection.cells:
        raise NothingSelectedError(selection.why_empty)
    return selection, loaded


def _put(
    render: Callable[[ReportData], str],
    suffix: str,
    matrix: str,
    output: Path | None,
    db: str | None,
    schema: list[Path] | None,
    scenarios: list[Path] | None,
    json_: bool,
) -> None:
    """Make a report that is a file, and say where it is."""
    location = located(db)
    selection, loaded = _select(matrix, schema, scenarios)
    text = render(read_report(selection, loaded, location, texts=render is html))
    path = output or default_output(location, selection.matrix.name + suffix)
    if is_stdout(path):
        with stdout_file() as file:
            file.write(text)
        return
    write_file(text, path, location)
    size = len(text.encode(errors=FITTING))
    if json_:
        print_json({"path": str(path), "bytes": size})
    else:
        print(f"wrote {path} ({size / 1024:,.0f} KiB)")
