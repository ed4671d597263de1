# SPDX-License-Identifier: Apache-2.0
"""Where each fact of a release comes from, put together from what its file and those it inherits from say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from qualify.schema.base import Provenance, ProvenanceKind
from qualify.schema.inherit import Entry
from qualify.schema.release import Component, ComponentSpec, Condition, Release

__all__ = ["OTHERS", "RESERVED", "facts_of", "with_sources"]

OTHERS = "others"  # stands for every fact that an entry neither writes nor lists
_PLAIN = ("writes", "reads", "requires")
RESERVED = frozenset({OTHERS, *_PLAIN, *(c.value for c in Condition)})  # no trait can be called so


def facts_of(spec: ComponentSpec, component: Component) -> tuple[str, ...]:
    """The names of all facts: what is written, read and required, conditions, traits."""
    return (*_PLAIN, *(c.value for c in Condition if c in spec.on), *component.traits)


def with_sources(release: Release, chain: Sequence[Entry], components: Mapping[str, Component]) -> Release:
    """The release with the provenance of every fact. `chain` is its own entry, then those it inherits from.

    All of them have been validated. A fact takes the first of these that there is, for the release
    itself, then for the one it inherits from, and so on:

    1. what the entry lists for it under `sources`;
    2. when the entry writes the fact: the provenance of the component there, or else that of the release;
    3. `others` of the entry; or its provenance for the component, when that says that the file was read in this very
       release, or when it speaks of nothing else, since all facts that the entry writes are listed;
    4. at the end, what the component says of a trait's default.
    """
    specs = {}
    for name, spec in release.components.items():
        component = components[name]
        found = _found(name, chain)
        sources = {}
        for fact in facts_of(spec, component):
            default = component.traits[fact].provenance if fact in component.traits else spec.provenance
            sources[fact] = found.get(fact, found.get(OTHERS, default))
        specs[name] = spec.model_copy(update={"sources": sources})
    return release.model_copy(update={"components": specs})


def _found(name: str, chain: Sequence[Entry]) -> dict[str, Provenance]:
    found: dict[str, Provenance] = {}
    for entry in reversed(chain):
        specs = entry.data.get("components") or {}
        if name not in specs:
            continue
        own = specs[name]
        if own is None:  # removed; what comes back later has no past
            found = {}
            continue
        listed = {k: Provenance.model_validate(v) for k, v in (own.get("sources") or {}).items()}
        stated = Provenance.model_validate(own["provenance"]) if "provenance" in own else None
        written = _written(own)
        covering = listed.get(OTHERS) or _covering(stated, entry, written - listed.keys())
        if covering is not None:
            found = dict.fromkeys((*found, OTHERS), covering)
        speaking = stated or Provenance.model_validate(entry.data["provenance"])
        found |= dict.fromkeys(written, speaking) | listed
    return found


def _written(own: Mapping[str, Any]) -> set[str]:
    """The facts of an entry; a null is one, too: it says that there is no such reaction, or that the default holds."""
    inner: Iterable[str] = (fact for key in ("on", "traits") for fact in (own.get(key) or {}))
    return {*(key for key in _PLAIN if key in own), *inner}


def _covering(stated: Provenance | None, entry: Entry, unlisted: set[str]) -> Provenance | None:
    """The provenance of the component, when it speaks of what the entry does not write, too."""
    if stated is None:
        return None
    here = stated.release in (str(entry.data["label"]), str(entry.data["version"]))
    return stated if (stated.kind is ProvenanceKind.READ and here) or not unlisted else None
