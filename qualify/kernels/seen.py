# SPDX-License-Identifier: Apache-2.0
"""Which formats the bytes of a kernel fit: strings, nodes, properties and sizes, as far as debugfs shows them.

Only what hangs off the root FDT and the FDTs in its subtrees can be seen. What an address in them leads to cannot:
those layouts are assumed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qualify.errors import WireError
from qualify.kernels.cuttree import CutTree, read_cut
from qualify.schema import FdtNode, FdtProperty, Format, Schema
from qualify.wire.fdt import Node, decode, node_check_compatible
from qualify.wire.structs import StructCodec

__all__ = ["ROOT", "Sight", "assumed", "blob_plain", "in_sight", "sight_of"]

ROOT = "out/fdt"
_SUBTREES = "out/sub_fdts/"
_WIDTHS = {"u32": 4, "u64": 8}
_SHOWN = 64  # bytes of a property


@dataclass(frozen=True)
class Sight:
    """What was seen of one component: whether anything, what in words, and which formats it fits."""

    component: str
    there: bool
    text: str = ""
    fits: tuple[str, ...] = ()


def in_sight(form: Format, schema: Schema) -> bool:
    """Whether a probe can see this format at all: the root, a subtree of it, or a node in such a subtree."""
    if not form.carrier.component or form.carrier.subtree:
        return True
    return bool(form.carrier.node) and any(
        f.carrier.subtree for f in schema.formats.values() if f.component == form.carrier.component
    )


def sight_of(component: str, schema: Schema, blobs: Mapping[str, bytes]) -> Sight:
    """What the blobs show of a component; a component that no format of which can be seen is not there."""
    found = Sight(component, there=False)
    fits: list[str] = []
    for form in schema.formats.values():
        if form.component != component or not in_sight(form, schema):
            continue
        blob = _blob_of(form, schema, blobs)
        if blob is None:
            continue
        tree = _tree(blob)
        cut = read_cut(blob) if tree is None else None
        if cut is not None:
            found = Sight(component, there=True, text=_cut_in_words(cut))
            fits += [form.id] if form.fdt is not None and not form.carrier.node and _cut_fits(form.fdt, cut) else []
            continue
        if form.carrier.node:
            tree = next((c for c in tree.children if c.name == form.carrier.node), None) if tree is not None else None
            if tree is None:
                continue
        found = Sight(component, there=True, text=_in_words(blob, tree))
        if _fits(form, blob, tree, schema):
            fits.append(form.id)
    return Sight(component, found.there, found.text, tuple(fits))


def assumed(form: Format, schema: Schema, fits: tuple[str, ...] = ()) -> tuple[str, ...]:
    """What of a format no probe can see, in words; all of it when only its string or its carrier's was seen."""
    parts = []
    seen = {form.struct} if form.struct and form.carrier.subtree else set()
    if form.id in fits and form.fdt is not None:
        seen |= {p.struct for p in _properties(form.fdt) if p.struct}
    if form.memory_map is not None:
        parts.append(f"memory map ({form.memory_map.kind})")
    if form.container is not None:
        parts.append(f"container ({form.container.kind} of {form.container.entry})")
    structs = {form.struct, *form.structs.values()} - seen - {""}
    parts += [f"struct {schema.structs[name].name}" for name in sorted(structs)]
    if not in_sight(form, schema):
        parts.append(f"string '{form.compatible}'" if form.compatible else "which version it is")
    others = [f for f in fits if f != form.id]
    if others:
        parts.append(f"that it is not {' or '.join(others)}, which looks alike")
    return tuple(parts)


def blob_plain(name: str, data: bytes, schema: Schema, fits: Mapping[str, Sight]) -> dict[str, Any]:
    """A blob decoded, for people and programs: a tree, the members of a struct that it fits, or only its bytes."""
    tree = _tree(data)
    if tree is not None:
        return {"tree": _plain(tree)}
    if (cut := read_cut(data)) is not None:
        return {"cut": {"total": cut.total, "compatible": cut.compatible, "nodes": [n.name for n in cut.nodes]}}
    subtree = name.rsplit("/", 1)[-1]
    for sight in fits.values():
        for form in (schema.formats[f] for f in sight.fits):
            if form.struct and form.carrier.subtree == subtree:
                values = StructCodec(schema, form.struct).unpack(data)
                return {"struct": schema.structs[form.struct].name, "members": {k: _word(v) for k, v in values.items()}}
    return {"bytes": data[:_SHOWN].hex()}


