# SPDX-License-Identifier: Apache-2.0
"""Options that several commands have, so that they are spelt, explained and read alike."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from qualify.errors import UsageError
from qualify.scenario import Scenario, library
from qualify.schema import Schema, load
from qualify.yamlfile import suggest

__all__ = [
    "DbOption",
    "JsonOption",
    "MatrixArgument",
    "ScenariosOption",
    "SchemaOption",
    "load_inputs",
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


def load_inputs(schema: Sequence[Path] | None, scenarios: Sequence[Path] | None) -> tuple[Schema, dict[str, Scenario]]:
    """What ships, with what the user added."""
    known, found = load(schema or ()), library(scenarios or ())
    for scenario in found.values():
        for component in scenario.target.without:
            options = {c for c, k in known.components.items() if k.option}
            if component not in options:
                hint = suggest(component, options)
                text = "target.without names nothing that a kernel can be built without"
                raise UsageError(f"scenario '{scenario.id}': {text}: '{component}'; {hint}")
    return known, found
