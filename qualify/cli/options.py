# SPDX-License-Identifier: Apache-2.0
"""Options that several commands have, so that they are spelt, explained and read alike."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qualify.errors import UsageError
from qualify.store import default_location

__all__ = [
    "REPORT_PLACE",
    "DbOption",
    "JsonOption",
    "KernelsOption",
    "MatrixArgument",
    "ScenariosOption",
    "SchemaOption",
    "located",
]

REPORT_PLACE = "[default: MATRIX.html and the like, in the reports folder where there is one, else beside the database]"

KernelsOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--kernels",
        metavar="DIR",
        help="Folder with a folder a kernel; may be repeated. [default: those that QUALIFY_KERNELS names, else "
        "kernels in the user's data folder]",
        show_default=False,
    ),
]
MatrixArgument = Annotated[
    str,
    typer.Argument(
        metavar="MATRIX", help="Name of a shipped matrix ('qualify matrix list') or the path of a matrix file."
    ),
]
DbOption = Annotated[
    str | None,
    typer.Option(
        "--db",
        metavar="URL",
        help="Database: a path or an SQLAlchemy URL. [default: reports/qualify.sqlite where there is a reports folder, "
        "else in the user's data folder]",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
SchemaOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--schema", metavar="FILE", help="Schema data beside what ships; may be repeated.", show_default=False
    ),
]
ScenariosOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--scenarios",
        metavar="DIR",
        help="Scenarios beside those that ship: a folder or a file; may be repeated.",
        show_default=False,
    ),
]


def located(db: str | None) -> str:
    """Where the database is that --db names, or that is meant without it."""
    if db is None:
        return default_location()
    if not db.strip():
        raise UsageError(
            "--db is empty (a variable that is not set?); name a database, "
            f"or leave --db out, which means {default_location()}"
        )
    return db
