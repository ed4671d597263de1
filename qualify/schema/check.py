# SPDX-License-Identifier: Apache-2.0
"""Cross-checks: what no single entry of the schema can know about itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from pydantic import BaseModel

from qualify.errors import Problem
from qualify.schema.contract import unmet
from qualify.schema.format import FdtNode, Format
from qualify.schema.inherit import Place
from qualify.schema.layout import Struct, flatten, layout_problems, unresolved
from qualify.schema.release import Component, ComponentSpec, Release
from qualify.yamlfile import Loc, shown, suggest

__all__ = ["check"]


# members that a codec needs to find in the structs of each container, by the kernel's own names
_NEEDED = {
    "chunk-list.header": {"next", "order", "num_elms"},
    "chunk-list.entry": {"phys_start", "bitmap"},
    "blocks.header": {"next", "count"},
    "array.header": {"count"},
}


@dataclass(frozen=True)
class _Known:
    """What there is to refer to. `broken` names entries that did not validate: to refer to one is no second mistake."""

    components: Mapping[str, Component]
    structs: Mapping[str, Struct]
    formats: Mapping[str, Format]
    broken: AbstractSet[tuple[str, str]]

    def lacks(self, kind: str, name: str) -> bool:
        table: Mapping[str, BaseModel] = getattr(self, kind)
        return name not in table and (kind, name) not in self.broken


def check(
    found: Mapping[str, Mapping[str, BaseModel]],
    places: Mapping[tuple[str, str], Place],
    broken: AbstractSet[tuple[str, str]] = frozenset(),
) -> Iterator[Problem]:
    """Every cross-reference that does not hold."""
    known = _Known(
        components={k: v for k, v in found["components"].items() if isinstance(v, Component)},
        structs={k: v for k, v in found["structs"].items() if isinstance(v, Struct)},
        formats={k: v for k, v in found["formats"].items() if isinstance(v, Format)},
        broken=broken,
    )
    for component in known.components.values():
        yield from _component(component, known, places["components", component.id])
    for struct in known.structs.values():
        place = places["structs", struct.id]
        for loc, text in layout_problems(struct, known.structs):
            if not (loc[-1] == "type" and any(("structs", n) in broken for n in unresolved(struct, known.structs))):
                yield place.problem(loc, f"struct '{struct.id}': {text}")
    for form in known.formats.values():
        yield from _format(form, known, places["formats", form.id])
    names: dict[str, str] = {}
    for release in (r for r in found["releases"].values() if isinstance(r, Release)):
        yield from _release(release, names, known, places["releases", release.label])


def _component(component: Component, known: _Known, place: Place) -> Iterator[Problem]:
    for key in ("depends", "bound_to"):
        for index, name in enumerate(getattr(component, key)):
            if known.lacks("components", name):
                yield place.problem((key, index), f"no component '{name}'", suggest(name, known.components))
    for index, name in enumerate(component.contents):
        if name not in component.properties:
            text = f"'{name}' is not a property of '{component.id}'"
            yield place.problem(("contents", index), text, suggest(name, component.properties))
    for name, trait in component.traits.items():
        if trait.values and trait.default not in trait.values:
            yield place.problem(("traits", name, "default"), f"default {shown(trait.default)} is not among the values")


def _format(form: Format, known: _Known, place: Place) -> Iterator[Problem]:
    component = known.components.get(form.component)
    if component is not None:
        for key in ("carried", "dropped", "not_carried"):
            for index, name in enumerate(getattr(form, key)):
                if name not in component.properties:
                    hint = suggest(name, component.properties)
                    yield place.problem((key, index), f"'{name}' is not a property of '{form.component}'", hint)
    references: list[tuple[Loc, str]] = [
        (("component",), form.component),
        (("carrier", "component"), form.carrier.component),
        (("versioned_by",), form.versioned_by),
    ]
    for loc, name in references:
        if name and known.lacks("components", name):
            yield place.problem(loc, f"no component '{name}'", suggest(name, known.components))
    if not (form.compatible or form.versioned_by or form.version):
        text = f"format '{form.id}' has neither compatible, versioned_by nor version"
        yield place.problem(("id",), text, "a reader must have something to compare")
    missing = list(_missing_structs(form, known))
    yield from (place.problem(loc, text, hint) for loc, text, hint in missing)
    if not missing:
        yield from _members(form, known, place)
        hint = "the codecs of this component need it; see docs/schema.md"
        yield from (place.problem(loc, f"format '{form.id}': {text}", hint) for loc, text in unmet(form, known.structs))


def _missing_structs(form: Format, known: _Known) -> Iterator[tuple[Loc, str, str]]:
    wanted: list[tuple[Loc, str, set[str]]] = [(("struct",), form.struct, set())]
    wanted += [(("structs", role), name, set()) for role, name in form.structs.items()]
    if form.container is not None:
        needed = _NEEDED[f"{form.container.kind}.header"]
        wanted.append((("container", "header"), form.container.header, needed))
        wanted.append((("container", "entry"), form.container.entry, set()))
    if form.memory_map is not None and form.memory_map.kind == "chunk-list":
        for key in ("header", "entry"):
            wanted.append((("memory_map", key), getattr(form.memory_map, key), _NEEDED[f"chunk-list.{key}"]))
    if form.fdt is not None:
        wanted += [(("fdt",), name, set()) for name in _fdt_structs(form.fdt)]
    for loc, name, members in wanted:
        if name and known.lacks("structs", name):
            yield loc, f"no struct '{name}'", suggest(name, known.structs)
        elif name in known.structs and (missing := members - {f.name for f in known.structs[name].fields}):
            yield loc, f"struct '{name}' lacks the member {', '.join(sorted(missing))}", ""


def _members(form: Format, known: _Known, place: Place) -> Iterator[Problem]:
    """Members and nodes that the format names, in structs and trees that are not its own."""
    if form.version is not None and form.struct in known.structs:
        names = _member_names([form.struct], known)
        if form.version.field not in names:
            text = f"struct '{form.struct}' has no member '{form.version.field}'"
            yield place.problem(("version", "field"), text, suggest(form.version.field, names))
    carriers = [f for f in known.formats.values() if f.component == form.carrier.component]
    if form.carrier.field and carriers:
        roots = [f.struct for f in carriers] + [f.container.entry for f in carriers if f.container]
        names = _member_names(roots, known)
        if form.carrier.field not in names:
            text = f"no format of '{form.carrier.component}' has a member '{form.carrier.field}'"
            yield place.problem(("carrier", "field"), text, suggest(form.carrier.field, names))
    if form.carrier.node and carriers:
        nodes = {child.name for f in carriers if f.fdt for child in f.fdt.children}
        if form.carrier.node not in nodes:
            text = f"no format of '{form.carrier.component}' has a node '{form.carrier.node}'"
            yield place.problem(("carrier", "node"), text, suggest(form.carrier.node, nodes))


def _member_names(structs: list[str], known: _Known) -> set[str]:
    complete = (
        known.structs[n] for n in structs if n in known.structs and not unresolved(known.structs[n], known.structs)
    )
    return {member.name for struct in complete for member in flatten(struct, known.structs)}


def _fdt_structs(node: FdtNode) -> Iterator[str]:
    yield from (p.struct for p in node.properties)
    for child in node.children:
        yield from _fdt_structs(child)


def _release(release: Release, names: dict[str, str], known: _Known, place: Place) -> Iterator[Problem]:
    for name in (release.label, *release.aliases):
        if name in names and names[name] != release.label:
            yield place.problem(("aliases",), f"the name '{name}' already belongs to release '{names[name]}'")
        names.setdefault(name, release.label)
    for name, spec in release.components.items():
        at: Loc = ("components", name)
        component = known.components.get(name)
        if component is None:
            if known.lacks("components", name):
                yield place.problem(at, f"no component '{name}'", suggest(name, known.components))
            continue
        for need in component.depends:
            if need not in release.components:
                text = f"'{name}' needs '{need}', which the release has not"
                removed: Loc = ("components", need)  # null in a release that inherits it
                yield place.problem(removed if place.holds(removed) else at, text)
        yield from _spec(spec, component, known, place, at)


def _spec(spec: ComponentSpec, component: Component, known: _Known, place: Place, at: Loc) -> Iterator[Problem]:
    for key, values in (("writes", (spec.writes,) if spec.writes else ()), ("reads", spec.reads)):
        for index, value in enumerate(values):
            loc: Loc = (*at, key) if key == "writes" else (*at, key, index)
            if known.lacks("formats", value):
                mine = (f.id for f in known.formats.values() if f.component == component.id)
                yield place.problem(loc, f"no format '{value}'", suggest(value, mine))
            elif value in known.formats and known.formats[value].component != component.id:
                owner = known.formats[value].component
                yield place.problem(loc, f"format '{value}' belongs to component '{owner}', not '{component.id}'")
    yield from _traits(spec, component, place, at)
    nodes = {n for f in known.formats.values() if f.component == component.id and f.fdt for n in _fdt_names(f.fdt)}
    for index, name in enumerate(spec.requires):
        if name not in nodes:
            text = f"requires '{name}', which no format of '{component.id}' has"
            yield place.problem((*at, "requires", index), text, suggest(name, nodes))


def _traits(spec: ComponentSpec, component: Component, place: Place, at: Loc) -> Iterator[Problem]:
    for name, value in spec.traits.items():
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


def _fdt_names(node: FdtNode) -> Iterator[str]:
    yield from (p.name for p in node.properties)
    for child in node.children:
        yield child.name
        yield from _fdt_names(child)
