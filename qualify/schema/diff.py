# SPDX-License-Identifier: Apache-2.0
"""What differs between two formats or two releases, as data: strings, layouts, nodes, limits, reactions, traits."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from qualify.schema.format import FdtNode, FdtProperty, Format
from qualify.schema.layout import FlatField
from qualify.schema.release import ComponentSpec, Release
from qualify.schema.schema import Schema

__all__ = ["Difference", "DifferenceKind", "diff_formats", "diff_releases"]


class DifferenceKind(enum.StrEnum):
    """What kind of thing differs. Up to PROPERTY it is something on the wire or in what the wire can carry."""

    COMPONENT = "component"  # one side has it, the other has not
    STRING = "string"  # what a reader compares
    CARRIER = "carrier"  # how a reader gets there
    NODE = "node"  # FDT nodes and properties
    LAYOUT = "layout"  # members of structs
    MAP = "map"  # the memory map
    LIMIT = "limit"  # how much a container holds
    CONSTANT = "constant"
    PROPERTY = "property"  # what comes back
    FORMAT = "format"  # which formats a release writes and reads
    REQUIREMENT = "requirement"  # what a reader insists on
    REACTION = "reaction"
    TRAIT = "trait"
    MACHINE = "machine"  # page size, architecture, endianness
    CONFIG = "config"

    @property
    def on_the_wire(self) -> bool:
        """True for differences of the bytes themselves."""
        return self in _WIRE


_WIRE = frozenset({DifferenceKind.CARRIER, DifferenceKind.NODE, DifferenceKind.LAYOUT, DifferenceKind.MAP})


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference; `before` or `after` is '' where that side has no such thing."""

    component: str
    kind: DifferenceKind
    where: str
    before: str
    after: str

    def __str__(self) -> str:
        if not self.before:
            return f"{self.where}: + {self.after}"
        if not self.after:
            return f"{self.where}: - {self.before}"
        return f"{self.where}: {self.before} -> {self.after}"


_Facts = Mapping[str, str]


def diff_releases(schema: Schema, old: Release, new: Release) -> tuple[Difference, ...]:
    """Everything that tells two releases apart, component by component in the order of the schema."""
    found = [*_compare("", DifferenceKind.MACHINE, _machine(old), _machine(new))]
    found += _compare("", DifferenceKind.CONFIG, old.config, new.config)
    for name in schema.components:
        before, after = old.components.get(name), new.components.get(name)
        if before is None or after is None:
            if before is not after:
                there = {name: _summary(before or after)}
                found += _compare(name, DifferenceKind.COMPONENT, there if before else {}, there if after else {})
            continue
        found += _diff_specs(schema, name, (old, before), (new, after))
    return tuple(found)


def diff_formats(schema: Schema, old: Format, new: Format) -> tuple[Difference, ...]:
    """Everything that tells two formats apart. Their ids, texts and provenance do not count."""
    name = new.component
    found = [*_compare(name, DifferenceKind.STRING, _strings(old), _strings(new))]
    found += _compare(name, DifferenceKind.CARRIER, _carrier(old), _carrier(new))
    found += _compare(name, DifferenceKind.NODE, _tree(old.fdt), _tree(new.fdt))
    found += _diff_layouts(schema, name, _layout_roles(old), _layout_roles(new))
    found += _compare(name, DifferenceKind.MAP, _map(old), _map(new))
    found += _compare(name, DifferenceKind.LIMIT, _limits(old), _limits(new))
    constants = [{k: str(v) for k, v in form.constants.items()} for form in (old, new)]
    found += _compare(name, DifferenceKind.CONSTANT, *constants)
    found += _compare(name, DifferenceKind.PROPERTY, _properties(old), _properties(new))
    return tuple(found)


def _compare(component: str, kind: DifferenceKind, before: _Facts, after: _Facts) -> Iterator[Difference]:
    for where in dict.fromkeys((*before, *after)):
        old, new = before.get(where, ""), after.get(where, "")
        if old != new:
            yield Difference(component, kind, where, old, new)


def _diff_specs(
    schema: Schema, name: str, old: tuple[Release, ComponentSpec], new: tuple[Release, ComponentSpec]
) -> Iterator[Difference]:
    (old_release, before), (new_release, after) = old, new
    yield from _compare(name, DifferenceKind.FORMAT, _formats(before), _formats(after))
    if before.writes and after.writes:
        yield from diff_formats(schema, schema.format(before.writes), schema.format(after.writes))
    wanted = [dict.fromkeys(spec.requires, "required") for spec in (before, after)]
    yield from _compare(name, DifferenceKind.REQUIREMENT, *wanted)
    reactions = [{k.value: v.value for k, v in spec.on.items()} for spec in (before, after)]
    yield from _compare(name, DifferenceKind.REACTION, *reactions)
    names = schema.components[name].traits
    traits = [{t: _plain(schema.trait(r, name, t)) for t in names} for r in (old_release, new_release)]
    yield from _compare(name, DifferenceKind.TRAIT, *traits)


