# SPDX-License-Identifier: Apache-2.0
"""Colour and lines that fit, where somebody looks and nowhere else."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence

import typer

from qualify.model import Finding, Verdict

__all__ = ["columns", "limit", "paint", "put", "table"]

_NARROWEST = 40  # narrower terminals are not kept to: nothing could be read there
_THINNEST = 8  # nor are columns made narrower
_GAP = "  "
_ESCAPE = re.compile(r"\x1b\[[0-9;]*m")

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


def columns(otherwise: int) -> int:
    """The width to keep to: of the terminal or as COLUMNS says, `otherwise` where there is neither."""
    return max(shutil.get_terminal_size((otherwise, 24)).columns, _NARROWEST)


def limit() -> int | None:
    """The width that lines must keep to; None where nobody looks, so that each thing stays in one line for grep."""
    said = os.environ.get("COLUMNS", "")
    return columns(80) if sys.stdout.isatty() or (said.isdigit() and int(said)) else None


def table(rows: Sequence[Sequence[object]], headers: Sequence[str] = ()) -> Iterator[str]:
    """Lines of a plain table within `limit()`, whole numbers to the right; columns that are empty throughout are left
    out."""
    kept = [i for i in range(len(rows[0]) if rows else 0) if any(row[i] != "" for row in rows)]
    heads = [headers[i] for i in kept] if headers else []
    cells = [[str(row[i]) for i in kept] for row in rows]
    right = [all(isinstance(row[i], int) for row in rows) for i in kept]
    widths = _widths(cells, heads)
    if heads:
        yield from _row(heads, widths, right)
        yield _GAP.join("-" * width for width in widths)
    for row in cells:
        yield from _row(row, widths, right)


def _widths(cells: Sequence[Sequence[str]], heads: Sequence[str]) -> list[int]:
    """How wide each column is: as its cells need, and where there is a limit, the widest give way first."""
    floors = [len(head) for head in heads] or [0] * len(cells[0] if cells else ())
    needed = [max((_seen(row[i]) for row in cells), default=0) for i in range(len(floors))]
    most, gaps = limit(), len(_GAP) * (len(floors) - 1)
    roomy = [max(n, floor + 2 if heads else 0) for n, floor in zip(needed, floors, strict=True)]
    if most is None or sum(roomy) + gaps <= most:
        return roomy
    widths = [max(n, floor) for n, floor in zip(needed, floors, strict=True)]
    floors = [max(floor, _THINNEST) for floor in floors]
    while (excess := sum(widths) + gaps - most) > 0:
        yielding = [(w, i) for i, (w, floor) in enumerate(zip(widths, floors, strict=True)) if w > floor]
        if not yielding:
            break
        width, column = max(yielding)
        # Down to the next widest, or as far as it takes.
        following = max((w for w, i in yielding if i != column), default=0)
        widths[column] = max(min(following, width - 1), width - excess, floors[column])
    return widths


def _row(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> Iterator[str]:
    """One row, in as many lines as its longest cell takes."""
    stacks = [_broken(cell, width) for cell, width in zip(cells, widths, strict=True)]
    for pieces in itertools.zip_longest(*stacks, fillvalue=""):
        padding = [" " * (w - _seen(p)) for p, w in zip(pieces, widths, strict=True)]
        placed = (pad + p if r else p + pad for p, pad, r in zip(pieces, padding, right, strict=True))
        yield _GAP.join(placed).rstrip()


def _broken(cell: str, width: int) -> list[str]:
    """Broken between words; within one only where it is too long itself: a name that is whole can be copied."""
    if _seen(cell) <= width:
        return [cell]
    lines: list[str] = []
    for word in cell.split():
        glue = " "
        for piece in [word] if _seen(word) <= width else _pieces(word, width):
            if lines and _seen(lines[-1]) + len(glue) + _seen(piece) <= width:
                lines[-1] += glue + piece
            else:
                lines.append(piece)
            glue = ""
    return lines


def _pieces(word: str, width: int) -> Iterator[str]:
    """Parts of a word that fit: up to each hyphen or slash, and where that is too long, whatever there is room for."""
    for part in re.findall(r"[^-/]*[-/]|[^-/]+", word):
        yield from (part[start : start + width] for start in range(0, len(part), width))


def _seen(text: str) -> int:
    """How many columns a text takes, without what only colours it."""
    return len(_ESCAPE.sub("", text))


def put(lines: Iterable[str]) -> None:
    """Print lines; those that are too long for `limit()` go on below themselves, further in."""
    most = limit()
    for line in lines:
        for piece in _folded(line, most):
            print(piece)


def _folded(line: str, most: int | None) -> list[str]:
    if most is None or _seen(line) <= most:
        return [line]
    indent = line[: len(line) - len(line.lstrip())] + "    "
    return textwrap.wrap(line, most, subsequent_indent=indent, break_on_hyphens=False) or [line]
