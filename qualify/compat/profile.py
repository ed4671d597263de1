# SPDX-License-Identifier: Apache-2.0
"""Releases with everything resolved and interned: those that behave alike share ids, and are decided once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from qualify.compat.meeting import Meeting, meet
from qualify.schema import ARCHITECTURES, Architecture, ComponentSpec, Condition, Format, Reaction, Release, Schema
from qualify.schema.release import TraitValue

__all__ = ["Part", "Profile", "Profiles"]


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One component of one release. Parts with equal `id` behave alike."""

    id: int
    component: str
    spec: ComponentSpec
    written: Format | None
    reads: tuple[Format, ...]
    traits: Mapping[str, TraitValue]

    def on(self, condition: Condition, otherwise: Reaction) -> Reaction:
        """What the release does on `condition`; `otherwise` where the schema does not say."""
        return self.spec.on.get(condition, otherwise)

    def number(self, trait: str) -> int:
        return int(self.traits[trait])


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """One release as the decision sees it."""

    id: int
    page_size: int
    endian: str
    arch: Architecture
    parts: Mapping[str, Part]

    def ids(self, *components: str) -> tuple[int, ...]:
        """Ids of those components, -1 where there is none."""
        return tuple(self.parts[c].id if c in self.parts else -1 for c in components)


class Profiles:
    """Interns the releases of one schema."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self._ids: dict[object, int] = {}
        self._formats: dict[str, int] = {}
        self._parts: dict[int, Part] = {}
        self._meetings: dict[tuple[str, int, int], Meeting] = {}
        self._found: dict[tuple[int, tuple[str, ...]], tuple[Release, Profile]] = {}

    def profile(self, release: Release, without: tuple[str, ...] = ()) -> Profile:
        """The release, built without the components of `without` and all that depend on them."""
        key = (id(release), without)
        if (found := self._found.get(key)) is None:
            gone = self.schema.gone(without)
            parts = {c: self._part(c, spec) for c, spec in release.components.items() if c not in gone}
            shape = (release.arch, release.page_size, release.endian, release.max_page_order)
            number = self._intern((shape, tuple(sorted((c, p.id) for c, p in parts.items()))))
            # the release is kept with it: an id() is only unique among living objects
            found = self._found[key] = (
                release,
                Profile(number, release.page_size, release.endian, ARCHITECTURES[release.arch], parts),
            )
        return found[1]

    def meeting(self, component: str, source: Profile, target: Profile) -> Meeting:
        """How the two sides' formats of one component meet."""
        mine, theirs = source.parts.get(component), target.parts.get(component)
        key = component, mine.id if mine else -1, theirs.id if theirs else -1
        if (found := self._meetings.get(key)) is None:
            reads, requires = (theirs.reads, theirs.spec.requires) if theirs else ((), ())
            found = meet(self.schema, component, mine.written if mine else None, reads, requires)
            self._meetings[key] = found
        return found

    def _intern(self, value: object) -> int:
        return self._ids.setdefault(value, len(self._ids))

    def _format(self, name: str) -> int:
        if name not in self._formats:
            text = json.dumps(self.schema.resolved(name), sort_keys=True)
            self._formats[name] = self._intern(text)
        return self._formats[name]

    def _part(self, component: str, spec: ComponentSpec) -> Part:
        known = self.schema.components[component].traits
        traits = {name: spec.traits.get(name, trait.default) for name, trait in known.items()}
        number = self._intern(
            (
                component,
                self._format(spec.writes) if spec.writes else -1,
                tuple(self._format(f) for f in spec.reads),
                tuple(sorted(spec.requires)),
                tuple(sorted(spec.on.items())),
                # True == 1, and a trait may hold either
                tuple((name, str(value)) for name, value in traits.items()),
            )
        )
        if number not in self._parts:
            formats = self.schema.formats
            written = formats[spec.writes] if spec.writes else None
            self._parts[number] = Part(number, component, spec, written, tuple(formats[f] for f in spec.reads), traits)
        return self._parts[number]
