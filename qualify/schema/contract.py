# SPDX-License-Identifier: Apache-2.0
"""What codecs cannot do without: members, roles and constants that a format of each component must have.

A format that lacks one would load and fail only when somebody runs it; here it is a mistake with a place instead.
Names are the kernel's own; a release that calls a member otherwise says so in its struct's layout, not here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from qualify.schema.format import Encoding, FdtNode, Format, RadixTreeMap
from qualify.schema.layout import Struct, flatten
from qualify.yamlfile import Loc

__all__ = ["Complaint", "unmet"]

Complaint = tuple[Loc, str]

_AREA = {"folios.first", "folios.total_pages", "folios.flags", "folios.order"}

# component -> (attribute that names a struct, members it must have when the format names one)
_MEMBERS: Mapping[str, tuple[tuple[str, frozenset[str]], ...]] = {
    "kho": (
        ("struct", frozenset({"fdt_addr", "fdt_size", "scratch_addr", "scratch_size"})),
        ("structs.scratch", frozenset({"addr", "size"})),
    ),
    "kho-vmalloc": (
        ("struct", frozenset({"first", "total_pages", "flags", "order"})),
        ("structs.chunk", frozenset({"next", "phys"})),
    ),
    "luo": (("struct", frozenset({"compatible"})),),
    "luo-session": (("container.entry", frozenset({"name", "file_set_ser.files", "file_set_ser.count"})),),
    "luo-file": (("container.entry", frozenset({"compatible", "data", "token"})),),
    "luo-flb": (("container.entry", frozenset({"name", "data", "count"})),),
    "memfd": (
        ("struct", frozenset({"pos", "size", "nr_folios", *_AREA})),
        ("structs.folio", frozenset({"pfn", "flags", "index"})),
    ),
    "kexec-metadata": (("struct", frozenset({"previous_release", "kexec_count"})),),
}
# what must be named at all
_NAMED: Mapping[str, tuple[str, ...]] = {
    "kho": ("struct", "structs.scratch", "fdt", "memory_map"),
    "kho-vmalloc": ("struct", "structs.chunk", "constants.ALLOC"),
    "luo-session": ("container",),
    "luo-file": ("container",),
    "luo-flb": ("container",),
    "memfd": ("struct", "structs.folio", "constants.DIRTY", "constants.UPTODATE"),
    "reserve-mem": ("fdt",),
    "kexec-metadata": ("struct", "version"),
    "kho-test": ("fdt", "constants.magic"),
}
# roles of properties: of the root, and of some child
_ROLES: Mapping[str, tuple[frozenset[str], frozenset[str]]] = {
    "kho": (frozenset({"memory-map"}), frozenset({"address"})),
    "luo-session": (frozenset({"address"}), frozenset()),
    "luo-flb": (frozenset({"address"}), frozenset()),
    "reserve-mem": (frozenset(), frozenset({"address", "size"})),
    "kho-test": (frozenset({"magic"}), frozenset({"count", "folios", "checksum"})),
}
# how the elements of a property's array are held, by role
_ENCODED: Mapping[str, Mapping[str, Encoding]] = {"kho-test": {"folios": Encoding.ADDRESS_OR_ORDER}}


def unmet(form: Format, structs: Mapping[str, Struct]) -> Iterator[Complaint]:
    """(place, message) for everything that the codecs of `form`'s component would miss."""
    for path in _NAMED.get(form.component, ()):
        if not _at(form, path):
            yield (path.split(".")[0],), f"a format of '{form.component}' must name {path}"
    for path, members in _MEMBERS.get(form.component, ()):
        name = _at(form, path)
        if isinstance(name, str) and name in structs:
            missing = members - {f.name for f in flatten(structs[name], structs)}
            if missing:
                yield tuple(path.split(".")), f"struct '{name}' lacks the member {', '.join(sorted(missing))}"
    if form.fdt is not None and form.component in _ROLES:
        root, child = _ROLES[form.component]
        if gone := root - _roles(form.fdt):
            yield ("fdt",), f"no property of the root has the role {', '.join(sorted(gone))}"
        if child and not any(child <= _roles(node) for node in form.fdt.children):
            yield ("fdt",), f"no child has properties with the roles {', '.join(sorted(child))}"
    yield from _lists(form)
    if isinstance(form.memory_map, RadixTreeMap):
        yield from _radix(form.memory_map, structs)


def _radix(layout: RadixTreeMap, structs: Mapping[str, Struct]) -> Iterator[Complaint]:
    """The widths are what a codec goes by, the structs what a compiler and BTF know: they must agree."""
    node, leaf = structs.get(layout.node), structs.get(layout.leaf)
    if node is not None:
        pointers = sum(max(f.count, 1) for f in flatten(node, structs) if f.type in ("phys", "u64"))
        if pointers != 1 << layout.table_bits or node.size != 8 * pointers:
            text = f"table_bits {layout.table_bits} means {1 << layout.table_bits} addresses"
            yield ("memory_map", "table_bits"), f"{text}, struct '{layout.node}' has {pointers} in {node.size} bytes"
    if leaf is not None and 8 * leaf.size != 1 << layout.leaf_bits:
        text = f"leaf_bits {layout.leaf_bits} means {1 << layout.leaf_bits} bits"
        yield ("memory_map", "leaf_bits"), f"{text}, struct '{layout.leaf}' has {8 * leaf.size}"


def _lists(form: Format) -> Iterator[Complaint]:
    """A list of folios is nothing to a codec unless it knows what an element is."""
    wanted = _ENCODED.get(form.component, {})
    for node in (form.fdt, *form.fdt.children) if form.fdt is not None else ():
        for prop in node.properties:
            if prop.role in wanted and prop.encoding is not wanted[prop.role]:
                text = f"'{prop.name}' must say 'array: u64' and 'encoding: {wanted[prop.role]}'"
                yield ("fdt",), text


def _roles(node: FdtNode) -> frozenset[str]:
    return frozenset(p.role for p in node.properties)


def _at(form: Format, path: str) -> object:
    value: object = form
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else getattr(value, part, None)
    return value
