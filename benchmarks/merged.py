# SPDX-License-Identifier: Apache-2.0
"""A release and its mutant side by side in one schema, for those who compare within one."""

from __future__ import annotations

from benchmarks.mutants import Mutant
from qualify.schema import FdtNode, Format, Release, Schema
from qualify.schema.layout import parse_type

__all__ = ["merged"]


def merged(schema: Schema, mutant: Mutant, release: Release) -> tuple[Schema, Release]:
    """`schema` with one release more: `release` as the mutant has it."""
    moved = {name: f"{name}@mutant" for name in _changed_structs(schema, mutant)}
    structs, formats = dict(schema.structs), dict(schema.formats)
    for name, new in moved.items():
        fields = tuple(
            f.model_copy(update={"type": _renamed(f.type, moved)}) for f in mutant.schema.structs[name].fields
        )
        structs[new] = mutant.schema.structs[name].model_copy(update={"id": new, "fields": fields})
    for name in mutant.changed:
        form = mutant.schema.formats[name]
        formats[f"{name}-mutant"] = _pointed(form, moved).model_copy(update={"id": f"{name}-mutant"})
    specs = {}
    for component, spec in mutant.schema.release(release.label).components.items():
        reads = tuple(f"{r}-mutant" if r in mutant.changed else r for r in spec.reads)
        writes = f"{spec.writes}-mutant" if spec.writes in mutant.changed else spec.writes
        specs[component] = spec.model_copy(update={"reads": reads, "writes": writes})
    other = release.model_copy(update={"label": f"{release.label}-mutant", "aliases": (), "components": specs})
    return Schema(schema.components, structs, formats, (*schema.releases, other)), other


def _changed_structs(schema: Schema, mutant: Mutant) -> set[str]:
    """Structs that are laid out otherwise, themselves or in what they contain."""
    return {
        n
        for n in schema.structs
        if schema.flat(n) != mutant.schema.flat(n) or _size(schema, n) != _size(mutant.schema, n)
    }


def _size(schema: Schema, struct_id: str) -> int:
    return schema.structs[struct_id].size


def _renamed(kind: str, moved: dict[str, str]) -> str:
    spec = parse_type(kind)
    if not spec.is_struct or spec.base not in moved:
        return kind
    return f"struct {moved[spec.base]}" + (f"[{spec.count}]" if spec.count else "")


def _pointed(form: Format, moved: dict[str, str]) -> Format:
    """`form` with the new names of structs."""

    def new(name: str) -> str:
        return moved.get(name, name)

    update: dict[str, object] = {"struct": new(form.struct), "structs": {k: new(v) for k, v in form.structs.items()}}
    for key in ("container", "memory_map"):
        part = getattr(form, key)
        names = {k: new(getattr(part, k)) for k in ("header", "entry") if hasattr(part, k)}
        update[key] = part.model_copy(update=names) if names else part
    if form.fdt is not None:
        update["fdt"] = _node(form.fdt, moved)
    return form.model_copy(update=update)


def _node(node: FdtNode, moved: dict[str, str]) -> FdtNode:
    props = tuple(p.model_copy(update={"struct": moved.get(p.struct, p.struct)}) for p in node.properties)
    return node.model_copy(update={"properties": props, "children": tuple(_node(c, moved) for c in node.children)})
