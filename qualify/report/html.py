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
from qualify.report.data import ReportData
from qualify.report.export import packed
from qualify.report.wording import (
    CONSEQUENCES,
    FINDINGS,
    MEANINGS,
    STATUSES,
    SYMBOLS,
    age,
    pairs_in_words,
    plural,
    stale_results,
    state,
)

__all__ = ["render"]

_SCRIPTS = ("unpack.js", "panel.js", "page.js")

_STATES: tuple[Verdict | Status, ...] = (*reversed(Verdict), *STATUSES)

#: Opened when the page opens; the rest is for those who look for it.
_OPEN = frozenset({Finding.FALSE_ACCEPT})


def render(data: ReportData) -> str:
    """The whole page as one string."""
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            data=data,
            grid={(p.source, p.target): (n, p) for n, p in enumerate(data.pairs)},
            labels=[r.label for r in data.releases],
            findings=[(f, *FINDINGS[f], data.groups(f), f in _OPEN) for f in SHOWN_FINDINGS],
            legend=[(k.value, SYMBOLS[k], MEANINGS[k]) for k in _STATES],
            consequences=[(k.value, *v) for k, v in CONSEQUENCES.items()],
            directions=list(Direction),
            missing=Status.MISSING,
            payload=_embedded(packed(data)),
            style=_asset("style.css"),
            scripts=[_asset(name) for name in _SCRIPTS],
        )
    )


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
    environment.filters |= {"plural": plural, "symbol": SYMBOLS.__getitem__, "breakable": _breakable}
    environment.globals |= {
        "age": age,
        "blocks": pairs_in_words,
        "fragment": _fragment,
        "letter": {k: v[0] for k, v in CONSEQUENCES.items()},
        "meaning": {k: v[1] for k, v in CONSEQUENCES.items()},
        "stale": stale_results,
        "state": state,
    }
    return environment


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


def _fragment(source: str, target: str) -> str:
    return f"#{quote(source, safe='')}→{quote(target, safe='')}"


def _breakable(label: str) -> Markup:
    """Let a long label break behind its hyphens."""
    return Markup("<wbr>").join(piece for piece in label.replace("-", "-\0").split("\0"))
