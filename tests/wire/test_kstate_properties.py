# SPDX-License-Identifier: Apache-2.0
"""KSTATE v3 streams: what holds of any description, any history of safe changes, and any bytes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
from hypothesis import example, given

from qualify.errors import WireError
from qualify.schema.kstate import KstateDescription
from qualify.wire.kstate import KSTATE_MAGIC, ReaderProfile, entries, read, write

AS_CODED, AS_DOCUMENTED = ReaderProfile.AS_CODED, ReaderProfile.AS_DOCUMENTED
MAGIC = KSTATE_MAGIC.to_bytes(4, "little")
Drawn = tuple[dict[str, Any], dict[str, Any]]


@st.composite
def described(draw: st.DrawFn, name: str = "s", depth: int = 2, subsections: bool = True) -> Drawn:
    """A description as keys, with values for all that it writes. Deprecated fields left before this version."""
    version = draw(st.integers(1, 5))
    fields: list[dict[str, Any]] = []
    values: dict[str, Any] = {}
    for number in range(draw(st.integers(0, 4))):
        kind = draw(
            st.sampled_from(["base", "pointer", "custom", "address", "folio", "array", "struct", "many", "old"])
        )
        field: dict[str, Any] = {"name": f"f{number}", "kind": kind, "version_id": draw(st.integers(0, version))}
        size = draw(st.integers(1, 12))
        if kind == "old":
            field |= {"kind": "deprecated", "size": size, "version_id": draw(st.integers(0, version - 1))}
        elif kind in ("struct", "many"):
            if depth == 0:
                continue
            nested, inner = draw(described(f"{name}{number}", depth - 1, False))
            field["description"] = nested
            values[field["name"]] = inner
            if kind == "many":
                field |= {"kind": "array-of-pointers", "count": 2}
                values[field["name"]] = [inner, inner]
        else:
            if kind in ("address", "folio"):
                size = 8
            count = 1
            if kind == "array":
                count = draw(st.integers(1, 3))
                field |= {"kind": "array-of-pointers", "count": count}
            field["size"] = size
            values[field["name"]] = draw(st.binary(min_size=size * count, max_size=size * count))
        fields.append(field)
    keys: dict[str, Any] = {"name": name, "id": draw(st.integers(1, 9)), "version_id": version, "fields": fields}
    keys |= {"instance_id": draw(st.integers(-2, 2)), "subsections": []}
    if subsections:
        for number in range(draw(st.integers(0, 2))):
            sub, inner = draw(described(f"sub{number}", 1, False))
            keys["subsections"].append(sub | {"id": 10 + number})
            values[f"sub{number}"] = inner
    return keys, values


def description(keys: dict[str, Any]) -> KstateDescription:
    return KstateDescription.model_validate(keys)


@given(described(), described("other"), st.sampled_from(ReaderProfile))
def test_equal_versions_round_trip(drawn: Drawn, other: Drawn, profile: ReaderProfile) -> None:
    made, beside = description(drawn[0]), description(other[0] | {"id": 99})
    stream = write([(made, drawn[1]), (beside, other[1])])
    for one, values in ((made, drawn[1]), (beside, other[1])):
        found = read(stream, one, {}, profile)
        assert (found.values, found.untouched, found.warnings, found.error) == (values, (), (), None)
        again = write([(one, found.values)])
        assert again[4:-4] in stream
    # Whole sections are nothing but what their entries say.
    assert sum(20 + e.size for e in entries(stream)) == len(stream) - 8


@st.composite
def evolved(draw: st.DrawFn) -> list[list[tuple[str, int, int, int | None]]]:
    """Versions 1..n of a field list: (name, size, version added or 0, last version or None), changed by the book."""
    now: list[tuple[str, int, int, int | None]] = [
        (f"a{n}", draw(st.integers(1, 9)), 0, None) for n in range(draw(st.integers(1, 3)))
    ]
    versions = [now]
    for version in range(2, draw(st.integers(2, 5)) + 1):
        now = list(now)
        for number, (name, size, since, last) in enumerate(now):
            if last is None and draw(st.booleans()):
                now[number] = (name, size, since, version - 1)
        now += [(f"v{version}{n}", draw(st.integers(1, 9)), version, None) for n in range(draw(st.integers(0, 2)))]
        versions.append(now)
    return versions


def at_version(rows: list[tuple[str, int, int, int | None]], version: int) -> KstateDescription:
    fields = [
        {"name": name, "size": size}
        | ({"kind": "base", "version_id": since} if last is None else {"kind": "deprecated", "version_id": last})
        for name, size, since, last in rows
    ]
    return description({"name": "s", "id": 3, "version_id": version, "min_version_id": 1, "fields": fields})


def values_of(rows: list[tuple[str, int, int, int | None]], seed: int) -> dict[str, bytes]:
    live = [(name, size) for name, size, _, last in rows if last is None]
    return {name: bytes([seed + number]) * size for number, (name, size) in enumerate(live)}


def restores(
    history: list[list[tuple[str, int, int, int | None]]], source: int, target: int, profile: ReaderProfile
) -> bool:
    """Does the newer target get each field that both have, and leave the others as they were?"""
    old, new = history[source - 1], history[target - 1]
    sent, before = values_of(old, 1), values_of(new, 101)
    stream = write([(at_version(old, source), sent)])
    try:
        found = read(stream, at_version(new, target), before, profile)
    except WireError:
        return False
    assert found.error is None
    return found.values == {name: sent.get(name, had) for name, had in before.items()}


def shifts(rows: list[tuple[str, int, int, int | None]], source: int) -> bool:
    """Is there a field in a stream of `source` that is not skipped, with a field behind that is read from it?"""
    unskipped = False
    for _, _, since, last in rows:
        if last is None:
            if unskipped and since <= source:
                return True
        elif since <= source < last:
            unskipped = True
    return False


BEFORE = [("a0", 1, 0, None), ("a1", 1, 0, None)]
TWO_BACK = [BEFORE, BEFORE, [("a0", 1, 0, 2), ("a1", 1, 0, None)]]


@given(evolved(), st.data())
def test_append_and_deprecate_is_safe_from_the_version_before(history: Any, data: st.DataObject) -> None:
    target = data.draw(st.integers(2, len(history)))
    # Of a field that left before, the stream of the version before holds nothing, and nothing is skipped.
    assert restores(history, target - 1, target, AS_CODED)


@given(evolved(), st.data())
@example(TWO_BACK, None)
def test_append_and_deprecate_over_several_versions_as_coded(history: Any, data: Any) -> None:
    """Unsafe exactly if a deprecated field is in the stream, not in its last version, and a field is read behind."""
    if data is None:
        assert not restores(history, 1, 3, AS_CODED)
        return
    target = data.draw(st.integers(2, len(history)))
    source = data.draw(st.integers(1, target - 1))
    assert restores(history, source, target, AS_CODED) != shifts(history[target - 1], source)


@given(evolved(), st.data())
def test_append_and_deprecate_is_safe_as_documented_for_fields_of_the_first_version(
    history: Any, data: st.DataObject
) -> None:
    """A field added later has lost the version that added it: a stream from before is skipped over all the same."""
    target = data.draw(st.integers(2, len(history)))
    source = data.draw(st.integers(1, target - 1))
    if all(last is None or since <= source for _, _, since, last in history[target - 1]):
        assert restores(history, source, target, AS_DOCUMENTED)


@given(
    described(),
    st.lists(st.sampled_from([b"\1\0\0\0", b"\2\0\0\0", b"\xff" * 4, b"\3\0\0\0", b"\0" * 4]) | st.binary(max_size=9)),
    st.booleans(),
    st.sampled_from(ReaderProfile),
)
def test_any_bytes(drawn: Drawn, parts: list[bytes], magic: bool, profile: ReaderProfile) -> None:
    stream = MAGIC * magic + b"".join(parts)
    swallows(lambda: entries(stream))
    swallows(lambda: read(stream, description(drawn[0]), drawn[1], profile))


@given(described(), st.data(), st.sampled_from(ReaderProfile))
def test_a_damaged_stream(drawn: Drawn, data: st.DataObject, profile: ReaderProfile) -> None:
    made = description(drawn[0])
    stream = bytearray(write([(made, drawn[1])]))
    for _ in range(data.draw(st.integers(0, 3))):
        stream[data.draw(st.integers(4, len(stream) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(stream[: data.draw(st.integers(0, len(stream)))])
    swallows(lambda: entries(cut))
    swallows(lambda: read(cut, made, drawn[1], profile))


@given(described(), described(), st.sampled_from(ReaderProfile))
def test_nothing_is_read_from_outside_of_the_stream(wrote: Drawn, reads: Drawn, profile: ReaderProfile) -> None:
    """What was read is bytes of the stream in full length, also where the two descriptions have nothing in common."""
    keys = {"id": 3, "instance_id": 1}
    stream = write([(description(wrote[0] | keys), wrote[1])])
    made = description(reads[0] | keys)
    with contextlib.suppress(WireError):
        found = read(stream, made, {}, profile)
        assert all(value in stream for value in found.set.values())
        plain = {f.name: f.size * f.count for f in made.fields if f.description is None}
        assert all(len(value) == plain[path] for path, value in found.set.items() if path in plain)


def swallows(step: Callable[[], object]) -> None:
    """Runs it; anything but a WireError is a failure."""
    with contextlib.suppress(WireError):
        step()
