# SPDX-License-Identifier: Apache-2.0
"""Two formats side by side, byte by byte: what one side writes and where the other looks for it. For people to read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from qualify.schema.base import Provenance
from qualify.schema.format import ArrayTable, BlockList, ChunkListMap, Container, FdtNode, Format, MemoryMap
from qualify.schema.layout import FlatField
from qualify.schema.schema import Schema

__all__ = ["Line", "Part", "side_by_side"]

Span = tuple[int, int]

_ORDERS = (0, 9, 10)
"""Orders whose windows are spelt out: single pages, huge pages, and the largest block of the page allocator."""


@dataclass(frozen=True, slots=True)
class Line:
    """One thing on both sides, '' where a side has no such thing. Spans are (offset, size) in bytes."""

    name: str
    written: str
    read: str
    written_span: Span | None = None
    read_span: Span | None = None

    @property
    def differs(self) -> bool:
        return (self.written, self.written_span) != (self.read, self.read_span)


@dataclass(frozen=True, slots=True)
class Part:
    """Lines that belong together: a struct, the memory map, the device tree. A `note` says how formats are known."""

    title: str
    lines: tuple[Line, ...]
    note: bool = False


@dataclass(frozen=True, slots=True)
class _Fact:
    text: str
    span: Span | None = None


_Facts = Mapping[str, _Fact]


def side_by_side(schema: Schema, written: Format, read: Format, page_size: int = 4096) -> tuple[Part, ...]:
    """Every part in which the two differ, whole, after what the reader compares. Equal formats give none."""
    both = (written, read)
    parts = [
        _part("How the reader gets there", *(_way(f) for f in both)),
        _part("Memory map", *(_map(f.memory_map, page_size) for f in both)),
        _part("Device tree", *(_tree(f.fdt) for f in both)),
        *_structs(schema, *(_roles(f) for f in both)),
        _part("Table", *(_table(schema, f.container, page_size) for f in both)),
        _part("Constants", *(_constants(f) for f in both)),
        _part("Properties", *(_properties(f) for f in both)),
    ]
    string = _lines(*(_identity(f) for f in both))
    found = [part for part in parts if part is not None]
    if not found and not any(line.differs for line in string):
        return ()
    return (
        Part("What the reader compares", string),
        *found,
        Part("Known from", _lines(*(_origin(f) for f in both)), note=True),
    )


def _part(title: str, written: _Facts, read: _Facts) -> Part | None:
    lines = _lines(written, read)
    return Part(title, lines) if any(line.differs for line in lines) else None


def _lines(written: _Facts, read: _Facts) -> tuple[Line, ...]:
    nothing = _Fact("")
    # in the reader's order, like every list of differences
    names = dict.fromkeys((*read, *written))
    both = ((name, written.get(name, nothing), read.get(name, nothing)) for name in names)
    return tuple(Line(name, mine.text, theirs.text, mine.span, theirs.span) for name, mine, theirs in both)


def _identity(form: Format) -> _Facts:
    if form.compatible:
        return {"string": _Fact(f"'{form.compatible}'")}
    if form.version:
        return {"version number": _Fact(f"{form.version.value} in {form.version.field}")}
    return {"string": _Fact(f"none of its own, that of {form.versioned_by}")}


def _way(form: Format) -> _Facts:
    way = form.carrier
    facts = {"through": way.component, "subtree": way.subtree, "node": way.node, "field": way.field}
    return {name: _Fact(text) for name, text in facts.items() if text}


def _map(found: MemoryMap | None, page_size: int) -> _Facts:
    if found is None:
        return {}
    if isinstance(found, ChunkListMap):
        form, size = "linked chunks of (start, bitmap) pairs", found.bitmap_bytes
        facts = {"form": _Fact(form)}
    else:
        size = 2**found.leaf_bits // 8
        facts = {
            "form": _Fact("radix tree, its leaves are bitmaps"),
            "levels": _Fact(str(found.levels)),
            "width of a key": _Fact(f"{found.key_width} bits"),
            "pointers in a node": _Fact(f"{2**found.table_bits:,}"),
        }
    facts["bitmap"] = _Fact(f"{size * 8:,} bits", (0, size))
    for order in _ORDERS:
        block = page_size << order
        facts[f"window of a bitmap, order {order} (blocks of {_amount(block)})"] = _Fact(_amount(size * 8 * block))
    return facts


def _amount(size: int) -> str:
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024 or size % 1024:
            return f"{size:,} {unit}"
        size //= 1024
    return f"{size:,} TiB"


def _tree(node: FdtNode | None, path: str = "/") -> dict[str, _Fact]:
    if node is None:
        return {}
    facts: dict[str, _Fact] = {}
    if path != "/":
        string = f", compatible '{node.compatible}'" if node.compatible else ""
        facts[path] = _Fact(f"node{string}{_optional(node.required)}")
    inside = path.rstrip("/")
    for prop in node.properties:
        sizes = {"u32": ", 4 bytes", "u64": ", 8 bytes"}
        order = f", {prop.endian} byte order" if prop.type in sizes else ""
        struct = f", struct {prop.struct}" if prop.struct else ""
        text = f"{prop.type}{sizes.get(prop.type, '')}{order}{struct}{_optional(prop.required)}"
        facts[f"{inside}/{prop.name}"] = _Fact(text)
    for child in node.children:
        facts |= _tree(child, f"{inside}/{child.name}")
    return facts


def _optional(required: bool) -> str:
    return "" if required else ", optional"


def _roles(form: Format) -> dict[str, str]:
    roles = {"": form.struct, **{f"{role}: ": name for role, name in form.structs.items()}}
    if isinstance(form.memory_map, ChunkListMap):
        roles |= {"chunk header: ": form.memory_map.header, "chunk entry: ": form.memory_map.entry}
    if form.container is not None:
        roles |= {"table header: ": form.container.header, "table entry: ": form.container.entry}
    nodes = [form.fdt] if form.fdt is not None else []
    while nodes:
        node = nodes.pop()
        roles |= {f"inside {p.name}: ": p.struct for p in node.properties}
        nodes += node.children
    return {role: name for role, name in roles.items() if name}


def _structs(schema: Schema, written: Mapping[str, str], read: Mapping[str, str]) -> Iterator[Part | None]:
    for role in dict.fromkeys((*read, *written)):
        mine, theirs = written.get(role, ""), read.get(role, "")
        names = dict.fromkeys(schema.structs[name].name for name in (mine, theirs) if name)
        title = f"{role}struct {' vs '.join(names)}"
        yield _part(title, _members(schema, mine), _members(schema, theirs))


def _members(schema: Schema, struct: str) -> _Facts:
    if not struct:
        return {}
    facts = {f.name: _Fact(_type(f), (f.offset, f.size)) for f in schema.flat(struct)}
    return facts | {"(whole)": _Fact("", (0, schema.structs[struct].size))}


def _type(field: FlatField) -> str:
    bits = f" bits {field.bits[0]} to {field.bits[0] + field.bits[1] - 1}" if field.bits else ""
    return (f"{field.type}[{field.count}]" if field.count else field.type) + bits


def _table(schema: Schema, found: Container | None, page_size: int) -> _Facts:
    if found is None:
        return {}
    header = schema.structs[found.header].size if found.header else 0
    entry = schema.structs[found.entry].size
    match found:
        case ArrayTable():
            form, room = f"array of {found.pages} pages", (found.pages * page_size - header) // entry
        case BlockList():
            per_page = (page_size - header) // entry
            form, room = f"linked pages of {per_page} entries", found.max_blocks * per_page
    return {
        "form": _Fact(form),
        "header": _Fact(f"{header} bytes"),
        "entry": _Fact(f"{entry} bytes"),
        "room for": _Fact(f"{room:,} entries"),
    }


def _constants(form: Format) -> _Facts:
    return {name: _Fact(hex(v) if isinstance(v, int) else v) for name, v in sorted(form.constants.items())}


def _properties(form: Format) -> _Facts:
    words = (("comes back", form.carried), ("accepted and lost", form.dropped), ("not carried", form.not_carried))
    return {name: _Fact(text) for text, names in words for name in names}


def _origin(form: Format) -> _Facts:
    facts = {"format": form.id, "source": _place(form.provenance), "remark": form.text}
    return {name: _Fact(text) for name, text in facts.items() if text}


def _place(found: Provenance) -> str:
    return ", ".join(text for text in (found.kind.value, found.release, found.file, found.where, found.note) if text)
