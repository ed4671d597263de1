# SPDX-License-Identifier: Apache-2.0
"""Schema files to a Schema. Every mistake in every file is reported at once, each with its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from qualify.errors import Problem, SchemaError
from qualify.schema.check import check
from qualify.schema.format import Format
from qualify.schema.inherit import Entry, Place, inherit
from qualify.schema.known import Known
from qualify.schema.layout import Struct
from qualify.schema.messages import LogMessage
from qualify.schema.release import Component, Release
from qualify.schema.salvage import salvage
from qualify.schema.schema import Schema, by_version
from qualify.schema.sources import with_sources
from qualify.yamlfile import Document, Loc, read, shown, suggest, validate

__all__ = ["DATA", "load"]

DATA = Path(__file__).parent / "data"
_LISTS: dict[str, type[BaseModel]] = {
    "components": Component,
    "structs": Struct,
    "formats": Format,
    "releases": Release,
    "messages": LogMessage,
}


@dataclass
class _Items:
    """What has been gathered so far; ids map to models, places to where they were written. See `Known` for the rest."""

    found: dict[str, dict[str, BaseModel]] = field(default_factory=lambda: {kind: {} for kind in _LISTS})
    places: dict[tuple[str, str], Place] = field(default_factory=dict)
    broken: set[tuple[str, str]] = field(default_factory=set)
    holes: dict[tuple[str, str], frozenset[Loc]] = field(default_factory=dict)
    open_kinds: set[str] = field(default_factory=set)
    orphans: set[str] = field(default_factory=set)
    stand_ins: set[str] = field(default_factory=set)
    releases: list[Entry] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def known(self) -> Known:
        return Known(
            components={k: v for k, v in self.found["components"].items() if isinstance(v, Component)},
            structs={k: v for k, v in self.found["structs"].items() if isinstance(v, Struct)},
            formats={k: v for k, v in self.found["formats"].items() if isinstance(v, Format)},
            releases={k: v for k, v in self.found["releases"].items() if isinstance(v, Release)},
            broken=self.broken,
            holes=self.holes,
            open_kinds=self.open_kinds,
            orphans=self.orphans,
            stand_ins=self.stand_ins,
        )


def load(extra: Sequence[Path] = (), data: Path | None = None) -> Schema:
    """The shipped schema (or the folder `data`) plus `extra` files; SchemaError lists every problem.

    A file holds lists under ``components``, ``structs``, ``formats``, ``releases`` or ``messages``, or is one release.
    """
    root = data or DATA
    paths = sorted(root.glob("*.yaml")) + sorted(root.glob("releases/*.yaml"))
    named = [(p, str(p.relative_to(root)) if data is None else str(p)) for p in paths]
    if not named:
        raise SchemaError([Problem(str(root), 0, 0, "holds no schema files", "expected *.yaml and releases/*.yaml")])
    items = _Items()
    for path, name in [*named, *((p, str(p)) for p in extra)]:
        document = read(path, name)
        if isinstance(document, Problem):
            items.problems.append(document)
            items.open_kinds.update(_LISTS)  # whatever it defines is not known
        else:
            _take(document, items)
    for heir in inherit(items.releases, items.problems, more="releases" in items.open_kinds):
        label = _add("releases", "label", heir.data, heir.place, items)
        if heir.orphan:
            items.orphans.add(label)
    known = items.known()
    items.problems.extend(check(known, items.places))
    if items.problems:
        # what several releases inherit is one mistake, in the place where it was written
        raise SchemaError(sorted(set(items.problems)))
    chains = {label: items.places["releases", label].entries for label in known.releases}
    releases = (with_sources(r, chains[label], known.components) for label, r in known.releases.items())
    messages = tuple(v for v in items.found["messages"].values() if isinstance(v, LogMessage))
    return Schema(known.components, known.structs, known.formats, by_version(releases), messages)


def _take(document: Document, items: _Items) -> None:
    data = document.data
    if not isinstance(data, dict) or not data:
        hint = f"expected one of the keys {', '.join(_LISTS)}, or a release with a label"
        items.problems.append(document.problem((), "is not a schema file", hint))
        items.open_kinds.update(_LISTS)
        return
    if "label" in data or _is_release(data):
        items.releases.append(Entry(document, (), data))
        return
    for kind, entries in data.items():
        if kind not in _LISTS:
            hint = suggest(str(kind), [*_LISTS, "label"])
            items.problems.append(document.problem((kind,), f"unknown key '{kind}'", hint))
            items.open_kinds.update(_LISTS)  # whatever it was meant to define is not known
        elif not isinstance(entries, list):
            items.problems.append(document.problem((kind,), f"'{kind}' must be a list"))
            items.open_kinds.add(kind)
        else:
            for index, entry in enumerate(entries):
                _take_entry(kind, Entry(document, (kind, index), entry), items)


def _is_release(data: dict[str, Any]) -> bool:
    """Whether a file without a label looks like a release all the same: no lists, and keys that releases have."""
    lists = any(isinstance(data.get(kind), list) for kind in _LISTS)
    keys = {str(key) for key, value in data.items() if key != "components" or isinstance(value, dict)}
    return not lists and bool(keys & {*Release.model_fields, "inherits"})


def _take_entry(kind: str, entry: Entry, items: _Items) -> None:
    if not isinstance(entry.data, dict):
        text = f"an entry of '{kind}' must be a mapping, got {shown(entry.data)}"
        items.problems.append(entry.document.problem(entry.at, text))
        items.open_kinds.add(kind)
    elif kind == "releases":
        items.releases.append(entry)
    else:
        _add(kind, "id", entry.data, Place((entry,)), items)


def _add(kind: str, key: str, data: dict[str, Any], place: Place, items: _Items) -> str:
    """Validate and keep one entry, or what can be kept of it; the name under which it was kept, '' for none."""
    written = place.entries[0]
    owner = None if len(place.entries) == 1 else place.origin
    also = ("inherits",) if kind == "releases" else ()
    model: BaseModel | list[Problem] = validate(_LISTS[kind], data, written.document, written.at, owner, also)
    stand_in, holes = f"{kind}-{len(items.places)}", frozenset[Loc]()
    if isinstance(model, list):
        items.problems.extend(model)
        rest = salvage(_LISTS[kind], data, {key: stand_in})
        if rest is None or (key,) in rest.holes:
            items.broken.add((kind, str(data.get(key))))
            items.open_kinds.update(() if isinstance(data.get(key), str) else (kind,))
        if rest is None:
            return ""
        model, holes = rest.model, rest.holes
        place = replace(place, written=rest.written)
    name = str(getattr(model, key))
    if name == stand_in:
        place = replace(place, renamed=(stand_in, str(data.get(key, "?"))))
    elif name in items.found[kind]:
        other = items.places[kind, name].entries[0]
        where = f"{other.document.name}:{other.document.position(other.at)[0]}"
        items.problems.append(place.problem((key,), f"'{name}' is defined twice", f"first at {where}"))
        # judged all the same, under another name
        model, place = model.model_copy(update={key: stand_in}), replace(place, renamed=(stand_in, name))
        name = stand_in
    if name == stand_in:
        items.stand_ins.add(name)
    items.found[kind][name], items.places[kind, name], items.holes[kind, name] = model, place, holes
    return name
