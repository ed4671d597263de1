# SPDX-License-Identifier: Apache-2.0
"""`qualify run`: load -> plan -> execute -> report, each a function that can be called alone."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from qualify.backends import backend as installed_backend
from qualify.cli.failure import NothingSelectedError
from qualify.cli.files import check_output, default_output, write_file
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
from qualify.cli.output import print_json
from qualify.cli.report import read_report
from qualify.cli.style import columns
from qualify.engine import DEFAULT_TIMEOUT, LeftOut, Options, Plan, Progress, RunSummary, plan, run_matrix
from qualify.errors import Problems, UsageError
from qualify.matrix import Cell, Matrix
from qualify.report import ReportData
from qualify.report.html import render as html
from qualify.report.junit import render as junit
from qualify.report.terminal import render as terminal
from qualify.report.wording import plural
from qualify.scenario import Scenario
from qualify.scenario.sizes import UNITS, parse_size
from qualify.schema import Schema
from qualify.store import open_store, run_lock

__all__ = ["register"]

_OK, _DISAGREEMENT, _FAILED = 0, 1, 4
_SEEDS = (1 << 63) - 1  # what every database can store as a number
_MOST = 1000  # attempts
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
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", "-j", min=1, help="Processes, and cores for machines that boot. [default: one per CPU]"),
    ] = None,
    memory: Annotated[
        str | None,
        typer.Option(
            "--memory",
            metavar="SIZE",
            help="What all machines that boot at a time may take, such as 8GiB. [default: four fifths of what is free]",
            show_default=False,
        ),
    ] = None,
    db: DbOption = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Run every cell, also those that have their answer.")] = False,
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="PATH", help=f"Where the report goes (.xml: JUnit). {REPORT_PLACE}"),
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, max=_SEEDS, help="Instead of the matrix's or scenarios' own.")
    ] = None,
    schema: SchemaOption = None,
    scenarios: ScenariosOption = None,
    timeout: Annotated[
        float, typer.Option("--timeout", min=0.1, help="Seconds that a cell, or a boot shared by several, may take.")
    ] = DEFAULT_TIMEOUT,
    share: Annotated[
        bool,
        typer.Option(
            "--share/--no-share", help="Run once what equal cells would run alike, and ask several cells of one boot."
        ),
    ] = True,
    retries: Annotated[
        int | None,
        typer.Option(
            "--retries",
            min=0,
            max=_MOST,
            help="How often a cell is tried again that ended ERROR, TIMEOUT or with what was not predicted; every "
            "attempt is stored. [default: 1 where machines boot, else 0]",
            show_default=False,
        ),
    ] = None,
    repeat: Annotated[
        int, typer.Option("--repeat", min=1, max=_MOST, help="How often every cell that is run is run; all is stored.")
    ] = 1,
    json_: JsonOption = False,
) -> None:
    """Run the cells of a matrix that have no answer yet, and report on all of it. Interrupt it whenever you like.

    On an SQLite database one run at a time is at work; a second is told who does it and ends with 2. Cells that a
    backend cannot run are left out and told.

    Examples:

      qualify run upstream

      qualify run ./mine.yaml --db mine.sqlite --report mine.html --jobs 4

      qualify run ./mine.yaml --fresh --repeat 5

    Exit status: 0 every cell has an outcome, 1 a prediction and an observation disagree, 2 bad input, 3 nothing
    selected or nothing that can be run, 4 a cell ended ERROR or TIMEOUT.
    """
    if report is not None and report.suffix not in _SUFFIXES:
        raise UsageError(f"--report {report}: expected a name that ends in {', '.join(_SUFFIXES)}")
    options = Options(jobs, _bytes(memory), fresh, share, timeout, retries, repeat)
    started = perf_counter()
    location = located(db)
    planned = with_matrix(matrix, schema, scenarios, lambda m, s, known: _plan(m, s, known, backend, seed))
    if not planned.cells:
        raise NothingSelectedError(planned.why_empty)
    path = report or default_output(location, f"{planned.matrix.name}.html")
    check_output(path, location)
    summary = _execute(planned, location, options)
    data = read_report(planned.selection, planned.schema, location, texts=path.suffix != ".xml")
    write_file(junit(data) if path.suffix == ".xml" else html(data), path, location)
    seconds = perf_counter() - started
    if json_:
        left_out = [asdict(left.cell) | {"reason": left.reason} for left in planned.left_out]
        told = {"total_seconds": seconds, "db": location, "report": str(path), "left_out": left_out}
        print_json({**summary.as_dict(), **told})
    else:
        _print(data, [*_left_out(planned.left_out), *_lines(summary, seconds)], path)
    raise typer.Exit(_status(summary))


def _plan(
    matrix: Matrix, schema: Schema, library: dict[str, Scenario], backends: list[str] | None, seed: int | None
) -> Plan:
    problems = Problems()
    if backends:
        known = tuple(n for n in dict.fromkeys(backends) if problems.take(partial(installed_backend, n)) is not None)
        matrix = matrix.model_copy(update={"backends": known})
    planned = problems.take(lambda: plan(matrix, schema, library, seed=seed))
    problems.check()
    assert planned is not None
    return planned


def _bytes(memory: str | None) -> int | None:
    found = None if memory is None else parse_size(memory.strip())
    if memory is not None and not found:
        raise UsageError(f"--memory {memory}: expected a size such as 8GiB or 4096MiB (units: {', '.join(UNITS)})")
    return found


def _execute(planned: Plan, location: str, options: Options) -> RunSummary:
    doing = f"matrix '{planned.matrix.name}'"
    with run_lock(location, doing), open_store(location) as store, _progress_bar() as progress:
        return run_matrix(planned, store, options=options, progress=progress)


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


def _print(data: ReportData, lines: Sequence[str], path: Path) -> None:
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    print(terminal(data, colour=colour, width=columns(120)))
    print()
    print("\n".join(lines))
    print(path)


def _left_out(left_out: Sequence[LeftOut]) -> Iterator[str]:
    """How many cells are left out and why: a line for each reason, with one of its cells."""
    by_reason: dict[str, list[Cell]] = {}
    for left in left_out:
        by_reason.setdefault(left.reason, []).append(left.cell)
    if by_reason:
        yield f"left out, for their backend cannot run them: {plural(len(left_out), 'cell')}"
    for reason, cells in sorted(by_reason.items(), key=lambda item: -len(item[1])):
        yield f"  {len(cells)}: {reason} (such as {_named(cells[0])})"


def _named(cell: Cell) -> str:
    return f"{cell.source} → {cell.target}, {cell.scenario} on {cell.backend}"


def _lines(summary: RunSummary, seconds: float) -> Iterator[str]:
    yield from (f"note: {note}" for note in summary.notes)
    for cell in summary.failures[:_SHOWN]:
        yield f"not measured: {_named(cell)}"
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
    if summary.boots or summary.again:
        yield f"{plural(summary.boots, 'boot')}; {plural(summary.again, 'result')} of cells that were run again"
    yield f"{seconds:.1f} s in all, {summary.seconds:.1f} s running ({summary.cells_per_second:.0f} cells/s)"


def _status(summary: RunSummary) -> int:
    if summary.failures:
        return _FAILED
    return _DISAGREEMENT if summary.disagreements else _OK
