# SPDX-License-Identifier: Apache-2.0
"""Releases that inherit: what merges, what replaces, what null removes."""

from __future__ import annotations

from pathlib import Path

import pytest

from qualify.errors import UsageError
from qualify.schema import Condition, Reaction, Schema, load
from tests.schema.mini import write_mini

READ = 'provenance: {kind: read, release: "1.1", file: f.c}'

LITERAL = "labels and aliases are literal names, a version number never selects a format ('qualify schema list')"


def loaded(folder: Path, *releases: str) -> Schema:
    extra = folder / "extra.yaml"
    entries = "".join("  - " + text.strip().replace("\n", "\n    ") + "\n" for text in releases)
    extra.write_text("releases:\n" + entries)
    return load([extra], write_mini(folder / "data"))


def child(label: str, parent: str, rest: str = "") -> str:
    return f'label: "{label}"\nversion: "{label}"\ninherits: "{parent}"\n{READ}\n{rest}'


def test_everything_but_names_is_inherited(tmp_path: Path) -> None:
    schema = loaded(tmp_path, child("1.1", "1.0"))
    old, new = schema.release("1.0"), schema.release("1.1")
    assert new.components == old.components
    assert new.aliases == ()
    assert schema.fingerprint(new) == schema.fingerprint(old)


def test_reactions_and_traits_merge_and_lists_replace(tmp_path: Path) -> None:
    rest = "components:\n  core:\n    reads: []\n    on: {missing: panic}\n    traits: {depth: 7}"
    schema = loaded(
        tmp_path, child("1.1", "1.0", rest), child("1.2", "1.1", "components: {core: {traits: {width: narrow}}}")
    )
    spec = schema.release("1.2").components["core"]
    assert spec.writes == "core-v1"
    assert spec.reads == ()
    assert spec.on == {Condition.INCOMPATIBLE: Reaction.COLD_BOOT, Condition.MISSING: Reaction.PANIC}
    assert spec.traits == {"depth": 7, "width": "narrow"}


def test_null_removes_a_component_a_reaction_and_a_trait(tmp_path: Path) -> None:
    schema = loaded(
        tmp_path,
        child("1.1", "1.0", "components: {cargo: null, core: {traits: {depth: 7}}}"),
        child("1.2", "1.1", "components: {core: {on: {incompatible: null}, traits: {depth: null}}}"),
    )
    assert set(schema.release("1.1").components) == {"core"}
    spec = schema.release("1.2").components["core"]
    assert (spec.on, spec.traits) == ({}, {})
    assert schema.trait(schema.release("1.2"), "core", "depth") == 3


def test_what_was_removed_comes_back_without_its_past(tmp_path: Path) -> None:
    again = f"components:\n  cargo: {{reads: [cargo-v1], {READ}}}"
    schema = loaded(tmp_path, child("1.1", "1.0", "components: {cargo: null}"), child("1.2", "1.1", again))
    assert schema.release("1.2").components["cargo"].writes is None


def test_config_and_machine_are_inherited(tmp_path: Path) -> None:
    first = child("1.1", "1.0", "arch: arm64\npage_size: 16384\nconfig: {A: y, B: y}")
    schema = loaded(tmp_path, first, child("1.2", "1.1", "config: {B: n, A: null}"))
    release = schema.release("1.2")
    assert (release.arch, release.page_size, release.config) == ("arm64", 16384, {"B": "n"})


def test_a_parent_may_stand_in_a_later_file(tmp_path: Path) -> None:
    schema = loaded(tmp_path, child("1.2", "1.1"), child("1.1", "1.0"))
    assert [r.label for r in schema.releases] == ["1.0", "1.1", "1.2"]


def test_names_are_looked_up_by_label_and_alias(tmp_path: Path) -> None:
    schema = loaded(tmp_path, child("1.1", "1.0", 'aliases: ["1.1.0-1.1.9"]'))
    assert schema.release("1").label == "1.0"
    assert schema.release("1.1.0-1.1.9").label == "1.1"
    with pytest.raises(UsageError) as caught:
        schema.release("1.11")
    assert str(caught.value) == "unknown release '1.11'; did you mean 1.1 or 1.0 or 1.1.0-1.1.9?; " + LITERAL
    with pytest.raises(UsageError) as caught:
        schema.release("1.1.5")
    assert str(caught.value) == "unknown release '1.1.5'; the 1.1 series has 1.1 (also 1.1.0-1.1.9); " + LITERAL
    with pytest.raises(UsageError) as caught:
        schema.format("cargo_v1")
    assert str(caught.value) == "unknown format 'cargo_v1'; did you mean cargo-v1 or core-v1?"
