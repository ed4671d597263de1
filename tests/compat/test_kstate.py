# SPDX-License-Identifier: Apache-2.0
"""KSTATE versions decided from descriptions alone: each rule by an example, and held against the reader of streams."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from qualify.compat.kstate import FieldFate, KstatePrediction, decide_kstate
from qualify.errors import WireError
from qualify.model import Verdict
from qualify.schema.kstate import FieldKind, KstateDescription, ReaderProfile
from qualify.wire.kstate import read, write
from tests.wire.test_kstate_properties import Drawn, described

CODED, DOCUMENTED = ReaderProfile.AS_CODED, ReaderProfile.AS_DOCUMENTED
R, L, U, C, X, D = (
    Verdict.RESTORED, Verdict.LOST, Verdict.UNSUPPORTED, Verdict.CORRUPT, Verdict.REFUSED, Verdict.DEGRADED,
)  # fmt: skip


def made(*fields: dict[str, Any], **more: Any) -> KstateDescription:
    return KstateDescription.model_validate({"name": "s", "id": 3, "fields": list(fields)} | more)


def base(name: str, size: int = 4, version: int = 0) -> dict[str, Any]:
    return {"name": name, "kind": "base", "size": size, "version_id": version}


def old(name: str, size: int, last: int) -> dict[str, Any]:
    return {"name": name, "kind": "deprecated", "size": size, "version_id": last}


def sub(*fields: dict[str, Any], id: int = 9, **more: Any) -> dict[str, Any]:
    return {"name": "sub", "id": id, "fields": list(fields)} | more


def fates(prediction: KstatePrediction) -> dict[str, Verdict]:
    return {f.path: f.verdict for f in prediction.fields}


A, B = base("a"), base("b", 8)
ONE = made(A, B)
CASES: dict[str, tuple[KstateDescription, KstateDescription, dict[str, Verdict], Verdict]] = {
    "same": (ONE, ONE, {"a": R, "b": R}, R),
    "a new field at the end with its version": (
        ONE, made(A, B, base("c", 4, 2), version_id=2), {"a": R, "b": R, "c": U}, R),
    "and back: a newer source is read as far as the fields go": (
        made(A, B, base("c", 4, 2), version_id=2), ONE, {"a": R, "b": R, "c": L}, D),
    "a new field without a version": (ONE, made(A, B, base("c"), version_id=2), {"a": R, "b": R, "c": C}, C),
    "a new field in the middle, and back": (
        made(A, base("c", 4, 2), B, version_id=2), ONE, {"a": R, "b": C, "c": L}, C),
    "a field gone without a trace": (ONE, made(B, version_id=2), {"b": C, "a": L}, C),
    "deprecated, from the version before": (ONE, made(old("a", 4, 1), B, version_id=2), {"b": R, "a": L}, D),
    "deprecated, from two versions before: it is not skipped": (
        ONE, made(old("a", 4, 2), B, version_id=3), {"b": C, "a": L}, C),
    "another size": (ONE, made(base("a", 8), B, version_id=2), {"a": C, "b": C}, C),
    "another state": (ONE, made(A, B, id=4), {"a": L, "b": L}, L),
    "another instance": (ONE, made(A, B, instance_id=1), {"a": L, "b": L}, L),
    "a subsection more": (ONE, made(A, B, subsections=[sub(base("i"))]), {"a": R, "b": R, "sub.i": U}, R),
    "a subsection less": (made(A, B, subsections=[sub(base("i"))]), ONE, {"a": R, "b": R, "sub.i": L}, D),
    "trailing bytes hide the subsections": (
        made(A, B, base("c", 4, 2), version_id=2, subsections=[sub(base("i"))]),
        made(A, B, subsections=[sub(base("i"))]),
        {"a": R, "b": R, "sub.i": C, "c": L}, C),
    "a subsection's id is taken for the state": (
        made(A, subsections=[sub(base("i"), id=4)]), made(A, id=4), {"a": C, "sub.i": C}, C),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_rules(name: str) -> None:
    source, target, fields, verdict = CASES[name]
    found = decide_kstate(source, target)
    assert fates(found) == fields
    assert found.verdict is verdict


def test_a_nested_struct_that_grew_puts_the_rest_out_of_step() -> None:
    def outer(*inner: dict[str, Any]) -> KstateDescription:
        nested = {"name": "n", "id": 1, "fields": list(inner)}
        return made({"name": "n", "kind": "struct", "description": nested}, B)

    found = decide_kstate(outer(base("x"), base("y")), outer(base("x")))
    assert fates(found) == {"n.x": R, "b": C, "n.y": L}
    assert "is given bytes of 'n.y' to 'b'" in found.fields[1].reason
    found = decide_kstate(outer(base("x")), outer(base("x"), base("y")))
    assert fates(found) == {"n.x": R, "n.y": C, "b": C}


def test_versions_warn_as_coded_and_are_enforced_as_documented() -> None:
    newer, older = made(A, B, version_id=3, min_version_id=2), ONE
    for source, target, text in ((older, newer, "1 is not within 2 to 3"), (newer, older, "3 is not within 0 to 1")):
        assert decide_kstate(source, target).warnings
        refused = decide_kstate(source, target, DOCUMENTED)
        assert fates(refused) == {"a": X, "b": X}
        assert text in refused.fields[0].reason
    assert decide_kstate(made(A, B, version_id=2), newer, DOCUMENTED).verdict is R


def test_as_documented_skips_what_is_deprecated_from_any_older_version() -> None:
    assert decide_kstate(ONE, made(old("a", 4, 2), B, version_id=3), DOCUMENTED).verdict is D


def test_a_rename_is_nothing_where_somebody_says_so() -> None:
    target = made(base("z"), B)
    assert fates(decide_kstate(ONE, target)) == {"z": C, "b": R, "a": L}
    assert fates(decide_kstate(ONE, target, renamed={"z": "a"})) == {"z": R, "b": R}


# --- held against the reader


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Drawn, dict[str, Any]]:
    """A description with its values, and another one of the same state: drawn anew, or changed here and there."""
    keys, values = draw(described())
    if draw(st.booleans()):
        other, _ = draw(described())
        return (keys, values), other | {"id": keys["id"], "instance_id": keys["instance_id"]}
    other = copy.deepcopy(keys)
    for _ in range(draw(st.integers(0, 3))):
        fields = draw(st.sampled_from([other, *other["subsections"]]))["fields"]
        place = draw(st.integers(0, len(fields)))
        what = draw(st.sampled_from(["add", "remove", "deprecate", "resize", "version", "bump", "drop"]))
        one = fields[place] if place < len(fields) else None
        if what == "add":
            name = f"n{draw(st.integers(0, 999))}"
            if name not in [f["name"] for f in fields]:
                fields.insert(place, base(name, draw(st.integers(1, 30)), draw(st.integers(0, other["version_id"]))))
        elif what == "bump":
            other["version_id"] += 1
        elif what == "drop" and other["subsections"]:
            other["subsections"].pop()
        elif one is not None and what == "remove":
            fields.remove(one)
        elif one is not None and what == "version":
            one["version_id"] = draw(st.integers(0, 6))
        elif one is not None and "description" not in one and one["kind"] not in ("address", "folio"):
            if what == "deprecate":
                size = one["size"] * one.pop("count", 1)
                one |= {"kind": "deprecated", "size": size, "version_id": draw(st.integers(0, 6))}
            elif what == "resize":
                one["size"] = draw(st.integers(1, 30))
    return (keys, values), other


def leaves(description: KstateDescription, values: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, bytes]]:
    """Path and bytes of every plain value that `description` writes."""
    for one in description.written():
        value, at = values[one.name], path + one.name
        if one.description is None:
            yield at, value
        elif one.kind is FieldKind.STRUCT:
            yield from leaves(one.description, value, f"{at}.")
        else:
            for number, element in enumerate(value):
                yield from leaves(one.description, element, f"{at}[{number}].")
    if not path:
        for inner in description.subsections:
            yield from leaves(inner, values[inner.name], f"{inner.name}.")


@settings(max_examples=400)
@given(pairs(), st.sampled_from(ReaderProfile), st.booleans())
def test_never_more_optimistic_than_the_reader(
    drawn: tuple[Drawn, dict[str, Any]], profile: ReaderProfile, alone: bool
) -> None:
    (keys, values), other = drawn
    source, target = KstateDescription.model_validate(keys), KstateDescription.model_validate(other)
    had = dict(leaves(source, values))
    foreseen = {f.path: f for f in decide_kstate(source, target, profile).fields}
    beside = KstateDescription.model_validate({"name": "beside", "id": 99, "fields": [base("x", 40)]})
    states = [(source, values)] if alone else [(beside, {"x": bytes(range(40))}), (source, values)]
    try:
        found = read(write(states), target, {}, profile)
    except WireError:
        assert any(f.verdict is C for f in foreseen.values())
        return
    for path, fate in foreseen.items():
        seen = _seen(path, had, found.set, found.error is not None)
        assert seen.severity <= fate.verdict.severity, (path, fate, seen)
        if fate.certain and fate.verdict is not C:
            assert seen is fate.verdict, (path, fate, seen)
    assert set(had) <= set(foreseen)


def _seen(path: str, had: Mapping[str, bytes], given: Mapping[str, bytes], refused: bool) -> Verdict:
    if path in given and given[path] != had.get(path):
        return C
    if refused:
        return X
    if path in given:
        return R
    return L if path in had else U


def test_a_fate_names_offsets() -> None:
    found = decide_kstate(ONE, made(B, version_id=2)).fields[0]
    assert found == FieldFate("b", C, "is given bytes of 'a' to 'b', offset 20 to 28", 20)
