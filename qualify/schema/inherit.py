# SPDX-License-Identifier: Apache-2.0
"""Releases that inherit from others: a child over its parent, and where each fact was written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qualify.errors import Problem
from qualify.yamlfile import Document, Loc, suggest

__all__ = ["Entry", "Place", "inherit"]

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


@dataclass(frozen=True)
class Place:
    """Where an entry was written: itself, then what it inherits from, nearest first."""

    entries: tuple[Entry, ...]

    def owner(self, loc: Loc) -> Entry:
        """The entry that wrote `loc`: the nearest of those that hold most of it. What is not inherited is its own."""
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
        entry = self.owner(loc)
        return entry.document.problem(entry.at + loc, message, hint)


def inherit(entries: Sequence[Entry], problems: list[Problem]) -> list[tuple[dict[str, Any], Place]]:
    """Every release with what it inherits filled in; those with a broken chain go to `problems`."""
    by_label = {str(entry.data["label"]): entry for entry in reversed(entries) if "label" in entry.data}
    resolved = []
    for entry in entries:
        chain = _chain(entry, by_label, problems)
        if chain:
            merged: dict[str, Any] = {}
            for link in reversed(chain):
                merged = _over(merged, link.data)
            resolved.append((merged, Place(tuple(chain))))
    return resolved


def _chain(entry: Entry, by_label: dict[str, Entry], problems: list[Problem]) -> list[Entry]:
    """`entry`, its parent, ... up to one that inherits nothing; empty when there is no such end."""
    chain, seen = [entry], [str(entry.data.get("label"))]
    while "inherits" in chain[-1].data:
        link = chain[-1]
        parent = str(link.data["inherits"])
        mine = link is entry
        if parent in seen:
            if parent == seen[0]:
                text = f"inherits itself: {' -> '.join([*seen, parent])}"
                place = entry.document.problem((*entry.at, "inherits"), text, "a chain of inherits must end")
                problems.append(place)
            return []
        if parent not in by_label:
            if mine:
                text, hint = f"no release '{parent}' to inherit from", suggest(parent, by_label.keys() - set(seen))
                problems.append(entry.document.problem((*entry.at, "inherits"), text, hint))
            return []
        seen.append(parent)
        chain.append(by_label[parent])
    return chain


def _over(parent: dict[str, Any], child: dict[str, Any]) -> dict[str, Any]:
    """The child over its parent: config, components and, within those, `on` and `traits` merge; null removes."""
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
    return base | own | {key: _merge(base.get(key), own.get(key)) for key in ("on", "traits")}


def _merge(base: Any, own: Any) -> Any:
    """`own` over `base`; what is no mapping stays as it is, so that validation can say so."""
    if own is None:
        return base if isinstance(base, dict) else {}
    if not isinstance(own, dict) or not isinstance(base, dict | None):
        return own
    return {k: v for k, v in ((base or {}) | own).items() if v is not None}
