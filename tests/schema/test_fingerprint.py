# SPDX-License-Identifier: Apache-2.0
"""Fingerprints: everything that is behaviour changes them, nothing else does."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import pytest

from qualify.model import Direction
from qualify.schema import Condition, Provenance, ProvenanceKind, Reaction, Release, Schema, Stage, load

SCHEMA = load()
NOWHERE = Provenance(kind=ProvenanceKind.INFERRED, note="made up")


def with_release(schema: Schema, release: Release) -> Schema:
    return replace(schema, releases=tuple(release if r.label == release.label else r for r in schema.releases))


def changed_spec(label: str, component: str, **changes: Any) -> str:
    """The fingerprint of a release after a change of what it does about one component."""
    release = SCHEMA.release(label)
    spec = release.components[component].model_copy(update=changes)
    mine = release.model_copy(update={"components": release.components | {component: spec}})
    return with_release(SCHEMA, mine).fingerprint(mine)


def changed_format(label: str, name: str, **changes: Any) -> str:
    formats = {**SCHEMA.formats, name: SCHEMA.formats[name].model_copy(update=changes)}
    return replace(SCHEMA, formats=formats).fingerprint(SCHEMA.release(label))


def changed_struct(label: str, struct_id: str, member: int, **changes: Any) -> str:
    struct = SCHEMA.structs[struct_id]
    fields = list(struct.fields)
    fields[member] = fields[member].model_copy(update=changes)
    structs = {**SCHEMA.structs, struct_id: struct.model_copy(update={"fields": tuple(fields)})}
    return replace(SCHEMA, structs=structs).fingerprint(SCHEMA.release(label))


def base(label: str = "7.1.13") -> str:
    return SCHEMA.fingerprint(SCHEMA.release(label))


def test_releases_that_behave_alike_share_one() -> None:
    assert base("7.1.3") == base("7.1.13")


def test_all_others_differ() -> None:
    prints = {SCHEMA.fingerprint(r) for r in SCHEMA.releases}
    assert len(prints) == len(SCHEMA.releases) - 1


@pytest.mark.parametrize(
    "changes",
    [
        {"writes": None},
        {"reads": ()},
        {"reads": ("memfd-v2", "memfd-v1")},
        {"requires": ("x",)},
        {"on": {Condition.MALFORMED: Reaction.PANIC}},
        {"traits": {"known-seals": 31}},
        {"traits": {"folio-error": "any"}},
    ],
    ids=str,
)
def test_what_a_release_does_counts(changes: dict[str, Any]) -> None:
    assert changed_spec("7.1.13", "memfd", **changes) != base()


def test_a_missing_component_counts() -> None:
    release = SCHEMA.release("7.1.13")
    less = release.model_copy(update={"components": {k: v for k, v in release.components.items() if k != "kho-test"}})
    assert with_release(SCHEMA, less).fingerprint(less) != base()


@pytest.mark.parametrize(
    "changes",
    [
        {"compatible": "memfd-v3"},
        {"carried": ("size", "contents")},
        {"dropped": ("seals",)},
        {"not_carried": ()},
        {"constants": {"DIRTY": 2}},
        {"struct": "memfd_luo_ser@v1"},
        {"structs": {}},
    ],
    ids=str,
)
def test_what_a_format_says_counts(changes: dict[str, Any]) -> None:
    assert changed_format("7.1.13", "memfd-v2", **changes) != base()


@pytest.mark.parametrize(
    "changes", [{"name": "sise"}, {"type": "s64"}, {"offset": 16}, {"bits": (0, 64)}], ids=lambda c: next(iter(c))
)
def test_every_part_of_a_member_counts(changes: dict[str, Any]) -> None:
    assert changed_struct("7.1.13", "memfd_luo_ser@v2", 1, **changes) != base()


def test_nested_structs_count() -> None:
    assert changed_struct("7.1.13", "kho_vmalloc", 1, type="s32") != base()


def test_the_memory_map_and_containers_count() -> None:
    radix = SCHEMA.formats["kho-v3"].memory_map
    assert radix is not None
    assert changed_format("7.1.13", "kho-v3", memory_map=radix.model_copy(update={"levels": 5})) != base()
    table = SCHEMA.formats["luo-session-v2"].container
    assert table is not None
    assert changed_format("7.1.13", "luo-session-v2", container=table.model_copy(update={"pages": 8})) != base()


def test_fdt_nodes_count() -> None:
    tree = SCHEMA.formats["luo-v1-flb"].fdt
    assert tree is not None
    assert changed_format("7.1.13", "luo-v1-flb", fdt=tree.model_copy(update={"children": tree.children[:1]})) != base()


@pytest.mark.parametrize(
    "changes", [{"page_size": 16384}, {"arch": "arm64"}, {"endian": "big"}, {"max_page_order": 13}]
)
def test_the_machine_counts(changes: dict[str, Any]) -> None:
    release = SCHEMA.release("7.1.13").model_copy(update=changes)
    assert with_release(SCHEMA, release).fingerprint(release) != base()


def test_words_and_sources_do_not_count() -> None:
    assert changed_spec("7.1.13", "memfd", provenance=NOWHERE, sources={"writes": NOWHERE}) == base()
    assert changed_format("7.1.13", "memfd-v2", text="other words", provenance=NOWHERE) == base()
    assert changed_struct("7.1.13", "memfd_luo_ser@v2", 1, text="other words") == base()
    release = SCHEMA.release("7.1.13")
    other = release.model_copy(update={"text": "x", "aliases": (), "provenance": NOWHERE, "version": "9.9"})
    assert with_release(SCHEMA, other).fingerprint(other) == base()


def test_traits_left_at_their_default_equal_traits_spelt_out() -> None:
    default = SCHEMA.components["memfd"].traits["known-seals"].default
    traits = SCHEMA.release("7.1.13").components["memfd"].traits
    assert changed_spec("7.1.13", "memfd", traits=traits | {"known-seals": default}) == base()


def test_the_digest_of_the_schema_counts_everything() -> None:
    release = SCHEMA.release("7.1.13").model_copy(update={"text": "other words"})
    assert with_release(SCHEMA, release).digest != SCHEMA.digest
    component = SCHEMA.components["kho"].model_copy(update={"stage": Stage.USER})
    assert replace(SCHEMA, components={**SCHEMA.components, "kho": component}).digest != SCHEMA.digest


def test_a_schema_survives_pickling() -> None:
    copy = pickle.loads(pickle.dumps(SCHEMA))
    assert copy.digest == SCHEMA.digest
    assert copy.release("6.19").label == "6.19.11"


def test_directions_follow_versions() -> None:
    old, new, variant = (SCHEMA.release(n) for n in ("6.17.8", "7.1.13", "7.1.13-nomemfd"))
    assert SCHEMA.direction(old, new) is Direction.UPGRADE
    assert SCHEMA.direction(new, old) is Direction.ROLLBACK
    assert SCHEMA.direction(new, new) is Direction.SAME
    assert SCHEMA.direction(new, variant) is Direction.UPGRADE
