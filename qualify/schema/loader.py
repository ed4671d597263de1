# SPDX-License-Identifier: Apache-2.0
"""Schema files to a Schema. Every mistake in every file is reported at once, each with its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from qualify.errors import Problem, SchemaError
from qualify.schema.check import check
from qualify.schema.format import Format
from qualify.schema.inherit import Entry, Place, inherit
from qualify.schema.layout import Struct
from qualify.schema.release import Component, Release
from qualify.schema.schema import Schema, by_version
from qualify.yamlfile import Document, read, suggest, validate

__all__ = ["DATA", "load"]

DATA = Path(__file__).parent / "data"
_LISTS: dict[str, type[BaseModel]] = {
    "components": Component,
    "structs": Struct,
    "formats": Format,
    "releases": Release,
}


@dataclass
class _Items:
    """What has been gathered so far; ids map to models, places to where they were written."""

    found: dict[str, dict[str, BaseModel]] = field(default_factory=lambda: {kind: {} for kind in _LISTS})
    places: dict[tuple[str, str], Place] = field(default_factory=dict)
    broken: set[tuple[str, str]] = field(default_factory=set)  # (kind, name) of entries that did not validate
    releases: list[Entry] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def load(extra: Sequence[Path] = (), data: Path | None = None) -> Schema:
    """The shipped schema (or the folder `data`) plus `extra` files; SchemaError lists every problem.

    A file holds lists under ``components``, ``structs``, ``formats`` or ``releases``, or is one release itself.
    """
    root = data or DATA
    paths = sorted(root.glob("*.yaml")) + sorted(root.glob("releases/*.yaml"))
    named = [(p, str(p.relative_to(root)) if data is None else str(p)) for p in paths]
    if not named:
        raise SchemaError([Problem(str(root), 0, 0, "holds no schema files", "expected *.yaml and releases/*.yaml")])
    items = _Items()
    unread = False
    for path, name in [*named, *((p, str(p)) for p in extra)]:
        document = read(path, name)
        if isinstance(document, Problem):
            items.problems.append(document)
            unread = True
        else:
            _take(document, items)
    for merged, place in inherit(items.releases, items.problems):
        _add("releases", "label", merged, place, items)
    # with a file unread, every name it defines would be reported as unknown
    if not unread:
        items.problems.extend(check(items.found, items.places, items.broken))
    if items.problems:
        # what several releases inherit is one mistake, in the place where it was written
        raise SchemaError(sorted(set(items.problems)))
    return Schema(
        components={k: v for k, v in items.found["components"].items() if isinstance(v, Component)},
        structs={k: v for k, v in items.found["structs"].items() if isinstance(v, Struct)},
        formats={k: v for k, v in items.found["formats"].items() if isinstance(v, Format)},
        releases=by_version(r for r in items.found["releases"].values() if isinstance(r, Release)),
    )


def _take(document: Document, items: _Items) -> None:
    data = document.data
    if not isinstance(data, dict) or not data:
        hint = f"expected one of the keys {', '.join(_LISTS)}, or a release with a label"
        items.problems.append(document.problem((), "is not a schema file", hint))
        return
    # Without its label (misspelt, or forgotten) it is still a release, and no list of things.
    if "label" in data or ("version" in data and not _LISTS.keys() & data.keys()):
        items.releases.append(Entry(document, (), data))
        return
    for kind, entries in data.items():
        if kind not in _LISTS:
            hint = suggest(str(kind), [*_LISTS, "label"])
            items.problems.append(document.problem((kind,), f"unknown key '{kind}'", hint))
        elif not isinstance(entries, list):
            items.problems.append(document.problem((kind,), f"'{kind}' must be a list"))
        else:
            for index, entry in enumerate(entries):
                _take_entry(kind, Entry(document, (kind, index), entry), items)


def _take_entry(kind: str, entry: Entry, items: _Items) -> None:
    if not isinstance(entry.data, dict):
        text = f"an entry of '{kind}' must be a mapping, got {entry.data!r}"
        items.problems.append(entry.document.problem(entry.at, text))
    elif kind == "releases":
        items.releases.append(entry)
    else:
        _add(kind, "id", entry.data, Place((entry,)), items)


def _add(kind: str, key: str, data: dict[str, Any], place: Place, items: _Items) -> None:
    written = place.entries[0]
    owner = None if len(place.entries) == 1 else place.origin
    model = validate(_LISTS[kind], data, written.document, written.at, owner)
    if isinstance(model, list):
        items.problems.extend(model)
        items.broken.add((kind, str(data.get(key))))
        return
    name = str(getattr(model, key))
    if name in items.found[kind]:
        other = items.places[kind, name].entries[0]
        where = f"{other.document.name}:{other.document.position(other.at)[0]}"
        items.problems.append(place.problem((key,), f"'{name}' is defined twice", f"first at {where}"))
        return
    items.found[kind][name] = model
    items.places[kind, name] = place
