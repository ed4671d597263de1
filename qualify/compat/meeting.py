# SPDX-License-Identifier: Apache-2.0
"""How what one release writes meets what another reads: strings first, then every byte behind them."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from qualify.schema import BlockList, ChunkListMap, FdtNode, FdtProperty, Format, MemoryMap, Schema

__all__ = ["Gap", "Grade", "Match", "Meeting", "gaps", "meet", "same_bytes"]


class Match(enum.Enum):
    """What the reader's own check says."""

    NO_WRITER = "no-writer"
    NO_READER = "no-reader"
    ACCEPTED = "accepted"  # the strings (or version numbers, or the string of what versions it) agree
    REFUSED = "refused"


class Grade(enum.Enum):
    """What a difference means to the reader."""

    MISSING = "missing"  # the reader insists on it and it is not there
    MALFORMED = "malformed"  # the reader checks it, and notices
    SILENT = "silent"  # nobody checks it
    IGNORED = "ignored"  # written, and never looked at


@dataclass(frozen=True, slots=True)
class Gap:
    """One difference. `where` says in which part: map, boot, node, property, root, role, header, entry, ..."""

    where: str
    grade: Grade
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Meeting:
    """One component of one pair. `read` is the format the reader takes the bytes for, or would."""

    component: str
    match: Match
    written: Format | None = None
    read: Format | None = None
    gaps: tuple[Gap, ...] = field(default=())

    def of(self, *grades: Grade) -> tuple[Gap, ...]:
        return tuple(g for g in self.gaps if g.grade in grades)

    @property
    def agrees(self) -> bool:
        """Accepted, and nothing behind the string matters."""
        return self.match is Match.ACCEPTED and all(g.grade is Grade.IGNORED for g in self.gaps)


def meet(
    schema: Schema, component: str, written: Format | None, reads: Iterable[Format], requires: Iterable[str] = ()
) -> Meeting:
    """The first format in `reads` that the reader's check takes the bytes for; otherwise the preferred one, refused."""
    known = tuple(reads)
    if written is None:
        return Meeting(component, Match.NO_WRITER, None, known[0] if known else None)
    if not known:
        return Meeting(component, Match.NO_READER, written)
    read = next((r for r in known if _accepts(written, r)), None)
    match = Match.REFUSED if read is None else Match.ACCEPTED
    read = read or known[0]
    return Meeting(component, match, written, read, tuple(gaps(schema, written, read, tuple(requires))))


def _accepts(written: Format, read: Format) -> bool:
    if written.compatible or read.compatible:
        return written.compatible == read.compatible
    if written.version or read.version:
        # the number is read from where the reader expects it; where that is belongs to the layout
        return bool(written.version and read.version and written.version.value == read.version.value)
    return written.versioned_by == read.versioned_by


def same_bytes(found: Iterable[Gap]) -> bool:
    """Whether nothing differs apart from the string."""
    return not any(True for _ in found)


def gaps(schema: Schema, written: Format, read: Format, requires: tuple[str, ...] = ()) -> Iterator[Gap]:
    """Every difference in bytes, in the reader's order."""
    yield from _carrier(written, read)
    yield from _map(schema, written.memory_map, read.memory_map)
    if (written.fdt is None) != (read.fdt is None):
        kinds = ("a struct", "an FDT") if read.fdt else ("an FDT", "a struct")
        yield Gap("kind", Grade.MALFORMED, "kind", f"written as {kinds[0]}, read as {kinds[1]}")
    elif written.fdt is not None and read.fdt is not None:
        yield from _node(schema, written.fdt, read.fdt, requires, "/")
    yield from _struct(schema, "root", written.struct, read.struct)
    for role in sorted({*written.structs, *read.structs}):
        yield from _struct(schema, f"role:{role}", written.structs.get(role, ""), read.structs.get(role, ""))
    yield from _container(schema, written, read)
    for name in sorted({*written.constants, *read.constants}):
        mine, theirs = written.constants.get(name), read.constants.get(name)
        if mine != theirs:
            yield Gap("constant", Grade.SILENT, name, f"constant {name}: {_show(mine)} vs {_show(theirs)}")
    for name in sorted({*written.carried} ^ {*read.carried}):
        side = "source" if name in written.carried else "target"
        yield Gap("carried", Grade.IGNORED, name, f"property {name}: carried by the {side}'s format only")


def _show(value: int | str | None) -> str:
    return "none" if value is None else hex(value) if isinstance(value, int) else value


def _carrier(written: Format, read: Format) -> Iterator[Gap]:
    mine, theirs = written.carrier, read.carrier
    for part in ("component", "subtree", "node", "field"):
        here, there = getattr(mine, part), getattr(theirs, part)
        if here != there:
            text = f"found through {part} '{here or 'none'}' vs '{there or 'none'}'"
            yield Gap(f"carrier:{part}", Grade.MISSING, there, text)


