# SPDX-License-Identifier: Apache-2.0
"""KSTATE v3 streams: the golden vector, and each rule of kernel/liveupdate/kstate.c by itself."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from qualify.errors import CountError, EncodeError, MagicError, TruncatedError
from qualify.schema.kstate import KstateDescription
from qualify.wire.kstate import (
    KSTATE_MAGIC,
    ReaderProfile,
    RestoreError,
    SectionType,
    entries,
    read,
    write,
)
from tests.wire.golden import FOLDER

AS_CODED, AS_DOCUMENTED = ReaderProfile.AS_CODED, ReaderProfile.AS_DOCUMENTED


def base(name: str, size: int = 4, version_id: int = 0) -> dict[str, Any]:
    return {"name": name, "kind": "base", "size": size, "version_id": version_id}


def gone(name: str, version_id: int, size: int = 4) -> dict[str, Any]:
    return {"name": name, "kind": "deprecated", "size": size, "version_id": version_id}


def state(*fields: dict[str, Any], version: int = 1, **more: Any) -> KstateDescription:
    keys = {"name": "s", "id": 3, "instance_id": 7, "version_id": version, "fields": fields} | more
    return KstateDescription.model_validate(keys)


def word(number: int) -> bytes:
    return number.to_bytes(4, "little")


def entry(section_type: int, state_id: int, version: int, instance: int, data: bytes, size: int | None = None) -> bytes:
    return struct.pack("<5i", section_type, state_id, version, instance, len(data) if size is None else size) + data


def stream(*parts: bytes) -> bytes:
    return struct.pack("<I", KSTATE_MAGIC) + b"".join(parts) + b"\xff" * 4


TEST_KSTATE = KstateDescription.model_validate(
    {
        "name": "test",
        "id": 3,
        "instance_id": 123,
        "version_id": 2,
        "fields": [
            {"name": "s", "kind": "base", "size": 10},
            {"name": "p_ulong", "kind": "pointer", "size": 8},
            {"name": "folio", "kind": "folio"},
            gone("k", 1, 2),
        ],
        "subsections": [{"name": "test_v2", "id": 4, "version_id": 1, "fields": [base("i")]}],
    }
)
VALUES = {"s": b"abcdefghk\0", "p_ulong": 20, "folio": 0x10A000, "test_v2": {"i": 10}}


def golden() -> bytes:
    lines = (FOLDER / "kstate-v3-test_kstate.hex").read_text().splitlines()
    return bytes.fromhex("".join(line for line in lines if not line.startswith("#")))


def test_golden_is_what_is_written() -> None:
    assert write([(TEST_KSTATE, VALUES)]) == golden()


@pytest.mark.parametrize("profile", ReaderProfile)
def test_golden_is_read_back(profile: ReaderProfile) -> None:
    found = read(golden(), TEST_KSTATE, {}, profile)
    assert (found.error, found.warnings, found.untouched) == (None, (), ())
    assert found.values == {
        "s": b"abcdefghk\0",
        "p_ulong": (20).to_bytes(8, "little"),
        "folio": (0x10A000).to_bytes(8, "little"),
        "test_v2": {"i": word(10)},
    }
    assert list(found.set) == ["s", "p_ulong", "folio", "test_v2.i"]


def test_entries_of_golden() -> None:
    found = [(e.offset, e.section_type, e.state_id, e.version_id, e.instance_id, e.size) for e in entries(golden())]
    assert found == [(0x4, SectionType.SECTION, 3, 2, 123, 26), (0x32, SectionType.SUBSECTION, 4, 1, 123, 4)]


# --- what is written -------------------------------------------------------------------------------------------------


def test_sections_come_in_reverse_order_of_registration() -> None:
    first, second = state(base("a"), name="first"), state(base("a"), name="second", id=4)
    assert [e.state_id for e in entries(write([(first, {"a": 1}), (second, {"a": 2})]))] == [4, 3]


def test_subsections_follow_their_section_with_its_instance() -> None:
    subs = [{"name": n, "id": i, "instance_id": 99, "fields": [base("x")]} for n, i in (("p", 9), ("q", 8))]
    made = write([(state(base("a"), subsections=subs), {"a": 1, "p": {"x": 2}, "q": {"x": 3}})])
    assert [(e.section_type, e.state_id, e.instance_id) for e in entries(made)] == [(2, 3, 7), (1, 9, 7), (1, 8, 7)]


def test_a_field_beyond_the_version_and_a_deprecated_one_are_not_written() -> None:
    made = state(base("a"), base("early", version_id=2), gone("old", 0), version=1)
    assert write([(made, {"a": 5})]) == stream(entry(2, 3, 1, 7, word(5)))
    assert [f.name for f in made.unwritten()] == ["early"]


def test_kinds_on_the_wire() -> None:
    nested = {"name": "n", "id": 5, "version_id": 6, "fields": [base("x", 1)]}
    made = state(
        {"name": "address", "kind": "address"},
        {"name": "custom", "kind": "custom", "size": 3},
        {"name": "plain", "kind": "array-of-pointers", "size": 2, "count": 2},
        {"name": "inner", "kind": "struct", "description": nested},
        {"name": "many", "kind": "array-of-pointers", "count": 2, "description": nested},
    )
    values = {"address": -4096, "custom": b"xyz", "plain": b"abcd", "inner": {"x": 1}, "many": [{"x": 2}, {"x": 3}]}
    data = (-4096).to_bytes(8, "little", signed=True) + b"xyzabcd"
    data += entry(2, 5, 6, 0, b"\1") + entry(2, 5, 6, 0, b"\2") + entry(2, 5, 6, 0, b"\3")
    assert write([(made, values)]) == stream(entry(2, 3, 1, 7, data))
    found = read(write([(made, values)]), made, {})
    assert found.values["many"] == [{"x": b"\2"}, {"x": b"\3"}]
    assert [*found.set][-3:] == ["inner.x", "many[0].x", "many[1].x"]


def test_a_struct_in_a_subsection_has_the_type_of_a_subsection() -> None:
    nested = {"name": "n", "id": 5, "fields": [base("x", 1)]}
    sub = {"name": "sub", "id": 9, "fields": [{"name": "inner", "kind": "struct", "description": nested}]}
    made = write([(state(subsections=[sub]), {"sub": {"inner": {"x": 1}}})])
    assert made == stream(entry(2, 3, 1, 7, b""), entry(1, 9, 1, 7, entry(1, 5, 1, 0, b"\1")))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "'s.a' has no value"),
        ({"a": 1 << 32}, "'s.a': 0x100000000 does not fit 4 bytes"),
        ({"a": b"abc"}, "'s.a': expected 4 bytes, got 3"),
        ({"a": {}}, "'s.a': expected bytes or a number, got dict"),
    ],
)
def test_values_that_do_not_fit(values: dict[str, Any], message: str) -> None:
    with pytest.raises(EncodeError) as caught:
        write([(state(base("a")), values)])
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("before", "message"),
    [
        ({"inner": 5}, "'inner': expected a mapping, got int"),
        ({"many": {}}, "'many': expected a sequence of mappings"),
        ({"many": [5]}, "'many': expected a mapping, got int"),
        ({"sub": b""}, "'sub': expected a mapping, got bytes"),
        ({"inner": {"x": b""}}, "'inner.x': expected 1 bytes, got 0"),
    ],
)
def test_values_before_that_do_not_fit(before: dict[str, Any], message: str) -> None:
    nested = {"name": "n", "id": 5, "fields": [base("x", 1)]}
    made = state(
        {"name": "inner", "kind": "struct", "description": nested},
        {"name": "many", "kind": "array-of-pointers", "count": 2, "description": nested},
        subsections=[{"name": "sub", "id": 9}],
    )
    with pytest.raises(EncodeError) as caught:
        read(stream(), made, before)
    assert str(caught.value) == message


# --- the search ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("state_id", "instance"), [(3, 8), (4, 7)])
def test_search_is_by_id_and_instance(state_id: int, instance: int) -> None:
    found = read(stream(entry(2, state_id, 1, instance, word(1))), state(base("a")), {"a": 9})
    assert (found.error, found.untouched, found.set) == (RestoreError.ENOENT, ("a",), {})
    assert found.values == {"a": word(9)}


def test_search_takes_a_subsection_for_a_section() -> None:
    made = stream(entry(1, 3, 1, 7, word(1)), entry(2, 3, 1, 7, word(2)))
    assert read(made, state(base("a")), {}).values == {"a": word(1)}


def test_unknown_sections_are_skipped_by_size() -> None:
    made = stream(entry(2, 77, 1, 7, bytes(13)), entry(1, 78, 1, 7, bytes(5)), entry(2, 3, 1, 7, word(2)))
    assert read(made, state(base("a")), {}).values == {"a": word(2)}


def test_a_first_entry_of_id_0_ends_the_search() -> None:
    found = read(stream(entry(2, 0, 1, 7, b""), entry(2, 3, 1, 7, word(2))), state(base("a")), {})
    assert (found.error, found.warnings) == (RestoreError.ENOENT, ("state_id 0",))


def test_bad_magic_is_enoent() -> None:
    made = b"\0" + write([(state(base("a")), {"a": 1})])[1:]
    assert read(made, state(base("a")), {}).error is RestoreError.ENOENT
    with pytest.raises(MagicError, match="does not begin with the magic 0x3b37778c"):
        entries(made)


def test_a_stream_of_v1_or_v2_is_named() -> None:
    made = struct.pack("<4i", 3, 1, 7, 4) + word(1) + b"\xff" * 4
    found = read(made, state(base("a")), {})
    assert found.error is RestoreError.ENOENT
    assert "v1 or v2" in found.detail
    with pytest.raises(MagicError, match="v1 or v2"):
        entries(made)


def test_a_search_that_would_walk_back_ends() -> None:
    with pytest.raises(CountError, match="size is -20"):
        read(stream(entry(2, 9, 1, 7, b"", size=-20)), state(base("a")), {})


# --- versions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("wrote", "reads"), [(1, 2), (2, 1)])
def test_another_version_warns_and_goes_on(wrote: int, reads: int) -> None:
    found = read(write([(state(base("a"), version=wrote), {"a": 1})]), state(base("a"), version=reads), {})
    assert (found.error, found.set) == (None, {"a": word(1)})
    assert found.warnings == (f"'s': version mismatch {wrote} {reads}",)


def test_min_version_id_counts_only_as_documented() -> None:
    old, new = state(base("a"), version=1), state(base("a"), version=3, min_version_id=2)
    made = write([(old, {"a": 1})])
    assert read(made, new, {"a": 5}, AS_CODED).values == {"a": word(1)}
    found = read(made, new, {"a": 5}, AS_DOCUMENTED)
    assert (found.error, found.detail) == (RestoreError.EINVAL, "'s': version 1 is not within 2 to 3")
    assert found.values == {"a": word(5)}
    assert read(write([(state(base("a"), version=2), {"a": 1})]), new, {}, AS_DOCUMENTED).error is None


def test_a_newer_version_is_refused_only_as_documented() -> None:
    made = write([(state(base("a"), version=2), {"a": 1})])
    assert read(made, state(base("a")), {}, AS_CODED).error is None
    assert read(made, state(base("a")), {}, AS_DOCUMENTED).error is RestoreError.EINVAL


def test_a_field_newer_than_the_stream_is_untouched() -> None:
    new = state(base("a"), base("b", version_id=2), version=2)
    found = read(write([(state(base("a")), {"a": 1})]), new, {"a": 8, "b": 9})
    assert (found.values, found.untouched) == ({"a": word(1), "b": word(9)}, ("b",))


def test_a_deprecated_field_is_skipped_in_its_last_version() -> None:
    old, new = state(base("a"), base("b"), version=1), state(gone("a", 1), base("b"), version=2)
    assert read(write([(old, {"a": 1, "b": 2})]), new, {}).values == {"b": word(2)}
    assert read(write([(new, {"b": 2})]), new, {}).values == {"b": word(2)}


def test_a_deprecated_field_is_not_skipped_in_versions_before_its_last() -> None:
    """restore_kstate() sorts out fields newer than the stream first, and a deprecated one has a version as well."""
    old, new = state(base("a"), base("b"), version=1), state(gone("a", 2), base("b"), version=3)
    made = write([(old, {"a": 1, "b": 2})])
    assert read(made, new, {}, AS_CODED).values == {"b": word(1)}
    assert read(made, new, {}, AS_DOCUMENTED).values == {"b": word(2)}


def test_deprecated_without_a_new_version_shifts_what_follows() -> None:
    made = state(gone("a", 1), base("b"), base("c"), version=1)
    with pytest.raises(TruncatedError):  # b from the place of c, c from the end mark and beyond
        read(write([(made, {"b": 2, "c": 3})])[:-4], made, {})
    assert read(write([(made, {"b": 2, "c": 3})]), made, {}).values == {"b": word(3), "c": b"\xff" * 4}


def test_newer_source_reads_the_prefix() -> None:
    new, old = state(base("a"), base("b", version_id=2), version=2), state(base("a"))
    found = read(write([(new, {"a": 1, "b": 2})]), old, {})
    assert (found.values, found.warnings) == ({"a": word(1)}, ("'s': version mismatch 2 1",))


def test_newer_source_that_removed_a_field_shifts_the_older_target() -> None:
    new, old = state(gone("a", 1), base("b"), base("c"), version=2), state(base("a"), base("b"), base("c"))
    made = write([(new, {"b": 2, "c": 3})])
    assert read(made, old, {}).values == {"a": word(2), "b": word(3), "c": b"\xff" * 4}


# --- sizes and subsections -------------------------------------------------------------------------------------------


def test_entry_size_does_not_bound_fields() -> None:
    made = stream(entry(2, 3, 1, 7, word(1)), entry(2, 4, 1, 7, word(2)))
    found = read(made, state(base("a"), base("b")), {})
    assert found.values == {"a": word(1), "b": word(SectionType.SECTION)}  # b is the next header


def test_a_field_past_the_stream_is_not_read() -> None:
    with pytest.raises(TruncatedError, match="'b' of 9 bytes"):
        read(stream(entry(2, 3, 1, 7, word(1))), state(base("a"), base("b", 9)), {})


SUB = {"name": "sub", "id": 9, "fields": [base("x")]}


def test_subsections_behind_trailing_bytes_are_lost() -> None:
    new, old = state(base("a"), base("b"), version=2, subsections=[SUB]), state(base("a"), subsections=[SUB])
    found = read(write([(new, {"a": 1, "b": 2, "sub": {"x": 3}})]), old, {"sub": {"x": 8}})
    assert (found.error, found.untouched) == (None, ("sub",))
    assert found.values == {"a": word(1), "sub": {"x": word(8)}}


def test_a_missing_subsection_keeps_its_values() -> None:
    found = read(write([(state(base("a")), {"a": 1})]), state(base("a"), subsections=[SUB]), {"sub": {"x": 8}})
    assert (found.untouched, found.values) == (("sub",), {"a": word(1), "sub": {"x": word(8)}})
    assert found.warnings == ()


def test_unknown_subsections_are_skipped_by_size() -> None:
    made = stream(entry(2, 3, 1, 7, word(1)), entry(1, 77, 1, 7, bytes(9)), entry(1, 9, 1, 7, word(3)))
    assert read(made, state(base("a"), subsections=[SUB]), {}).values["sub"] == {"x": word(3)}


def test_subsections_of_the_next_section_are_not_looked_at() -> None:
    made = stream(entry(2, 3, 1, 7, word(1)), entry(2, 4, 1, 7, b""), entry(1, 9, 1, 7, word(3)))
    assert read(made, state(base("a"), subsections=[SUB]), {}).untouched == ("sub",)


def test_subsections_are_found_by_id_and_an_instance_only_warns() -> None:
    made = stream(entry(2, 3, 1, 7, word(1)), entry(1, 9, 1, 6, word(3)))
    found = read(made, state(base("a"), subsections=[SUB]), {})
    assert (found.values["sub"], found.warnings) == ({"x": word(3)}, ("'sub': instance id mismatch 6 7",))


# --- nested structs --------------------------------------------------------------------------------------------------


def holder(*fields: dict[str, Any], version: int = 1, state_id: int = 5) -> KstateDescription:
    nested = {"name": "n", "id": state_id, "version_id": version, "fields": fields}
    return state({"name": "inner", "kind": "struct", "description": nested}, base("after"))


def test_a_nested_struct_of_another_version_warns_and_runs_out_of_step() -> None:
    new, old = holder(base("x"), base("y", version_id=2), version=2), holder(base("x"))
    found = read(write([(new, {"inner": {"x": 1, "y": 2}, "after": 3})]), old, {})
    assert found.warnings == ("'inner': version mismatch 2 1",)
    assert found.values == {"inner": {"x": word(1)}, "after": word(2)}


def test_a_nested_struct_has_its_own_version() -> None:
    old, new = holder(base("x")), holder(base("x"), base("y", version_id=2), version=2)
    found = read(write([(old, {"inner": {"x": 1}, "after": 3})]), new, {"inner": {"y": 9}})
    assert found.values == {"inner": {"x": word(1), "y": word(9)}, "after": word(3)}
    assert found.untouched == ("inner.y",)


def test_id_size_and_type_of_a_nested_struct_are_not_looked_at() -> None:
    made = stream(entry(2, 3, 1, 7, entry(44, 66, 1, 0, word(1), size=1000) + word(3)))
    found = read(made, holder(base("x")), {})
    assert (found.values, found.warnings) == ({"inner": {"x": word(1)}, "after": word(3)}, ())


def test_a_nested_struct_is_refused_as_documented_with_what_was_set_before() -> None:
    new, old = holder(base("x"), version=2), holder(base("x"))
    found = read(write([(new, {"inner": {"x": 1}, "after": 3})]), old, {}, AS_DOCUMENTED)
    assert (found.error, found.detail) == (RestoreError.EINVAL, "'inner': version 2 is not within 0 to 1")
    assert found.set == {}
