# SPDX-License-Identifier: Apache-2.0
"""One self-contained page: no network, no framework. Findings and grid are plain HTML; the drill-down is a script."""

from __future__ import annotations

import functools
import json
from importlib import resources
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from qualify.model import Direction, Finding, Status, Verdict
from qualify.report.assemble import SHOWN_FINDINGS
from qualify.report.cells import serial_log
from qualify.report.data import PairRow, ReportData
from qualify.report.packing import packed
from qualify.report.squares import Role, bands
from qualify.report.wording import (
    CONSEQUENCES,
    FINDINGS,
    MEANINGS,
    REAL_EVIDENCE,
    SHORT_EVIDENCE,
    STATUSES,
    SYMBOLS,
    WORDS,
    brief,
    in_runs,
    moment,
    pairs_in_words,
    plural,
    stale_results,
    state,
)

__all__ = ["render"]

_STYLES = ("style.css", "grid.css", "panel.css", "files.css", "print.css")
_SCRIPTS = ("unpack.js", "bytes.js", "files.js", "cells.js", "panel.js", "page.js")

_STATES: tuple[Verdict | Status, ...] = (*reversed(Verdict), *STATUSES)

#: Opened when the page opens; the rest is for those who look for it.
_OPEN = frozenset({Finding.FALSE_ACCEPT})

_NAMED_DISAGREEMENTS = 6
"""Disagreements that are spelt out above the grid; the rest folds, so that the grid stays in sight."""

_LINKED_CELLS = 8
"""Cells of one contradiction or failure that are linked one by one."""

# for the eye only: a screen reader still hears the full word
_HIDDEN = Markup("position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);")

# Widths in pixels: the row labels, and what a square needs for its full words, its short words and its signs.
_LABELS, _FULL, _SHORT, _SIGN = 60, 103, 72, 24


def render(data: ReportData) -> str:
    """The whole page as one string."""
    numbered = list(enumerate(data.findings))
    count = len(data.releases)
    occurring = _occurring(data)
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            data=data,
            grid={(p.source, p.target): (n, p) for n, p in enumerate(data.pairs)},
            labels=[r.label for r in data.releases],
            findings=[
                (f, *FINDINGS[f], [(n, g) for n, g in numbered if g.finding is f and g.reached], f in _OPEN)
                for f in SHOWN_FINDINGS
            ],
            named=_NAMED_DISAGREEMENTS,
            linked=_LINKED_CELLS,
            elsewhere=[g for g in data.disagreements if not g.real],
            hidden=_HIDDEN,
            legend=[(k.value, SYMBOLS[k], WORDS[k], MEANINGS[k]) for k in _STATES if k in {*Verdict, *occurring}],
            occurring=[(k.value, SYMBOLS[k], MEANINGS[k]) for k in occurring],
            consequences=[(k.value, *v) for k, v in CONSEQUENCES.items()],
            directions=[d for d in Direction if any(p.direction is d for p in data.pairs)],
            # the page decides by its own width how much of a square's words it shows
            short_below=_LABELS + count * _FULL,
            signs_below=_LABELS + count * _SHORT,
            scroll_below=_LABELS + count * _SIGN,
            widest=_LABELS + count * 2 * _FULL,
            payload=_embedded(packed(data)),
            styles=[_asset(name) for name in _STYLES],
            scripts=[_asset(name) for name in _SCRIPTS],
        )
    )


def _occurring(data: ReportData) -> list[Verdict | Status]:
    """The states that some cell or square shows; the filters offer no others."""
    cells = {state(c) for p in data.pairs for c in p.cells}
    squares = {state(b.cell) for p in data.pairs for b in bands(p)}
    return [k for k in _STATES if k in cells | squares]


@functools.cache
def _environment() -> Environment:
    # Everything is escaped, whatever the file is called: names of releases and log lines come from anywhere.
    environment = Environment(
        loader=PackageLoader("qualify.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "plural": plural,
        "symbol": SYMBOLS.__getitem__,
        "short": WORDS.__getitem__,
        "breakable": _breakable,
        "brief": brief,
        "moment": moment,
    }
    environment.globals |= {
        "bands": bands,
        "blocks": pairs_in_words,
        "fragment": _fragment,
        "in_runs": in_runs,
        "meaning": {k: v[1] for k, v in CONSEQUENCES.items()},
        "stale": stale_results,
        "short_evidence": SHORT_EVIDENCE,
        "real_evidence": REAL_EVIDENCE,
        "serial_log": serial_log,
        "Finding": Finding,
        "Role": Role,
        "state": state,
        "unmeasured": _unmeasured,
    }
    return environment


def _unmeasured(pair: PairRow) -> int:
    return sum(pair.count(status) for status in STATUSES)


def _embedded(value: Any) -> Markup:
    """JSON inside a script element: nothing in it can end the element or start a comment."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return Markup(text)


def _asset(name: str) -> Markup:
    """One of our own files, trusted as it is, without its licence line."""
    text = (resources.files("qualify.report") / "templates" / name).read_text(encoding="utf-8")
    return Markup(text.partition("\n")[2])


def _fragment(source: str, target: str, scenario: str = "") -> str:
    pair = f"#{quote(source, safe='')}→{quote(target, safe='')}"
    return f"{pair}/{quote(scenario, safe='')}" if scenario else pair


def _breakable(label: str) -> Markup:
    """Let a long label break behind its hyphens."""
    return Markup("<wbr>").join(piece for piece in label.replace("-", "-\0").split("\0"))
