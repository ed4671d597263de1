# SPDX-License-Identifier: Apache-2.0
"""Cross-checks: what no single entry of the schema can know about itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from qualify.errors import Problem
from qualify.schema.check_release import check_releases
from qualify.schema.contract import unmet
from qualify.schema.format import FdtNode, Format
from qualify.schema.inherit import Place
from qualify.schema.known import Known
from qualify.schema.layout import Struct, flatten, layout_problems, unresolved
from qualify.schema.release import Component
from qualify.schema.sources import RESERVED
from qualify.yamlfile import Loc, shown, suggest

__all__ = ["check"]


# members that a codec needs to find in the structs of each container, by the kernel's own names
_NEEDED = {
    "chunk-list.header": {"next", "order", "num_elms"},
    "chunk-list.entry": {"phys_start", "bitmap"},
    "blocks.header": {"next", "count"},
    "array.header": {"count"},
}


def check(known: Known, places: Mapping[tuple[str, str], Place]) -> Iterator[Problem]:
    """Every cross-reference that does not hold."""
    for name, component in known.components.items():
        yield from _component(component, known, places["components", name])
    for name, struct in known.structs.items():
        yield from _struct(struct, known, places["structs", name])
    for name, form in known.formats.items():
        yield from _format(form, known, places["formats", name])
    yield from check_releases(known, places)


def _component(component: Component, known: Known, place: Place) -> Iterator[Problem]:
    for key in ("depends", "bound_to"):
        for index, name in enumerate(getattr(component, key)):
            if known.lacks("components", name):
                yield place.problem((key, index), f"no component '{name}'", suggest(name, known.names("components")))
    for index, name in enumerate(component.contents):
        if not _has_property(component, name, known):
            text = f"'{name}' is not a property of '{component.id}'"
            yield place.problem(("contents", index), text, suggest(name, component.properties))
    for name, trait in component.traits.items():
        if name in RESERVED:
            text = f"a trait cannot be called '{name}': it is the name of another fact"
            yield place.problem(("traits", name), text, "see 'sources' in docs/schema.md")
        judged = not known.blurred("components", component.id, ("traits", name))
        if judged and trait.values and trait.default not in trait.values:
            yield place.problem(("traits", name, "default"), f"default {shown(trait.default)} is not among the values")


def _has_property(component: Component, name: str, known: Known) -> bool:
    return name in component.properties or known.blurred("components", component.id, ("properties", name))


def _struct(struct: Struct, known: Known, place: Place) -> Iterator[Problem]:
    """Offsets and the size follow from all that a struct holds: they are judged only where all of it is known."""
    whole = struct.id in known.whole_structs
    for loc, text in layout_problems(struct, known.structs):
        of_its_own = loc[-1] == "name" or (loc[-1] == "type" and not _refers_to_a_mistake(struct, loc, known))
        if whole or of_its_own:
            yield place.problem(loc, f"struct '{struct.id}': {text}")


def _refers_to_a_mistake(struct: Struct, loc: Loc, known: Known) -> bool:
    alone = struct.model_copy(update={"fields": (struct.fields[int(loc[1])],)})
    names = unresolved(alone, known.structs)
    return any(name not in known.structs and not known.lacks("structs", name) for name in names)


def _format(form: Format, known: Known, place: Place) -> Iterator[Problem]:
    component = known.components.get(form.component)
    if component is not None:
        for key in ("carried", "dropped", "not_carried"):
            for index, name in enumerate(getattr(form, key)):
                if not _has_property(component, name, known):
                    hint = suggest(name, component.properties)
                    yield place.problem((key, index), f"'{name}' is not a property of '{form.component}'", hint)
    references: list[tuple[Loc, str]] = [
        (("component",), form.component),
        (("carrier", "component"), form.carrier.component),
        (("versioned_by",), form.versioned_by),
    ]
    for loc, name in references:
        if name and known.lacks("components", name):
            yield place.problem(loc, f"no component '{name}'", suggest(name, known.names("components")))
    yield from _strings(form, known, place)
    for loc, name, members in _named_structs(form):
        if known.lacks("structs", name):
            yield place.problem(loc, f"no struct '{name}'", suggest(name, known.names("structs")))
        elif name in known.whole_structs and (lost := members - {f.name for f in known.structs[name].fields}):
            yield place.problem(loc, f"struct '{name}' lacks the member {', '.join(sorted(lost))}")
    yield from _members(form, known, place)
    hint = "the codecs of this component need it; see docs/schema.md"
    for loc, text in unmet(form, known.whole_structs):
        if not known.blurred("formats", form.id, loc):
            yield place.problem(loc, f"format '{form.id}': {text}", hint)


def _strings(form: Format, known: Known, place: Place) -> Iterator[Problem]:
    where: tuple[Loc, ...] = (("compatible",), ("versioned_by",), ("version",))
    if not (form.compatible or form.versioned_by or form.version) and not known.blurred("formats", form.id, *where):
        text = f"format '{form.id}' has neither compatible, versioned_by nor version"
        yield place.problem(("id",), text, "a reader must have something to compare")
    where = (("compatible",), ("fdt", "compatible"))
    if (
        form.fdt is not None
        and form.fdt.compatible != form.compatible
        and not known.blurred("formats", form.id, *where)
    ):
        text = f"format '{form.id}': the root says '{form.fdt.compatible}', the format '{form.compatible}'"
        yield place.problem(("fdt", "compatible"), text, "they are one string, and readers compare it")


def _named_structs(form: Format) -> Iterator[tuple[Loc, str, set[str]]]:
    """(place, struct id, members it must have) of every struct that the format names."""
    wanted: list[tuple[Loc, str, set[str]]] = [(("struct",), form.struct, set())]
    wanted += [(("structs", role), name, set()) for role, name in form.structs.items()]
    if form.container is not None:
        needed = _NEEDED[f"{form.container.kind}.header"]
        wanted.append((("container", "header"), form.container.header, needed))
        wanted.append((("container", "entry"), form.container.entry, set()))
    if form.memory_map is not None:
        kind = form.memory_map.kind
        for key, name in form.memory_map.structs.items():
            wanted.append((("memory_map", key), name, _NEEDED.get(f"{kind}.{key}", set())))
    if form.fdt is not None:
        wanted += [(loc, name, set()) for loc, name in _fdt_structs(form.fdt, ("fdt",))]
    return ((loc, name, members) for loc, name, members in wanted if name)


def _members(form: Format, known: Known, place: Place) -> Iterator[Problem]:
    """Members and nodes that the format names, in structs and trees that are not its own."""
    if form.version is not None and form.struct in known.whole_structs:
        names = _member_names([form.struct], known)
        if form.version.field not in names:
            text = f"struct '{form.struct}' has no member '{form.version.field}'"
            yield place.problem(("version", "field"), text, suggest(form.version.field, names))
    carriers = [f for f in known.formats.values() if f.component == form.carrier.component]
    if not carriers or not known.all_formats(form.carrier.component):
        return
    roots = {name for f in carriers for name in (f.struct, f.container.entry if f.container else "") if name}
    if form.carrier.field and roots <= known.whole_structs.keys():
        names = _member_names(sorted(roots), known)
        if form.carrier.field not in names:
            text = f"no format of '{form.carrier.component}' has a member '{form.carrier.field}'"
            yield place.problem(("carrier", "field"), text, suggest(form.carrier.field, names))
    if form.carrier.node:
        nodes = {child.name for f in carriers if f.fdt for child in f.fdt.children}
        if form.carrier.node not in nodes:
            text = f"no format of '{form.carrier.component}' has a node '{form.carrier.node}'"
            yield place.problem(("carrier", "node"), text, suggest(form.carrier.node, nodes))


def _member_names(structs: list[str], known: Known) -> set[str]:
    return {member.name for name in structs for member in flatten(known.structs[name], known.structs)}


def _fdt_structs(node: FdtNode, at: Loc) -> Iterator[tuple[Loc, str]]:
    for index, prop in enumerate(node.properties):
        yield (*at, "properties", index, "struct"), prop.struct
    for index, child in enumerate(node.children):
        yield from _fdt_structs(child, (*at, "children", index))