def _map(schema: Schema, written: MemoryMap | None, read: MemoryMap | None) -> Iterator[Gap]:
    if written is None or read is None:
        if written is not read:
            yield Gap("map", Grade.SILENT, "map", "memory map: one side has none")
        return
    if written.kind != read.kind:
        yield Gap("map", Grade.SILENT, "kind", f"memory map: {written.kind} vs {read.kind}")
    elif isinstance(written, ChunkListMap) and isinstance(read, ChunkListMap):
        if written.bitmap_bytes != read.bitmap_bytes:
            here, there = written.bitmap_bytes, read.bitmap_bytes
            spans = f"{here * 8 * 4096 >> 20} MiB vs {there * 8 * 4096 >> 20} MiB"
            text = f"bitmap: {here} bytes vs {there} bytes (at order 0 and 4 KiB pages: {spans})"
            yield Gap("bitmap", Grade.SILENT, "bitmap_bytes", text)
        for name in ("header", "entry"):
            yield from _struct(schema, "map", getattr(written, name), getattr(read, name))
    else:
        for name in ("key_width", "table_bits", "leaf_bits", "levels"):
            here, there = getattr(written, name), getattr(read, name)
            if here != there:
                yield Gap("map", Grade.SILENT, name, f"memory map: {name} {here} vs {there}")


def _node(schema: Schema, written: FdtNode, read: FdtNode, requires: tuple[str, ...], path: str) -> Iterator[Gap]:
    theirs = {p.name: p for p in written.properties}
    for prop in read.properties:
        if other := theirs.get(prop.name):
            yield from _property(schema, other, prop, path)
        else:
            needed = prop.name in requires if requires else prop.required
            grade = Grade.MISSING if needed else Grade.IGNORED
            yield Gap(f"property:{path}", grade, prop.name, f"property {path}{prop.name}: not written")
    for name in sorted(set(theirs) - {p.name for p in read.properties}):
        yield Gap(f"property:{path}", Grade.IGNORED, name, f"property {path}{name}: written, not read")
    if path != "/" and written.compatible != read.compatible:
        text = f"node {path}: compatible '{written.compatible}' vs '{read.compatible}'"
        yield Gap(f"node:{path}", Grade.MALFORMED, path, text)
    for child in read.children:
        if (match := written.child(child.name)) is not None:
            yield from _node(schema, match, child, requires, f"{path}{child.name}/")
        else:
            needed = child.name in requires if requires else child.required
            insists = ", and the target insists on it" if needed else ""
            grade = Grade.MISSING if needed else Grade.IGNORED
            yield Gap(f"node:{path}", grade, child.name, f"node {path}{child.name}: not written{insists}")
    for child in written.children:
        if read.child(child.name) is None:
            yield Gap(f"node:{path}", Grade.IGNORED, child.name, f"node {path}{child.name}: written, not read")


_LENGTHS = {"u32": 4, "u64": 8}


def _property(schema: Schema, written: FdtProperty, read: FdtProperty, path: str) -> Iterator[Gap]:
    name, where = read.name, f"property:{path}"
    here, there = _LENGTHS.get(written.type), _LENGTHS.get(read.type)
    if written.type != read.type:
        grade = Grade.MALFORMED if here != there else Grade.SILENT
        yield Gap(where, grade, name, f"property {path}{name}: {written.type} vs {read.type}")
    elif written.endian != read.endian:
        yield Gap(where, Grade.SILENT, name, f"property {path}{name}: {written.endian} vs {read.endian} byte order")
    if written.role != read.role:
        text = f"property {path}{name}: stands for '{written.role}' vs '{read.role}'"
        yield Gap(where, Grade.SILENT, name, text)
    yield from _struct(schema, f"inside:{path}{name}", written.struct, read.struct)


def _struct(schema: Schema, where: str, written: str, read: str) -> Iterator[Gap]:
    if written == read:
        return
    if not written or not read:
        name = written or read
        text = f"struct {name}: {'not written' if read else 'not read'}"
        yield Gap(where, Grade.SILENT, name, text)
        return
    mine = {f.name: f for f in schema.flat(written)}
    theirs = {f.name: f for f in schema.flat(read)}
    title = schema.structs[read].name
    for name in [*theirs, *(n for n in mine if n not in theirs)]:
        here, there = (_place(side[name]) if name in side else "none" for side in (mine, theirs))
        if here != there:
            yield Gap(where, Grade.SILENT, name, f"{title}.{name}: {here} vs {there}")
    if schema.structs[written].size != schema.structs[read].size:
        sizes = schema.structs[written].size, schema.structs[read].size
        yield Gap(where, Grade.SILENT, "(size)", f"{title}: {sizes[0]} bytes vs {sizes[1]} bytes")


def _place(member: object) -> str:
    kind, offset = getattr(member, "type", ""), getattr(member, "offset", 0)
    count, bits = getattr(member, "count", 0), getattr(member, "bits", None)
    shown = f"{kind}[{count}]" if count else str(kind)
    return f"{shown}@{offset}" + (f" bits {bits[0]}..{bits[0] + bits[1] - 1}" if bits else "")


def _container(schema: Schema, written: Format, read: Format) -> Iterator[Gap]:
    mine, theirs = written.container, read.container
    if mine is None or theirs is None:
        if mine is not theirs:
            yield Gap("container", Grade.SILENT, "kind", "table: one side has none")
        return
    if mine.kind != theirs.kind:
        yield Gap("container", Grade.SILENT, "kind", f"table: {mine.kind} vs {theirs.kind}")
    for part in ("header", "entry"):
        yield from _struct(schema, part, getattr(mine, part), getattr(theirs, part))
    if isinstance(mine, BlockList) or isinstance(theirs, BlockList):
        return
    if mine.pages != theirs.pages:
        yield Gap("container", Grade.IGNORED, "pages", f"table: {mine.pages} pages vs {theirs.pages} pages")
