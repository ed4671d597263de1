# SPDX-License-Identifier: Apache-2.0
"""Copies of the schema with one fact of one release's formats changed: what drifts in practice, one thing at a time."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from qualify.schema import (
    ArrayTable,
    ChunkListMap,
    FdtNode,
    FdtProperty,
    Field,
    Format,
    RadixTreeMap,
    Release,
    Schema,
    Struct,
)
from qualify.schema.layout import SCALARS, parse_type
from qualify.schema.schema import struct_ids

__all__ = ["Mutant", "mutants"]

# a member that becomes this type instead
_OTHER_TYPE = {"u64": "u32", "u32": "u64", "u16": "u32", "phys": "u32"}
_OTHER_COUNT = {"char": 8, "phys": -256}


@dataclass(frozen=True)
class Mutant:
    """`id` says what was changed; `changed` are the formats whose bytes or strings it touches."""

    id: str
    schema: Schema
    changed: frozenset[str]

    @property
    def ways(self) -> tuple[str, ...]:
        """Whether it can take the target's part, the source's, or both: no codec reads what no format names."""
        return ("written",) if self.id.endswith("dropped") else ("read", "written")


def mutants(schema: Schema, release: Release) -> Iterator[Mutant]:
    """Every mutation of what `release` writes, in the order of the schema."""
    written = [spec.writes for spec in release.components.values() if spec.writes]
    for struct_id in sorted(_reached(schema, written)):
        yield from _structs(schema, written, struct_id)
    for format_id in written:
        for name, form in _formats(schema.formats[format_id]):
            formats = {**schema.formats, format_id: form}
            releases = tuple(_requiring(r, schema.formats[format_id], form) for r in schema.releases)
            changed = Schema(schema.components, schema.structs, formats, releases)
            yield Mutant(f"{format_id}: {name}", changed, frozenset({format_id}))


def _requiring(release: Release, before: Format, after: Format) -> Release:
    """The release insisting on a node or property under its new name, when that is what was changed."""
    old, new = _names(before.fdt), _names(after.fdt)
    spec = release.components.get(before.component)
    if spec is None or len(old - new) != 1 or len(new - old) != 1:
        return release
    names = tuple(next(iter(new - old)) if n in old - new else n for n in spec.requires)
    components = {**release.components, before.component: spec.model_copy(update={"requires": names})}
    return release.model_copy(update={"components": components})


def _names(node: FdtNode | None) -> set[str]:
    if node is None:
        return set()
    return {p.name for p in node.properties}.union(*({c.name} | _names(c) for c in node.children))


def _reached(schema: Schema, written: list[str]) -> set[str]:
    """The structs of these formats and those inside them, but for those that the loader holds to other facts.

    Radix nodes and leaves must have what table_bits and leaf_bits say; those are changed instead (`_maps`).
    """
    found: set[str] = set()
    layouts = [schema.formats[f].memory_map for f in written]
    held = {s for m in layouts if isinstance(m, RadixTreeMap) for s in m.structs.values()}
    todo = [s for f in written for s in struct_ids(schema.formats[f]) - held]
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            specs = [parse_type(field.type) for field in schema.structs[name].fields]
            todo += [spec.base for spec in specs if spec.is_struct]
    return found


# --- structs -----------------------------------------------


def _structs(schema: Schema, written: list[str], struct_id: str) -> Iterator[Mutant]:
    for name, fields, packed in _fields(schema.structs[struct_id]):
        changed = schema.structs[struct_id].model_copy(update={"fields": fields, "packed": packed})
        structs = _laid_out({**schema.structs, struct_id: changed})
        if _flat(schema.structs, struct_id) == _flat(structs, struct_id):
            continue
        touched = {f for f in written if struct_id in _reached(schema, [f])}
        changed_schema = Schema(schema.components, structs, schema.formats, schema.releases)
        yield Mutant(f"{struct_id}: {name}", changed_schema, frozenset(touched))


def _flat(structs: dict[str, Struct], struct_id: str) -> object:
    struct = structs[struct_id]
    return struct.size, [(f.name, f.type, f.offset, f.bits) for f in struct.fields]


def _fields(struct: Struct) -> Iterator[tuple[str, tuple[Field, ...], bool]]:
    """(what was done, the fields, whether packed); offsets are laid out anew afterwards."""
    fields = struct.fields
    for (i, a), (j, b) in itertools.combinations(enumerate(fields), 2):
        if a.bits is None and b.bits is None and _width(a) == _width(b):
            order = list(fields)
            order[i], order[j] = b, a
            yield f"{a.name} and {b.name} swapped", tuple(order), struct.packed
    for i, field in enumerate(fields):
        spec = parse_type(field.type)
        rest = fields[:i], fields[i + 1 :]
        if field.bits is None and not spec.is_struct:
            if spec.count and spec.base in _OTHER_COUNT:
                count = spec.count + _OTHER_COUNT[spec.base]
                yield (
                    f"{field.name} has {count} elements",
                    (*rest[0], _typed(field, f"{spec.base}[{count}]"), *rest[1]),
                    struct.packed,
                )
            elif not spec.count and spec.base in _OTHER_TYPE:
                other = _OTHER_TYPE[spec.base]
                yield f"{field.name} is {other}", (*rest[0], _typed(field, other), *rest[1]), struct.packed
        if field.bits is None or field.bits[0] == 0:
            pad = Field(name="pad", type="u64", offset=0)
            yield f"8 bytes before {field.name}", (*rest[0], pad, field, *rest[1]), struct.packed
    low = [f for f in fields if f.bits is not None]
    if len(low) == 2:
        first, second = low
        assert first.bits is not None
        assert second.bits is not None
        for width in (first.bits[1] - 4, first.bits[1] + 4):
            total = first.bits[1] + second.bits[1]
            moved = {first.name: (0, width), second.name: (width, total - width)}
            yield f"{first.name} has {width} bits", _with_bits(fields, moved), struct.packed
        moved = {second.name: (0, second.bits[1]), first.name: (second.bits[1], first.bits[1])}
        yield f"{first.name} above {second.name}", _with_bits(fields, moved), struct.packed
    yield "packing turned", fields, not struct.packed


def _width(field: Field) -> int:
    spec = parse_type(field.type)
    return -1 if spec.is_struct else SCALARS[spec.base] * max(spec.count, 1)


def _typed(field: Field, kind: str) -> Field:
    return field.model_copy(update={"type": kind})


def _with_bits(fields: tuple[Field, ...], bits: dict[str, tuple[int, int]]) -> tuple[Field, ...]:
    return tuple(f.model_copy(update={"bits": bits[f.name]}) if f.name in bits else f for f in fields)


def _laid_out(structs: dict[str, Struct]) -> dict[str, Struct]:
    """Offsets and sizes as the compiler would give them, inner structs first."""
    done: dict[str, Struct] = {}
    aligns: dict[str, int] = {}

    def lay(name: str) -> None:
        if name in done:
            return
        at, widest, fields, unit = 0, 1, [], -1
        for field in structs[name].fields:
            spec = parse_type(field.type)
            if spec.is_struct:
                lay(spec.base)
            size = done[spec.base].size if spec.is_struct else SCALARS[spec.base]
            align = 1 if structs[name].packed else (aligns[spec.base] if spec.is_struct else size)
            if field.bits is not None and unit >= 0:
                fields.append(field.model_copy(update={"offset": unit}))
                continue
            at = -(-at // align) * align
            unit = at if field.bits is not None else -1
            fields.append(field.model_copy(update={"offset": at}))
            at += size * max(spec.count, 1)
            widest = max(widest, align)
        done[name] = structs[name].model_copy(update={"fields": tuple(fields), "size": -(-at // widest) * widest})
        aligns[name] = widest

    for name in structs:
        lay(name)
    return {name: done[name] for name in structs}


# --- formats -----------------------------------------------


def _formats(form: Format) -> Iterator[tuple[str, Format]]:
    def changed(**update: object) -> Format:
        return form.model_copy(update=update)

    if form.compatible:
        text = form.compatible[:-1] + "9"
        fdt = form.fdt.model_copy(update={"compatible": text}) if form.fdt is not None else None
        yield f"compatible is {text}", changed(compatible=text, fdt=fdt)
    if form.version is not None:
        value = form.version.value + 1
        yield f"version is {value}", changed(version=form.version.model_copy(update={"value": value}))
    for name, constant in form.constants.items():
        if isinstance(constant, int):
            yield f"{name} is {constant << 2:#x}", changed(constants={**form.constants, name: constant << 2})
    if form.carrier.subtree:
        yield (
            "another subtree",
            changed(carrier=form.carrier.model_copy(update={"subtree": form.carrier.subtree + "2"})),
        )
    if form.carrier.node and form.fdt is not None:
        yield "another node", changed(carrier=form.carrier.model_copy(update={"node": form.carrier.node + "2"}))
    if form.fdt is not None:
        for name, fdt in _trees(form.fdt):
            yield name, changed(fdt=fdt)
    for key, value in _maps(form):
        assert form.memory_map is not None
        yield f"{key} is {value}", changed(memory_map=form.memory_map.model_copy(update={key: value}))
    if form.container is not None:
        yield from _containers(form, changed)


def _maps(form: Format) -> Iterator[tuple[str, int]]:
    layout = form.memory_map
    if isinstance(layout, ChunkListMap):
        yield from (("bitmap_bytes", layout.bitmap_bytes * 2), ("bitmap_bytes", layout.bitmap_bytes // 2))
    if isinstance(layout, RadixTreeMap):
        for key in ("key_width", "table_bits", "leaf_bits", "levels"):
            yield from ((key, getattr(layout, key) + step) for step in (-1, 1))


def _containers(form: Format, changed: Callable[..., Format]) -> Iterator[tuple[str, Format]]:
    box = form.container
    if isinstance(box, ArrayTable) and box.pages > 1:
        yield f"{box.pages - 1} pages", changed(container=box.model_copy(update={"pages": box.pages - 1}))


def _trees(node: FdtNode, path: str = "") -> Iterator[tuple[str, FdtNode]]:
    """One change anywhere in the tree: something dropped or renamed, a number of another width or byte order."""
    here = f"{path}/{node.name}"
    for i, prop in enumerate(node.properties):
        rest = node.properties[:i], node.properties[i + 1 :]
        for what, kept in _properties(prop):
            yield f"{here}/{prop.name} {what}", node.model_copy(update={"properties": (*rest[0], *kept, *rest[1])})
    for i, child in enumerate(node.children):
        before, after = node.children[:i], node.children[i + 1 :]
        changes = [(n, (c,)) for n, c in _trees(child, here)]
        if child.name != "*":
            changes.append((f"{here}/{child.name} dropped", ()))  # type: ignore[arg-type]
            renamed = child.model_copy(update={"name": child.name + "2"})
            changes.append((f"{here}/{child.name} renamed", (renamed,)))
        if child.compatible:
            other = child.model_copy(update={"compatible": child.compatible[:-1] + "9"})
            changes.append((f"{here}/{child.name} compatible is {other.compatible}", (other,)))
        for name, kept_children in changes:
            yield name, node.model_copy(update={"children": (*before, *kept_children, *after)})


def _properties(prop: FdtProperty) -> Iterator[tuple[str, tuple[FdtProperty, ...]]]:
    yield "dropped", ()
    yield "renamed", (prop.model_copy(update={"name": prop.name + "2"}),)
    if prop.type in ("u32", "u64"):
        yield "of another width", (prop.model_copy(update={"type": "u32" if prop.type == "u64" else "u64"}),)
    if prop.type in ("u32", "u64") or prop.array:
        yield "in big endian", (prop.model_copy(update={"endian": "big"}),)
