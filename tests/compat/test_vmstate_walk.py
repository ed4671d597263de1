# SPDX-License-Identifier: Apache-2.0
"""How fields are walked: into structs, over padding, by renames, and on after a difference."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qualify.compat import Rename, VmFinding, compare_dumps, compare_many
from qualify.schema.vmstate import VmDescription, VmDump, VmField, VmSection

KEYS = ("name", "version_id", "minimum_version_id", "Fields", "Subsections")


def field(name: str, size: int = 4, num: int = 1) -> VmField:
    return VmField(name, 0, size, num, None, ("field", "version_id", "size", "num"))


def description(name: str, *fields: VmField) -> VmDescription:
    return VmDescription(name, 1, 1, fields, (), KEYS)


def struct(name: str, *fields: VmField) -> VmField:
    return replace(field(name, sum(f.size for f in fields)), description=description(f"{name}_t", *fields))


def dump(*fields: VmField, section: str = "dev") -> VmDump:
    return VmDump("m", {section: VmSection(section, 1, 1, description("d", *fields), ("Name", "Description"))})


def told(source: VmDump, target: VmDump, *accepted: Rename) -> list[tuple[str, str]]:
    return [(f.rule, f.path) for f in compare_dumps(source, target, accepted)]


A, B, C, D = (field(name) for name in "abcd")


@pytest.mark.parametrize(
    "nested",
    [
        (struct("s", A, B), C, D),
        (A, struct("s", B, C), D),
        (A, B, struct("s", C), struct("t", D)),
    ],
)
def test_fields_may_move_into_structs_and_out(nested: tuple[VmField, ...]) -> None:
    flat = dump(A, B, C, D)
    assert told(flat, dump(*nested)) == []
    assert told(dump(*nested), flat) == []


def test_a_difference_inside_a_moved_struct_is_found_both_ways() -> None:
    flat, nested = dump(A, B, C), dump(struct("s", A, field("b", 8)), C)
    assert told(flat, nested) == [("VMS011", "dev/d/b")]
    assert told(nested, flat) == [("VMS011", "dev/d/b")]


def test_a_move_by_two_levels_at_once_is_a_difference_as_for_the_peer() -> None:
    flat, nested = dump(A, B), dump(struct("s", struct("t", A), B))
    assert told(flat, nested)[0] == ("VMS010", "dev/d/a")
    assert told(nested, flat)[0] == ("VMS010", "dev/d/s")


def test_a_struct_that_opens_with_something_else_explains_nothing() -> None:
    assert told(dump(A, C), dump(struct("s", B, A), C)) == [("VMS010", "dev/d/a")]


@pytest.mark.parametrize(("size", "num"), [(12, 1), (4, 3), (1, 12)])
def test_padding_balances_over_several_fields_both_ways(size: int, num: int) -> None:
    named, padded = dump(A, B, C, D), dump(field("unused", size, num), D)
    assert told(named, padded) == []
    assert told(padded, named) == []


def test_arrays_beside_padding_count_with_all_their_elements() -> None:
    named, padded = dump(A, field("v", 2, 8), D), dump(field("unused", 20), D)
    assert told(named, padded) == told(padded, named) == []


@pytest.mark.parametrize(("size", "rest"), [(3, (B, C)), (7, (C,))])
def test_padding_that_ends_within_a_field_is_told_once(size: int, rest: tuple[VmField, ...]) -> None:
    named = dump(A, B, C, field("x", 2))
    padded = dump(field("unused", size), *rest, field("x", 3))
    assert told(named, padded) == [("VMS009", "dev/d/a"), ("VMS011", "dev/d/x")]
    assert told(padded, named) == [("VMS009", "dev/d/unused"), ("VMS011", "dev/d/x")]


def test_padding_longer_than_the_rest_of_the_source_is_ours_alone() -> None:
    (found,) = compare_dumps(dump(A, B), dump(field("unused", 12)))
    assert (found.rule, found.peer) == ("VMS009", False)
    (found,) = compare_dumps(dump(A, B), dump(field("unused", 6)))
    assert (found.rule, found.peer) == ("VMS009", True)


def test_a_rename_holds_in_its_description_only_and_both_ways() -> None:
    one, other = dump(A, B), dump(A, C)
    here, elsewhere = (Rename(where, frozenset("bc"), "renamed") for where in ("d", "e"))
    assert told(one, other, here) == told(other, one, here) == []
    assert told(one, other, elsewhere) == [("VMS010", "dev/d/b")]


def test_descriptions_and_sections_can_be_renamed() -> None:
    one = dump(A)
    section = one.sections["dev"]
    other = VmDump("m", {"dev": replace(section, description=description("e", A))})
    assert told(one, other) == [("VMS005", "dev/d")]
    assert told(one, other, Rename("dev", frozenset("de"), "renamed")) == []
    assert told(one, dump(A, section="new"), Rename("", frozenset(("dev", "new")), "renamed")) == []


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("abcd", "acd", [("VMS010", "b")]),
        ("acd", "abcd", [("VMS010", "c")]),
        ("abcd", "aqcd", [("VMS010", "b")]),
        ("abc", "qqq", [("VMS010", "a"), ("VMS010", "b"), ("VMS010", "c")]),
        ("abqd", "abd", [("VMS010", "q")]),
    ],
)
def test_after_a_difference_the_names_meet_again(source: str, target: str, expected: list[tuple[str, str]]) -> None:
    found = told(dump(*map(field, source)), dump(*map(field, target)))
    assert found == [(rule, f"dev/d/{name}") for rule, name in expected]


def test_what_comes_after_the_first_difference_is_ours_alone() -> None:
    found = compare_dumps(dump(A, B, C), dump(field("q"), B, field("c", 8)))
    assert [(f.rule, f.peer) for f in found] == [("VMS010", True), ("VMS011", False)]


# --- properties ----------------------------------------------------------------------------------------------

NAMES = st.sampled_from(["a", "b", "c", "d", "unused"])
LEAVES = st.builds(field, NAMES, st.integers(1, 8), st.integers(1, 3))


def _described(children: st.SearchStrategy[VmField]) -> st.SearchStrategy[VmField]:
    return st.builds(lambda name, inner: struct(name, *inner), NAMES, st.lists(children, max_size=3))


FIELDS = st.lists(st.recursive(LEAVES, _described, max_leaves=4), max_size=5)


@st.composite
def dumps(draw: st.DrawFn) -> VmDump:
    sections = {}
    for name in draw(st.lists(st.sampled_from(["s", "t", "u", "v"]), unique=True, max_size=4)):
        low = draw(st.integers(0, 2))
        version = draw(st.integers(low, 3))
        subsections = draw(st.lists(st.sampled_from(["x", "y"]), unique=True, max_size=2))
        body = VmDescription(
            draw(st.sampled_from(["d", "e"])),
            version,
            low,
            tuple(draw(FIELDS)),
            tuple(description(each, *draw(FIELDS)) for each in subsections),
            KEYS,
        )
        sections[name] = VmSection(name, version, low, body, ("Name", "Description"))
    return VmDump("m", sections)


@given(dumps())
def test_a_dump_beside_itself_gives_nothing(one: VmDump) -> None:
    assert compare_dumps(one, one) == ()


def _in_any_order(found: tuple[VmFinding, ...]) -> list[tuple[str, str, str]]:
    return sorted((f.path, f.rule, f.text) for f in found)


@given(dumps(), dumps(), st.data())
def test_the_order_of_sections_does_not_matter(one: VmDump, other: VmDump, data: st.DataObject) -> None:
    mixed = [
        VmDump(each.machine, dict(data.draw(st.permutations(list(each.sections.items()))))) for each in (one, other)
    ]
    assert _in_any_order(compare_dumps(*mixed)) == _in_any_order(compare_dumps(one, other))


@given(st.lists(dumps(), min_size=1, max_size=3), st.booleans())
def test_many_at_once_are_what_each_pair_is(some: list[VmDump], renamed: bool) -> None:
    accepted = (Rename("d", frozenset("ab"), "renamed"), Rename("", frozenset("st"), "renamed")) if renamed else ()
    # one section object in several dumps, so that what is remembered is used
    shared = [VmDump(each.machine, some[0].sections | each.sections) for each in some]
    by_name = {str(number): each for number, each in enumerate([*some, *shared])}
    assert compare_many(by_name, accepted) == {
        (a, b): compare_dumps(by_name[a], by_name[b], accepted) for a in by_name for b in by_name
    }
