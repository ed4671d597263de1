# SPDX-License-Identifier: Apache-2.0
"""The loaded schema: one immutable value that every layer reads."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from qualify.errors import UsageError
from qualify.model import Direction
from qualify.schema.base import Provenance
from qualify.schema.format import Format
from qualify.schema.layout import FlatField, Struct, flatten
from qualify.schema.messages import LogMessage
from qualify.schema.names import suggest_release
from qualify.schema.release import Component, ComponentSpec, Release, TraitValue
from qualify.yamlfile import suggest

__all__ = ["Schema", "struct_ids"]

# What says where a fact comes from, or only names it, is not part of how a kernel behaves. Everything else is: what a
# later schema adds counts until somebody says here that it does not.
_NOT_BEHAVIOUR = {"id", "provenance", "text"}
# Traits are told with the value that the release has; what it needs, with all that this needs in its turn.
_NOT_OF_A_COMPONENT = {*_NOT_BEHAVIOUR, "title", "kernel_name", "properties", "traits", "depends"}


@dataclass(frozen=True)
class Schema:
    """Components, structs, formats, releases and log messages, cross-checked. Build it with `qualify.schema.load`."""

    components: Mapping[str, Component]
    structs: Mapping[str, Struct]
    formats: Mapping[str, Format]
    releases: tuple[Release, ...]
    messages: tuple[LogMessage, ...] = ()  # what kernels log; no part of any fingerprint
    _by_name: Mapping[str, Release] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        names = {alias: r for r in self.releases for alias in (*r.aliases, r.label)}
        object.__setattr__(self, "_by_name", names)

    def release(self, name: str) -> Release:
        """The release with that label or alias."""
        try:
            return self._by_name[name]
        except KeyError:
            raise UsageError(f"unknown release '{name}'; {suggest_release(name, self.releases)}") from None

    def format(self, name: str) -> Format:
        """The format with that id."""
        try:
            return self.formats[name]
        except KeyError:
            raise UsageError(f"unknown format '{name}'; {suggest(name, self.formats)}") from None

    def spec(self, release: Release, component: str) -> ComponentSpec | None:
        """What `release` does about `component`; None when it has no such component."""
        return release.components.get(component)

    def trait(self, release: Release, component: str, name: str) -> TraitValue:
        """The release's value for a trait of a component, or the component's default."""
        spec = release.components.get(component)
        if spec is not None and name in spec.traits:
            return spec.traits[name]
        return self.components[component].traits[name].default

    def source(self, release: Release, component: str, fact: str) -> Provenance:
        """Where a fact of a component (writes, reads, requires, a condition, a trait) comes from."""
        spec = release.components[component]
        return spec.sources.get(fact, spec.provenance)

    def written(self, release: Release, component: str) -> Format | None:
        """The format that `release` writes for `component`."""
        spec = release.components.get(component)
        return self.formats[spec.writes] if spec is not None and spec.writes else None

    def readable(self, release: Release, component: str) -> tuple[Format, ...]:
        """The formats that `release` reads for `component`, preferred first."""
        spec = release.components.get(component)
        return tuple(self.formats[name] for name in spec.reads) if spec is not None else ()

    def gone(self, without: Iterable[str]) -> frozenset[str]:
        """The components that a kernel lacks which was built without those: they, and all that depend on them."""
        found = set(without)
        while more := {c for c, k in self.components.items() if c not in found and found & set(k.depends)}:
            found |= more
        return frozenset(found)

    @cached_property
    def in_subtree_order(self) -> tuple[str, ...]:
        """The components that add a subnode to the root FDT, in the order in which sources add them."""
        found = [(k.subtree_order, c) for c, k in self.components.items() if k.subtree_order is not None]
        return tuple(component for _, component in sorted(found))

    def flat(self, struct: str) -> tuple[FlatField, ...]:
        """The scalar members of a struct, nested ones with dotted names."""
        return tuple(flatten(self.structs[struct], self.structs))

    def direction(self, source: Release, target: Release) -> Direction:
        """Which way the pair goes, by version and then by position in the schema."""
        if source.label == target.label:
            return Direction.SAME
        order = {r.label: i for i, r in enumerate(self.releases)}
        upgrade = order[source.label] < order[target.label]
        return Direction.UPGRADE if upgrade else Direction.ROLLBACK

    def fingerprint(self, release: Release) -> str:
        """Hex SHA-256 over everything the release writes, reads, requires and does. Equal ones behave alike."""
        return self._fingerprints[release.label]

    @cached_property
    def _fingerprints(self) -> dict[str, str]:
        return {r.label: _digest(self._behaviour(r)) for r in self.releases}

    @cached_property
    def digest(self) -> str:
        """Hex SHA-256 over the whole schema."""
        return _digest(
            [
                [c.model_dump(mode="json") for c in self.components.values()],
                [s.model_dump(mode="json") for s in self.structs.values()],
                [f.model_dump(mode="json") for f in self.formats.values()],
                [r.model_dump(mode="json") for r in self.releases],
                [m.model_dump(mode="json") for m in self.messages],
            ]
        )

    def _behaviour(self, release: Release) -> dict[str, Any]:
        components = {}
        for name, spec in sorted(release.components.items()):
            component = self.components[name]
            traits = {t: self.trait(release, name, t) for t in component.traits}
            components[name] = {
                **component.model_dump(mode="json", exclude=_NOT_OF_A_COMPONENT),
                "depends": sorted(self._needs(name)),
                "writes": self.resolved(spec.writes) if spec.writes else None,
                "reads": [self.resolved(f) for f in spec.reads],
                "requires": sorted(spec.requires),
                "on": {k.value: v.value for k, v in sorted(spec.on.items())},
                "traits": traits,
            }
        keys = ("arch", "page_size", "endian", "max_page_order")
        return {**{k: getattr(release, k) for k in keys}, "components": components}

    def _needs(self, component: str) -> set[str]:
        """Every component that `component` depends on, also by way of those that a release lacks."""
        found: set[str] = set()
        waiting = [component]
        while waiting:
            new = set(self.components[waiting.pop()].depends) - found
            found |= new
            waiting.extend(new)
        return found

    def resolved(self, format_id: str) -> dict[str, Any]:
        """A format with every struct it uses spelt out and everything that is not behaviour left out."""
        form = self.formats[format_id]
        used = sorted(struct_ids(form))
        plain: dict[str, Any] = form.model_dump(mode="json", exclude=_NOT_BEHAVIOUR)
        plain["layouts"] = {name: [_flat(f) for f in self.flat(name)] for name in used}
        plain["sizes"] = {name: self.structs[name].size for name in used}
        return plain


def struct_ids(form: Format) -> set[str]:
    """Every struct that a format names."""
    names = {form.struct, *form.structs.values()}
    if form.container is not None:
        names |= {form.container.header, form.container.entry}
    if form.memory_map is not None:
        names |= set(form.memory_map.structs.values())
    nodes = [form.fdt] if form.fdt is not None else []
    while nodes:
        node = nodes.pop()
        names |= {p.struct for p in node.properties}
        nodes.extend(node.children)
    return names - {""}


def _flat(member: FlatField) -> list[Any]:
    return [member.name, member.type, member.offset, member.count, list(member.bits) if member.bits else None]


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def by_version(releases: Iterable[Release]) -> tuple[Release, ...]:
    """Oldest first; within a version the plain label before its variants."""
    return tuple(sorted(releases, key=lambda r: (r.version_key, r.label)))
