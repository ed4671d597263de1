# SPDX-License-Identifier: Apache-2.0
"""Colour where somebody looks, and nowhere else."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence

import typer
from tabulate import tabulate

from qualify.model import Finding, Verdict

__all__ = ["paint", "table"]

_COLOURS: dict[Verdict | Finding, str] = {
    Verdict.UNSUPPORTED: "bright_black",
    Verdict.RESTORED: "green",
    Verdict.DEGRADED: "yellow",
    Verdict.REFUSED: "yellow",
    Verdict.LOST: "red",
    Verdict.PANIC: "red",
    Verdict.CORRUPT: "magenta",
    Finding.FALSE_ACCEPT: "red",
    Finding.TRUE_REFUSAL: "yellow",
    Finding.OVER_STRICT_REFUSAL: "cyan",
}


def paint(what: Verdict | Finding, words: str = "") -> str:
    """The name (or other words for it), in its colour on a terminal; see https://no-color.org for NO_COLOR."""
    text = words or what.value
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return text
    return typer.style(text, fg=_COLOURS.get(what), bold=what is not Verdict.RESTORED)


def table(rows: Sequence[Sequence[object]], headers: Sequence[str]) -> Iterator[str]:
    """Lines of a plain table; columns that are empty throughout are left out."""
    kept = [i for i in range(len(headers)) if any(row[i] != "" for row in rows)]
    chosen = [[row[i] for i in kept] for row in rows]
    text = tabulate(chosen, [headers[i] for i in kept], tablefmt="simple", disable_numparse=True)
    yield from (line.rstrip() for line in text.splitlines())
