# SPDX-License-Identifier: Apache-2.0
"""Cross-checks of releases: names, components, formats, traits, requirements, sources."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from qualify.errors import Problem
from qualify.schema.format import FdtNode
from qualify.schema.inherit import Place
from qualify.schema.known import Known
from qualify.schema.release import Component, ComponentSpec, Release
from qualify.schema.sources import OTHERS, facts_of
from qualify.yamlfile import Loc, shown, suggest

__all__ = ["check_releases"]


def check_releases(known: Known, places: Mapping[tuple[str, str], Place]) -> Iterator[Problem]:
    """Everything in the releases that refers to what is not there, and names that two of them bear."""
    names: dict[str, str] = {}
    for label, release in known.releases.items():
        place = places["releases", label]
        for name in (release.label, *release.aliases):
            if name in names and names[name] != release.label:
                yield place.problem(("aliases",), f"the name '{name}' already belongs to release '{names[name]}'")
            names.setdefault(name, release.label)
        yield from _components(release, known, place)


def _components(release: Release, known: Known, place: Place) -> Iterator[Problem]:
    for name, spec in release.components.items():
        at: Loc = ("components", name)
        component = known.components.get(name)
        if component is None:
            if known.lacks("components", name):
                yield place.problem(at, f"no component '{name}'", suggest(name, known.names("components")))
            continue
        for need in component.depends:
            if need not in release.components and not _may_have(release, need, known):
                text = f"'{name}' needs '{need}', which the release has not"
                removed: Loc = ("components", need)  # null in a release that inherits it
                yield place.problem(removed if place.holds(removed) else at, text)
        yield from _formats(spec, component, known, place, at)
        yield from _traits(spec, component, known, place, at)
        yield from _requirements(spec, component, known, place, at)
        yield from _sources(release, name, known, place)


def _may_have(release: Release, component: str, known: Known) -> bool:
    return release.label in known.orphans or known.blurred("releases", release.label, ("components", component))


def _formats(spec: ComponentSpec, component: Component, known: Known, place: Place, at: Loc) -> Iterator[Problem]:
    for key, values in (("writes", (spec.writes,) if spec.writes else ()), ("reads", spec.reads)):
        for index, value in enumerate(values):
            loc: Loc = (*at, key) if key == "writes" else (*at, key, index)
            if known.lacks("formats", value):
                mine = (n for n in known.names("formats") if known.formats[n].component == component.id)
                yield place.problem(loc, f"no format '{value}'", suggest(value, mine))
            elif value in known.formats and not known.blurred("formats", value, ("component",)):
                owner = known.formats[value].component
                if owner != component.id:
                    yield place.problem(loc, f"format '{value}' belongs to component '{owner}', not '{component.id}'")


def _traits(spec: ComponentSpec, component: Component, known: Known, place: Place, at: Loc) -> Iterator[Problem]:
    for name, value in spec.traits.items():
        if known.blurred("components", component.id, ("traits", name)):
            continue
        trait = component.traits.get(name)
        if trait is None:
            hint = suggest(name, component.traits)
            yield place.problem((*at, "traits", name), f"'{component.id}' has no trait '{name}'", hint)
        # by type too: True equals 1 in Python and not in a kernel
        elif trait.values and (type(value), value) not in [(type(v), v) for v in trait.values]:
            hint = f"expected one of {', '.join(str(v) for v in trait.values)}"
            yield place.problem((*at, "traits", name), f"trait '{name}' cannot be {shown(value)}", hint)
        elif not trait.values and type(value) is not int:
            yield place.problem((*at, "traits", name), f"trait '{name}' must be an integer, got {shown(value)}")


def _requirements(spec: ComponentSpec, component: Component, known: Known, place: Place, at: Loc) -> Iterator[Problem]:
    if not known.all_formats(component.id):
        return
    nodes = {n for f in known.formats.values() if f.component == component.id and f.fdt for n in _fdt_names(f.fdt)}
    for index, name in enumerate(spec.requires):
        if name not in nodes:
            text = f"requires '{name}', which no format of '{component.id}' has"
            yield place.problem((*at, "requires", index), text, suggest(name, nodes))


def _sources(release: Release, name: str, known: Known, place: Place) -> Iterator[Problem]:
    spec, component = release.components[name], known.components[name]
    facts = facts_of(spec, component)
    for fact in spec.sources:
        # what is not known of the release or its component may well be that fact
        unknown = known.blurred("releases", release.label, ("components", name, "on", fact))
        unknown = unknown or known.blurred("components", name, ("traits", fact)) or release.label in known.orphans
        if unknown or fact in (*facts, OTHERS):
            continue
        text = f"sources names '{fact}', which is no fact of '{name}' in this release"
        yield place.problem(("components", name, "sources", fact), text, suggest(fact, [*facts, OTHERS]))


def _fdt_names(node: FdtNode) -> Iterator[str]:
    yield from (p.name for p in node.properties)
    for child in node.children:
        yield child.name
        yield from _fdt_names(child)
