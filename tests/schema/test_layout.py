# SPDX-License-Identifier: Apache-2.0
"""Layouts against a C compiler: every struct that ships, and structs that Hypothesis makes up."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qualify.schema import Field, Provenance, ProvenanceKind, Struct, load
from qualify.schema.layout import SCALARS, FlatField, flatten, layout_problems, parse_type
from tests.schema.compiled import Laid, Member, Shape, lay_out, needs_cc, shape_of

SCHEMA = load()
MADE_UP = Provenance(kind=ProvenanceKind.INFERRED)


def inner_first(structs: Mapping[str, Struct]) -> list[Struct]:
    ordered: dict[str, Struct] = {}

    def add(struct: Struct) -> None:
        for member in struct.fields:
            spec = parse_type(member.type)
            if spec.is_struct:
                add(structs[spec.base])
        ordered[struct.id] = struct

    for struct in structs.values():
        add(struct)
    return list(ordered.values())


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Laid]:
    shapes = [shape_of(s) for s in inner_first(SCHEMA.structs)]
    return lay_out(shapes, tmp_path_factory.mktemp("layout"))


@needs_cc
@pytest.mark.parametrize("name", SCHEMA.structs)
def test_a_compiler_agrees_with_what_ships(compiled: Mapping[str, Laid], name: str) -> None:
    struct, laid = SCHEMA.structs[name], compiled[name]
    assert struct.size == laid.size
    for member in struct.fields:
        low, width = laid.places[member.name]
        if member.bits:
            assert (8 * member.offset + member.bits[0], member.bits[1]) == (low, width)
        else:
            assert (8 * member.offset, 8 * size_of(member)) == (low, width)


@pytest.mark.parametrize("name", SCHEMA.structs)
def test_what_ships_is_right_by_our_own_rules(name: str) -> None:
    assert layout_problems(SCHEMA.structs[name], SCHEMA.structs) == []


def size_of(member: Field) -> int:
    spec = parse_type(member.type)
    return (SCHEMA.structs[spec.base].size if spec.is_struct else SCALARS[spec.base]) * max(spec.count, 1)


INNER = Shape("inner", False, [Member("a", "u8"), Member("b", "u32")])
PACKED_INNER = Shape("packed_inner", True, [Member("a", "u8"), Member("b", "u64")])
UNSIGNED = ["u8", "u16", "u32", "u64"]


@st.composite
def members(draw: st.DrawFn, name: str) -> Member:
    kind = draw(st.sampled_from(["plain", "plain", "array", "bits", "bits", "struct"]))
    if kind == "bits":
        base = draw(st.sampled_from(UNSIGNED))
        return Member(name, base, draw(st.integers(1, 8 * SCALARS[base])))
    if kind == "struct":
        return Member(name, draw(st.sampled_from(["struct inner", "struct packed_inner", "struct inner[2]"])))
    base = draw(st.sampled_from(list(SCALARS)))
    return Member(name, f"{base}[{draw(st.integers(1, 5))}]" if kind == "array" else base)


@st.composite
def shapes(draw: st.DrawFn) -> list[Shape]:
    count = draw(st.integers(1, 12))
    made = []
    for index in range(count):
        names = [f"m{i}" for i in range(draw(st.integers(1, 8)))]
        made.append(Shape(f"s{index}", draw(st.booleans()), [draw(members(n)) for n in names]))
    return made


def as_struct(shape: Shape, laid: Laid) -> Struct | None:
    """The shape with the compiler's offsets; None where a bit-field has no storage unit within the struct."""
    fields = []
    for m in shape.members:
        low, width = laid.places[m.name]
        if not m.bits:
            fields.append(Field(name=m.name, type=m.type, offset=low // 8))
            continue
        unit = SCALARS[m.type]
        offset = max(0, min(low // 8, laid.size - unit))
        if offset + unit > laid.size or low + width > 8 * (offset + unit):
            return None
        fields.append(Field(name=m.name, type=m.type, offset=offset, bits=(low - 8 * offset, width)))
    return Struct(
        id=shape.name,
        name=shape.name,
        size=laid.size,
        packed=shape.packed,
        fields=tuple(fields),
        provenance=MADE_UP,
    )


@needs_cc
@settings(max_examples=40, deadline=None)
@given(shapes())
def test_what_a_compiler_lays_out_is_accepted_and_anything_else_is_not(made: list[Shape]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        laid = lay_out([INNER, PACKED_INNER, *made], Path(folder))
    structs = {s.id: s for s in (as_struct(shape, laid[shape.name]) for shape in (INNER, PACKED_INNER, *made)) if s}
    for struct in structs.values():
        assert layout_problems(struct, structs) == []
        moved = struct.fields[-1].model_copy(update={"offset": struct.fields[-1].offset + 1})
        assert layout_problems(struct.model_copy(update={"fields": (*struct.fields[:-1], moved)}), structs) != []
        assert layout_problems(struct.model_copy(update={"size": struct.size + 1}), structs) != []
        assert sum(f.size for f in flatten(struct, structs) if not f.bits) <= struct.size


def test_nested_members_have_dotted_names_and_absolute_offsets() -> None:
    flat = {f.name: f for f in SCHEMA.flat("memfd_luo_ser@v2")}
    assert flat["folios.total_pages"] == FlatField("folios.total_pages", "u32", 40, 0, None)
    assert [f.name for f in SCHEMA.flat("luo_session_ser")] == ["name", "file_set_ser.files", "file_set_ser.count"]


def test_arrays_of_structs_are_numbered() -> None:
    inner = Struct(id="i", name="i", size=4, fields=(Field(name="a", type="u32", offset=0),), provenance=MADE_UP)
    outer = Struct(
        id="o", name="o", size=8, fields=(Field(name="x", type="struct i[2]", offset=0),), provenance=MADE_UP
    )
    assert [(f.name, f.offset) for f in flatten(outer, {"i": inner})] == [("x[0].a", 0), ("x[1].a", 4)]


@pytest.mark.parametrize(
    "text", ["", "u7", "u8[0]", "u8[-1]", "u8[]", "struct", "struct ", "u8 [2]", "u64*", "unsigned int"]
)
def test_types_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="is not a"):
        parse_type(text)