def _diff_layouts(schema: Schema, name: str, old: _Facts, new: _Facts) -> Iterator[Difference]:
    """Structs that play the same role, member by member. A struct in a role of its own is one difference."""
    for role in dict.fromkeys((*old, *new)):
        before, after = old.get(role), new.get(role)
        if before is None or after is None:
            there = schema.structs[before or after or ""]
            text = f"struct {there.name}, {there.size} bytes"
            yield Difference(name, DifferenceKind.LAYOUT, role, text if before else "", text if after else "")
            continue
        mine, theirs = schema.structs[before], schema.structs[after]
        label = theirs.name if mine.name == theirs.name else f"{mine.name} -> {theirs.name}"
        sizes = [{f"sizeof {label}": f"{struct.size} bytes"} for struct in (mine, theirs)]
        yield from _compare(name, DifferenceKind.LAYOUT, *sizes)
        members = [_members(schema.flat(struct.id), label) for struct in (mine, theirs)]
        yield from _compare(name, DifferenceKind.LAYOUT, *members)


def _members(fields: tuple[FlatField, ...], label: str) -> dict[str, str]:
    return {f"{label}.{f.name}": _member(f) for f in fields}


def _member(field: FlatField) -> str:
    kind = f"{field.type}[{field.count}]" if field.count else field.type
    bits = f" bits {field.bits[0]}-{field.bits[0] + field.bits[1] - 1}" if field.bits else ""
    return f"{kind} at {field.offset}{bits}"


def _machine(release: Release) -> dict[str, str]:
    keys = ("arch", "page_size", "endian", "max_page_order")
    return {key: str(getattr(release, key)) for key in keys}


def _summary(spec: ComponentSpec | None) -> str:
    return (spec.writes if spec is not None else None) or "present"


def _formats(spec: ComponentSpec) -> dict[str, str]:
    return {"writes": spec.writes or "", "reads": ", ".join(spec.reads)}


def _strings(form: Format) -> dict[str, str]:
    version = f"{form.version.field} = {form.version.value}" if form.version else ""
    return {"compatible": form.compatible, "versioned by": form.versioned_by, "version": version}


def _carrier(form: Format) -> dict[str, str]:
    return {f"carrier {key}": str(value) for key, value in form.carrier}


def _tree(root: FdtNode | None) -> dict[str, str]:
    """Nodes and properties; the string of the root is that of the format (the loader sees to it) and stands there."""
    return {} if root is None else _nodes(root.model_copy(update={"compatible": ""}))


def _nodes(node: FdtNode, path: str = "") -> dict[str, str]:
    here = f"{path}/{node.name}" if node.name else path
    found = {here or "/": "node" + (f" {node.compatible}" if node.compatible else "") + _optional(node.required)}
    for prop in node.properties:
        found[f"{here}/{prop.name}"] = _property(prop)
    for child in node.children:
        found |= _nodes(child, here)
    return found


def _property(prop: FdtProperty) -> str:
    text = f"{prop.endian} {prop.type}" if prop.endian else prop.type
    if prop.struct:
        text += f" struct {prop.struct}"
    if prop.array:
        text += f"{' leading to' if prop.struct else ''} {prop.array}[]" + (
            f" {prop.encoding}" if prop.encoding else ""
        )
    return text + _optional(prop.required)


def _optional(required: bool) -> str:
    return "" if required else ", optional"


def _layout_roles(form: Format) -> dict[str, str]:
    roles = {"root": form.struct, **form.structs}
    if form.container is not None:
        roles |= {"header": form.container.header, "entry": form.container.entry}
    if form.memory_map is not None:
        roles |= {f"map {key}": name for key, name in form.memory_map.structs.items()}
    return {role: name for role, name in roles.items() if name}


def _map(form: Format) -> dict[str, str]:
    if form.memory_map is None:
        return {}
    return {f"map {key}": str(value) for key, value in form.memory_map if key not in form.memory_map.structs}


def _limits(form: Format) -> dict[str, str]:
    if form.container is None:
        return {}
    return {f"container {k}": str(v) for k, v in form.container if k not in ("header", "entry")}


def _properties(form: Format) -> dict[str, str]:
    states = (("carried", form.carried), ("dropped", form.dropped), ("not carried", form.not_carried))
    return {name: state for state, names in states for name in names}


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
