# SPDX-License-Identifier: Apache-2.0
"""Broken schema files: every message with its place, and all of them in one go."""

from __future__ import annotations

from pathlib import Path

import pytest

from qualify.errors import SchemaError
from qualify.schema import load
from tests.bad_input import cases
from tests.schema.mini import write_mini

CASES = cases(Path(__file__).with_name("bad_files.txt"))


def reported(folder: Path, *texts: str) -> str:
    data = write_mini(folder / "data")
    paths = [folder / (f"bad{n}.yaml" if n else "bad.yaml") for n in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text)
    with pytest.raises(SchemaError) as caught:
        load(paths, data)
    assert caught.value.exit_status == 2
    return str(caught.value).replace(str(folder / "bad.yaml"), "FILE").replace(str(data), "DATA")


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES.keys())
def test_message_and_place(tmp_path: Path, text: str, expected: str) -> None:
    assert reported(tmp_path, text) == expected


STRUCT = """\
structs:
  - id: x
    name: x
    size: 8
    provenance: {kind: derived}
    fields: [{name: a, type: u63, offset: 0}]
"""
RELEASE = """\
label: "1.1"
version: "1.1"
inherits: "1.0"
provenance: {kind: derived}
components: {core: {traits: {depht: 1}}}
"""


def places(text: str) -> list[str]:
    return [line.split(": ")[0].split("/")[-1] for line in text.splitlines() if not line.startswith(" ")]


def test_every_mistake_of_every_file_at_once(tmp_path: Path) -> None:
    text = reported(tmp_path, STRUCT, RELEASE, "formats: 5\n")
    assert places(text) == ["FILE:6:24", "bad1.yaml:5:30", "bad2.yaml:1:1"]


def test_references_are_not_judged_beside_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """What it defines is unknown, so a reference that fails may well be right."""
    text = reported(tmp_path, STRUCT, RELEASE, "formats: 5\n", "[\n")
    assert places(text) == ["FILE:6:24", "bad2.yaml:1:1", "bad3.yaml:2:1"]


def test_a_folder_without_schema(tmp_path: Path) -> None:
    with pytest.raises(SchemaError) as caught:
        load(data=tmp_path)
    assert str(caught.value) == f"{tmp_path}: holds no schema files\n    expected *.yaml and releases/*.yaml"


def test_an_extra_file_that_is_not_there(tmp_path: Path) -> None:
    data = write_mini(tmp_path / "data")
    with pytest.raises(SchemaError) as caught:
        load([tmp_path / "none.yaml"], data)
    assert str(caught.value) == f"{tmp_path / 'none.yaml'}: no such file"
