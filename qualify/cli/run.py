# SPDX-License-Identifier: Apache-2.0
"""`qualify run`: load -> plan -> execute -> report, each a function that can be called alone."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from qualify.backends import backend as installed_backend
from qualify.cli.options import DbOption, JsonOption, MatrixArgument, ScenariosOption, SchemaOption, load_inputs
from qualify.cli.report import read_report, write_report
from qualify.engine import DEFAULT_TIMEOUT, Plan, Progress, RunSummary, plan, run_matrix
from qualify.errors import UsageError
from qualify.matrix import Matrix, load_matrix
from qualify.report import ReportData
from qualify.report.html import render as html
from qualify.report.junit import render as junit
from qualify.report.terminal import render as terminal
from qualify.store import default_location, open_store

__all__ = ["register"]

_OK, _DISAGREEMENT, _EMPTY, _FAILED = 0, 1, 3, 4
_SHOWN = 10
_SUFFIXES = (".html", ".htm", ".xml")


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("run")(_run)


def _run(
    matrix: MatrixArgument,
    backend: Annotated[
        list[str] | None,
        typer.Option("--backend", metavar="NAME", help="Instead of the matrix's backends; may be repeated."),
    ] = None,
    jobs: Annotated[int | None, typer.Option("--jobs", "-j", min=1, help="Processes. [default: one per CPU]")] = None,
    db: DbOption = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Run every cell, also those that have their answer.")] = False,
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="PATH", help="Where the report goes (HTML; JUnit if it ends in .xml)."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Instead of the matrix's or scenarios' own.")
    ] = None,
    schema: SchemaOption = None,
    scenarios: ScenariosOption = None,
    timeout: Annotated[
        float, typer.Option("--timeout", min=0.1, help="Seconds that a cell may take.")
    ] = DEFAULT_TIMEOUT,
    share: Annotated[
        bool, typer.Option("--share/--no-share", help="Run once what equal cells would run alike.")
    ] = True,
    json_: JsonOption = False,
) -> None:
    """Run the cells of a matrix that have no answer yet, and report on all of it. Interrupt it whenever you like.

    Examples:

      qualify run upstream

      qualify run ./mine.yaml --db mine.sqlite --report mine.html --jobs 4

    Exit status: 0 every cell has an outcome, 1 a prediction and an observation disagree, 2 bad input, 3 nothing
    selected, 4 a cell ended ERROR or TIMEOUT.
    """
    if report is not None and report.suffix not in _SUFFIXES:
        raise UsageError(f"--report {report}: expected a name that ends in {', '.join(_SUFFIXES)}")
    started = perf_counter()
    location = db or default_location()
    planned = _plan(load_matrix(matrix), backend, seed, schema, scenarios)
    if not planned.cells:
        print(f"qualify: {planned.selection.why_empty}", file=sys.stderr)
        raise typer.Exit(_EMPTY)
    summary = _execute(planned, location, jobs=jobs, fresh=fresh, share=share, timeout=timeout)
    data = read_report(planned.selection, planned.schema, location)
    path = report or _report_path(location, planned.matrix.name)
    write_report(junit(data) if path.suffix == ".xml" else html(data), path)
    seconds = perf_counter() - started
    if json_:
        print(json.dumps({**summary.as_dict(), "total_seconds": seconds, "db": location, "report": str(path)}))
    else:
        _print(data, summary, seconds, path)
    raise typer.Exit(_status(summary))


def _plan(
    matrix: Matrix,
    backends: list[str] | None,
    seed: int | None,
    schema: list[Path] | None,
    scenarios: list[Path] | None,
) -> Plan:
    for name in backends or ():
        installed_backend(name)
    if backends:
        matrix = matrix.model_copy(update={"backends": tuple(dict.fromkeys(backends))})
    return plan(matrix, *load_inputs(schema, scenarios), seed=seed)


def _execute(planned: Plan, location: str, *, jobs: int | None, fresh: bool, share: bool, timeout: float) -> RunSummary:
    with open_store(location) as store, _progress_bar() as progress:
        return run_matrix(planned, store, jobs=jobs, fresh=fresh, share=share, timeout=timeout, progress=progress)


@contextmanager
def _progress_bar() -> Iterator[Progress | None]:
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = (TextColumn("cells"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    # Refreshed by hand: a thread of its own would be in the way of forking the workers.
    with Bar(*columns, console=console, transient=True, auto_refresh=False) as bar:
        task = bar.add_task("cells", total=None)
        shown = 0.0

        def advance(done: int, total: int) -> None:
            nonlocal shown
            now = perf_counter()
            if now - shown > 0.1 or done == total:
                bar.update(task, completed=done, total=total)
                bar.refresh()
                shown = now

        yield advance


def _report_path(location: str, name: str) -> Path:
    reports = Path("reports")
    if reports.is_dir() or "://" in location:
        return reports / f"{name}.html"
    return Path(location).expanduser().with_name(f"{name}.html")


def _print(data: ReportData, summary: RunSummary, seconds: float, path: Path) -> None:
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    print(terminal(data, colour=colour, width=max(shutil.get_terminal_size((120, 24)).columns, 40)))
    print()
    print("\n".join(_lines(summary, seconds)))
    print(path)


def _lines(summary: RunSummary, seconds: float) -> Iterator[str]:
    for cell in summary.failures[:_SHOWN]:
        yield f"not measured: {cell.source} → {cell.target}, {cell.scenario} on {cell.backend}"
    if len(summary.failures) > _SHOWN:
        yield f"not measured: {len(summary.failures) - _SHOWN} more cells"
    yield "verdicts: " + (", ".join(f"{name} {count}" for name, count in summary.verdicts.items()) or "none")
    yield (
        f"disagreements: {len(summary.disagreements)}; predictions of more than two verdicts: {summary.vague}; "
        f"not measured: {len(summary.failures)}"
    )
    yield (
        f"{summary.cells} cells: {summary.executed} run, {summary.shared} shared, {summary.reused} from earlier runs, "
        f"{summary.kept} known before"
    )
    yield f"{seconds:.1f} s in all, {summary.seconds:.1f} s running ({summary.cells_per_second:.0f} cells/s)"


def _status(summary: RunSummary) -> int:
    if summary.failures:
        return _FAILED
    return _DISAGREEMENT if summary.disagreements else _OK
