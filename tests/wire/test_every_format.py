# SPDX-License-Identifier: Apache-2.0
"""For every format of the schema: what is written is read back, and whatever is read ends, in bounded memory."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qualify.errors import WireError
from qualify.machine.memory import PhysicalMemory
from qualify.machine.reserved import KernelPanicError
from qualify.schema import Format, Provenance, struct_ids
from qualify.schema.base import Frozen
from qualify.schema.format import (
    ArrayTable,
    BlockList,
    Carrier,
    ChunkListMap,
    FdtNode,
    RadixTreeMap,
    VersionField,
)
from tests.bounds import bounded
from tests.wire.anatomy import kernel_of, parts_of
from tests.wire.drawn import TOP, Allocator
from tests.wire.golden import PAGE, schema
from tests.wire.hostile import PAGES, Counted, memory_of, pages_of_words, words
from tests.wire.parts import Found, Part

PARTS = {form.id: parts_of(schema(), form) for form in schema().formats.values()}


@pytest.mark.parametrize("name", PARTS)
@given(data=st.data())
def test_what_is_written_is_read_back(name: str, data: st.DataObject) -> None:
    for part in PARTS[name]:
        memory, values = PhysicalMemory(1 << 40), data.draw(part.values(), label=part.name)
        found = part.write(memory, Allocator(), values)
        assert part.read(memory, found) == part.expected(values, found), part.name


@pytest.mark.parametrize("name", PARTS)
def test_what_does_not_fit_is_not_written(name: str) -> None:
    """One entry or node more than there is room for."""
    for part in PARTS[name]:
        with pytest.raises(WireError, match=r"no limit|do not fit"):
            part.write_too_much(PhysicalMemory(TOP), Allocator())


@st.composite
def hostile(draw: st.DrawFn, part: Part) -> tuple[PhysicalMemory, Found]:
    """What this part would write with some words changed; or pages that say anything, and any way into them."""
    if draw(st.booleans()):
        memory, allocate = PhysicalMemory(TOP), Allocator(PAGE)
        found = part.write(memory, allocate, draw(part.values()))
        for page, index, word in draw(st.lists(st.tuples(st.integers(), st.integers(0, 511), words), max_size=12)):
            at = allocate.given[page % len(allocate.given)] if allocate.given else 0
            memory.write(at + 8 * index, word.to_bytes(8, "little"))
        return memory, found if draw(st.booleans()) else Found(found.at, draw(words))
    memory = memory_of(draw(pages_of_words), draw(st.just(0) | words))
    return memory, Found(draw(st.sampled_from([0, PAGE]) | words), draw(words))


@pytest.mark.parametrize("name", PARTS)
@given(data=st.data())
def test_any_bytes(name: str, data: st.DataObject) -> None:
    """An answer or a typed error, after a bounded number of reads, in bounded memory."""
    for part in PARTS[name]:
        memory, found = data.draw(hostile(part), label=part.name)
        with bounded(part.bound), suppress(WireError, KernelPanicError):
            part.read(Counted(memory), found)


@pytest.mark.parametrize("name", PARTS)
@settings(max_examples=settings().max_examples // 2)
@given(raw=st.binary(max_size=2 * PAGE), header=st.booleans(), count=words)
def test_any_run_of_bytes(name: str, raw: bytes, header: bool, count: int) -> None:
    """Bytes rather than words, and with the first of a device tree in front, without which nobody reads on."""
    memory = PhysicalMemory(TOP)
    memory.write(0, (b"\xd0\x0d\xfe\xed" if header else b"") + raw)
    for part in PARTS[name]:
        with bounded(part.bound), suppress(WireError, KernelPanicError):
            part.read(Counted(memory), Found(0, count))


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize(
    "word",
    [0, 1, PAGE, 2 * PAGE + 8, PAGES * PAGE, TOP - PAGE, TOP - 8, 1 << 32, 0xFF00000001, (1 << 64) - 1,
     0xDEADC0DEDEADC0DF],
    ids=hex,
)  # fmt: skip
@pytest.mark.parametrize("rest", ["filled", "empty"])
def test_the_same_word_everywhere(name: str, word: int, rest: str) -> None:
    """Pages full of pointers to pages full of pointers, which would unfold for ever; and endless lists of nothing."""
    memory = memory_of([[]], word) if rest == "filled" else memory_of([[(0, word)]], 0)
    for part in PARTS[name]:
        with bounded(part.bound), suppress(WireError, KernelPanicError):
            part.read(Counted(memory), Found(PAGE, word))


# --- nothing is left out -------------------------------------------------------------------------------------------


def test_every_struct_of_the_schema_that_a_format_names_is_covered() -> None:
    named = set().union(*(struct_ids(f) for f in schema().formats.values()))
    assert named == set().union(*(part.structs for parts in PARTS.values() for part in parts))


def test_a_format_that_is_not_understood_is_an_error() -> None:
    known = schema()
    empty = known.format("kho-block").model_copy(update={"struct": ""})
    with pytest.raises(LookupError, match="no generator for kho-block: it has no bytes at all"):
        parts_of(known, empty)
    strange = known.format("luo-file-v2").model_copy(update={"container": Heap(kind="heap")})
    with pytest.raises(LookupError, match="no generator for the container of luo-file-v2: heap"):
        parts_of(known, strange)
    with pytest.raises(LookupError, match="no release writes or reads unused"):
        kernel_of(known, empty.model_copy(update={"id": "unused"}))


class Heap(Frozen):
    """A container that nobody has heard of."""

    kind: str


def test_formats_have_no_member_of_an_unknown_kind() -> None:
    """A new way to lay out bytes needs a part here; what only says something about a format does not."""
    bytes_of = {FdtNode, ChunkListMap, RadixTreeMap, ArrayTable, BlockList}
    words_about = {Carrier, VersionField, Provenance}
    found = {kind for field in Format.model_fields.values() for kind in models(field.annotation)}
    assert found == bytes_of | words_about


def models(annotation: Any) -> Iterator[type[Frozen]]:
    """The models that an annotation mentions."""
    if isinstance(annotation, type) and issubclass(annotation, Frozen):
        yield annotation
    for inner in typing.get_args(annotation):
        yield from models(inner)
