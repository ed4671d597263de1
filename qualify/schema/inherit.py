# SPDX-License-Identifier: Apache-2.0
"""Releases that inherit from others: a child over its parent, and where each fact was written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from qualify.errors import Problem
from qualify.yamlfile import Document, Loc, suggest

__all__ = ["Entry", "Heir", "Place", "inherit"]

_PLAIN = ("arch", "page_size", "endian", "max_page_order")
_INHERITED = (*_PLAIN, "config", "components")


@dataclass(frozen=True)
class Entry:
    """One entry of a schema file, as it was written."""

    document: Document
    at: Loc
    data: Any

    def depth(self, loc: Loc) -> int:
        """How many parts of `loc` this entry has."""
        here: Any = self.data
        for number, part in enumerate(loc):
            inside_list = isinstance(here, list) and isinstance(part, int) and part < len(here)
            if not inside_list and not (isinstance(here, dict) and part in here):
                return number
            here = here[part]
        return len(loc)


def _as_it_is(loc: Loc) -> Loc:
    return loc


@dataclass(frozen=True)
class Place:
    """Where an entry was written: itself, then what it inherits from, nearest first.

    `written` maps places in what was kept of an entry to places in the entry, where the two differ. `renamed` is the
    name under which the entry is kept and the one that it has in the file, where it cannot be kept under that.
    """

    entries: tuple[Entry, ...]
    written: Callable[[Loc], Loc] = _as_it_is
    renamed: tuple[str, str] = ("", "")

    def owner(self, loc: Loc) -> Entry:
        """The entry that wrote `loc`: the nearest of those that hold most of it; itself for what no child inherits."""
        if loc and loc[0] not in _INHERITED:
            return self.entries[0]
        return max(self.entries, key=lambda entry: entry.depth(loc))

    def origin(self, loc: Loc) -> tuple[Document, Loc]:
        """Document and position of the entry that wrote `loc`."""
        entry = self.owner(loc)
        return entry.document, entry.at

    def holds(self, loc: Loc) -> bool:
        return any(entry.depth(loc) == len(loc) for entry in self.entries)

    def problem(self, loc: Loc, message: str, hint: str = "") -> Problem:
        loc = self.written(loc)
        entry = self.owner(loc)
        if self.renamed[0]:
            message = message.replace(*self.renamed)
        return entry.document.problem(entry.at + loc, message, hint)


@dataclass(frozen=True)
class Heir:
    """A release with what it inherits filled in; an orphan lacks what a parent that is not known would give it."""

    data: dict[str, Any]
    place: Place
    orphan: bool


def inherit(entries: Sequence[Entry], problems: list[Problem], *, more: bool = False) -> list[Heir]:
    """Every release; broken chains go to `problems`. `more`: there may be releases that are not among `entries`."""
    by_label: dict[str, Entry] = {}
    nameless = []
    for entry in entries:
        label = entry.data.get("label")
        if isinstance(label, str | int | float):
            by_label.setdefault(str(label), entry)
        else:
            nameless.append(entry)
    resolved = []
    for entry in entries:
        chain, problem = _chain(entry, by_label, more or any(other is not entry for other in nameless))
        if problem is not None:
            problems.append(problem)
        merged: dict[str, Any] = {}
        for link in reversed(chain):
            merged = _over(merged, link.data)
        orphan = "inherits" in chain[-1].data
        resolved.append(Heir(_adopted(merged) if orphan else merged, Place(tuple(chain)), orphan))
    return resolved


def _chain(entry: Entry, by_label: dict[str, Entry], more: bool) -> tuple[list[Entry], Problem | None]:
    """`entry`, its parent, ... as far as they are known, and what is wrong with its own link."""
    chain, seen = [entry], [str(entry.data.get("label"))]
    while "inherits" in chain[-1].data:
        link = chain[-1]
        parent = str(link.data["inherits"])
        at = (*entry.at, "inherits")
        if parent in seen:
            text = f"inherits itself: {' -> '.join([*seen, parent])}"
            mine = parent == seen[0]
            return [entry], entry.document.problem(at, text, "a chain of inherits must end") if mine else None
        if parent not in by_label:
            if more or link is not entry:
                return chain, None
            text, hint = f"no release '{parent}' to inherit from", suggest(parent, by_label.keys() - set(seen))
            return chain, entry.document.problem(at, text, hint)
        seen.append(parent)
        chain.append(by_label[parent])
    return chain, None


def _adopted(data: dict[str, Any]) -> dict[str, Any]:
    """The data with everything filled in that a component must have and may have inherited."""
    specs = data["components"]
    if not isinstance(specs, dict):
        return data
    filled = {n: {"provenance": {"kind": "inferred"}} | s if isinstance(s, dict) else s for n, s in specs.items()}
    return data | {"components": filled}


def _over(parent: dict[str, Any], child: dict[str, Any]) -> dict[str, Any]:
    """The child over its parent: config, components and, within those, `on` and `traits` merge; null removes.

    Where facts come from is said by each release for itself, and put together later (qualify/schema/sources.py).
    """
    merged = {k: v for k, v in parent.items() if k in _PLAIN}
    merged |= {k: v for k, v in child.items() if k != "inherits"}
    merged["config"] = _merge(parent.get("config"), child.get("config"))
    mine, theirs = child.get("components"), parent.get("components")
    if isinstance(mine, dict) and isinstance(theirs, dict):
        mine = {name: _spec(theirs.get(name), spec) for name, spec in mine.items()}
    merged["components"] = _merge(theirs, mine)
    return merged


def _spec(base: Any, own: Any) -> Any:
    if not isinstance(base, dict) or not isinstance(own, dict):
        return own
    kept = {key: value for key, value in base.items() if key != "sources"}
    return kept | own | {key: _merge(base.get(key), own.get(key)) for key in ("on", "traits")}


def _merge(base: Any, own: Any) -> Any:
    """`own` over `base`; what is no mapping stays as it is, so that validation can say so."""
    if own is None:
        return base if isinstance(base, dict) else {}
    if not isinstance(own, dict) or not isinstance(base, dict | None):
        return own
    return {k: v for k, v in ((base or {}) | own).items() if v is not None}