def _blob_of(form: Format, schema: Schema, blobs: Mapping[str, bytes]) -> bytes | None:
    if not form.carrier.component:
        return blobs.get(ROOT)
    if form.carrier.subtree:
        return blobs.get(_SUBTREES + form.carrier.subtree)
    carriers = (f for f in schema.formats.values() if f.component == form.carrier.component and f.carrier.subtree)
    return next((b for f in carriers if (b := blobs.get(_SUBTREES + f.carrier.subtree)) is not None), None)


def _tree(blob: bytes) -> Node | None:
    try:
        return decode(blob)
    except WireError:
        return None


def _in_words(blob: bytes, tree: Node | None) -> str:
    if tree is None:
        return f"{len(blob)} bytes that are no FDT"
    string = tree.get("compatible")
    text = f"'{_text(string)}'" if string is not None else "an FDT without a compatible string"
    names = sorted({c.name for c in tree.children})
    properties = sorted(name for name, _ in tree.properties if name != "compatible")
    parts = [f"properties {', '.join(properties)}"] if properties else []
    parts += [f"nodes {', '.join(names)}"] if names else []
    return text + (f" with {' and '.join(parts)}" if parts else "")


def _fits(form: Format, blob: bytes, tree: Node | None, schema: Schema) -> bool:
    if form.fdt is not None:
        return tree is not None and _node_fits(form.fdt, tree, schema)
    if form.carrier.subtree and form.struct:
        return tree is None and _struct_fits(form, blob, schema)
    return False


def _cut_in_words(cut: CutTree) -> str:
    names = ", ".join(sorted(n.name for n in cut.nodes))
    return f"'{cut.compatible}', the first {cut.seen} of {cut.total} bytes" + (f" with nodes {names}" if names else "")


def _cut_fits(wanted: FdtNode, cut: CutTree) -> bool:
    """Whether the values that came are as many as the format has properties, and its string is among them."""
    if cut.compatible != wanted.compatible or len(cut.values) != 1 + len(wanted.properties):
        return False
    each = wanted.child("*")
    return each is None or all(len(n.values) == len(each.properties) for n in cut.nodes)


def _struct_fits(form: Format, blob: bytes, schema: Schema) -> bool:
    """A struct by itself: its size, its string where it has one, its version where that is a member."""
    if len(blob) < schema.structs[form.struct].size:
        return False
    codec = StructCodec(schema, form.struct)
    try:
        values = codec.unpack(blob)
    except WireError:
        return False
    if form.version is not None and values.get(form.version.field) != form.version.value:
        return False
    return not form.compatible or _word(values.get("compatible", b"")) == form.compatible


def _node_fits(wanted: FdtNode, node: Node, schema: Schema) -> bool:
    """Whether a node has what the format writes and nothing else: formats under one string differ in this alone."""
    if wanted.compatible and node_check_compatible(node, wanted.compatible) != 0:
        return False
    names = {name for name, _ in node.properties} - {"compatible"}
    known = {p.name: p for p in wanted.properties}
    if names - set(known) or any(p.required and p.name not in names for p in known.values()):
        return False
    if not all(_property_fits(known[name], node, wanted, schema) for name in names):
        return False
    each = wanted.child("*")
    fixed = {c.name: c for c in wanted.children if c.name != "*"}
    found = {c.name: c for c in node.children}
    if any(c.required and name not in found for name, c in fixed.items()):
        return False
    for name, child in found.items():
        form = fixed.get(name, each)
        # a node that only has a name here is another component's: its own format says what is in it
        if form is None or ((form.properties or form.compatible) and not _node_fits(form, child, schema)):
            return False
    return True


def _property_fits(prop: FdtProperty, node: Node, owner: FdtNode, schema: Schema) -> bool:
    value = node.get(prop.name) or b""
    if prop.type in _WIDTHS:
        return len(value) == _WIDTHS[prop.type]
    if prop.type == "string":
        return value.endswith(b"\0")
    if prop.struct:
        return len(value) == schema.structs[prop.struct].size
    count = owner.prop("count")
    if prop.array and count is not None and (number := node.get(count.name)) is not None:
        return len(value) == int.from_bytes(number, "big" if count.endian == "big" else "little") * _WIDTHS[prop.array]
    return True


def _properties(node: FdtNode) -> list[FdtProperty]:
    return [*node.properties, *(p for c in node.children for p in _properties(c))]


def _plain(node: Node) -> dict[str, Any]:
    properties = {name: f"'{_text(v)}'" if name == "compatible" else v[:_SHOWN].hex() for name, v in node.properties}
    return {"name": node.name, "properties": properties, "nodes": [_plain(c) for c in node.children]}


def _word(value: object) -> Any:
    return _text(value) if isinstance(value, bytes) else int(value)  # type: ignore[call-overload]


def _text(value: bytes) -> str:
    return value.split(b"\0", 1)[0].decode("ascii", errors="backslashreplace")
