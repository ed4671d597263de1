# SPDX-License-Identifier: Apache-2.0
"""`qualify matrix list|show|pairs`: what there is to run."""

from __future__ import annotations

import sys

import typer

from qualify.cli.inputs import load_inputs, with_matrix
from qualify.cli.options import JsonOption, MatrixArgument, ScenariosOption, SchemaOption
from qualify.cli.output import print_json
from qualify.cli.style import put, table
from qualify.matrix import Selection, load_matrix, select, shipped_matrices

__all__ = ["register"]

EMPTY = 3


def register(app: typer.Typer) -> None:
    """Add the group to the application."""
    group = typer.Typer(no_args_is_help=True, help="Show matrix files and what they select.")
    group.command("list")(_list)
    group.command("show")(_show)
    group.command("pairs")(_pairs)
    app.add_typer(group, name="matrix")


def _list(json_: JsonOption = False) -> None:
    """List the matrices that ship.

    Example: qualify matrix list
    """
    schema, library = load_inputs(None, None)
    chosen = [select(load_matrix(name), schema, library) for name in shipped_matrices()]
    if json_:
        print_json([_summary(s) for s in chosen])
        return
    rows = [
        (s.matrix.name, len(s.releases), len(s.pairs), len(s.scenarios), len(s.cells), s.matrix.title) for s in chosen
    ]
    put(table(rows, ["matrix", "releases", "pairs", "scenarios", "cells", "title"]))


def _show(
    matrix: MatrixArgument, schema: SchemaOption = None, scenarios: ScenariosOption = None, json_: JsonOption = False
) -> None:
    """Show what a matrix selects: releases, scenarios, numbers of pairs and cells.

    Examples: qualify matrix show upstream; qualify matrix show ./mine.yaml --scenarios ./scenarios
    """
    chosen = with_matrix(matrix, schema, scenarios, select)
    if json_:
        print_json(_summary(chosen))
    else:
        put([f"{chosen.matrix.name}: {chosen.matrix.title}"])
        rows = [
            ("releases", " ".join(r.label for r in chosen.releases)),
            ("scenarios", " ".join(s.id for s in chosen.scenarios)),
            ("backends", " ".join(chosen.matrix.backends)),
            ("pairs", str(len(chosen.pairs))),
            ("cells", str(len(chosen.cells))),
        ]
        put(table(rows))
    _leave_if_empty(chosen)


def _pairs(
    matrix: MatrixArgument, schema: SchemaOption = None, scenarios: ScenariosOption = None, json_: JsonOption = False
) -> None:
    """List the directed pairs of a matrix in the order in which they run.

    Example: qualify matrix pairs window
    """
    chosen = with_matrix(matrix, schema, scenarios, select)
    if json_:
        print_json([{"source": p.source, "target": p.target, "direction": p.direction} for p in chosen.pairs])
    else:
        rows = [(p.source, p.target, p.direction.value) for p in chosen.pairs]
        put(table(rows, ["source", "target", "direction"]))
    _leave_if_empty(chosen)


def _summary(chosen: Selection) -> dict[str, object]:
    return {
        "name": chosen.matrix.name,
        "title": chosen.matrix.title,
        "digest": chosen.matrix.digest,
        "releases": [r.label for r in chosen.releases],
        "scenarios": [s.id for s in chosen.scenarios],
        "backends": list(chosen.matrix.backends),
        "pairs": len(chosen.pairs),
        "cells": len(chosen.cells),
    }


def _leave_if_empty(chosen: Selection) -> None:
    if chosen.why_empty:
        print(f"qualify: {chosen.why_empty}", file=sys.stderr)
        raise typer.Exit(EMPTY)
