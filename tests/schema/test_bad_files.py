# SPDX-License-Identifier: Apache-2.0
"""Broken schema files: every message with its place, and all of them in one go."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from qualify.errors import SchemaError
from qualify.schema import load
from qualify.yamlfile import Document
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
    """What it defines is unknown, so a reference that fails may well be right; what a component has not, is known."""
    unknown = 'label: "1.2"\nversion: "1.2"\ninherits: "1.9"\nprovenance: {kind: derived}\n'
    unknown += "components: {cargo: {writes: cargo-v9, requires: [x]}, crago: {provenance: {kind: derived}}}\n"
    text = reported(tmp_path, STRUCT, RELEASE, unknown, "[\n")
    assert places(text) == ["FILE:6:24", "bad1.yaml:5:30", "bad3.yaml:2:1"]


def test_one_round_is_enough(tmp_path: Path) -> None:
    """Mistakes in one entry, between entries and across files: each of them mended alone would show the next."""
    struct = STRUCT.replace("provenance", "packd: true\n    provenance") + "  - {id: y, name: y}\n"
    form = """\
formats:
  - id: cargo-v2
    component: cargo
    compatible: 5
    carrier: {component: core, subtree: cargo}
    struct: x
    carried: [sise]
    provenance: {kind: read}
"""
    release = RELEASE.replace('"1.0"', '"1.O"').replace("depht: 1", "depht: 1}, on: {missing: explode")
    other = 'label: "1.3"\nversion: "1.3"\ninherits: "1.1"\ncomponents: {cargo: {reads: [cargo-v2, cargo-v3]}}\n'
    assert places(reported(tmp_path, struct, form, release, other)) == [
        "FILE:5:5",  # packd
        "FILE:7:24",  # u63
        "FILE:8:5",  # y: no size,
        "FILE:8:5",  # no fields,
        "FILE:8:5",  # no provenance
        "bad1.yaml:4:5",  # compatible is a number
        "bad1.yaml:7:15",  # sise
        "bad1.yaml:8:5",  # read, and nothing said where
        "bad2.yaml:3:1",  # the parent
        "bad2.yaml:5:30",  # depht
        "bad2.yaml:5:46",  # explode
        "bad3.yaml:1:1",  # no provenance
        "bad3.yaml:4:40",  # cargo-v3
    ]


WRONG: list[Any] = [[[]]]  # nothing in a schema file may have such a value


def broken_copies(data: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """(path, a copy of data with the value there replaced) for everything in it."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        copy = data.copy()
        copy[key] = WRONG
        yield (*path, key), copy
        for inner, changed in broken_copies(value, (*path, key)):
            copy = data.copy()
            copy[key] = changed
            yield inner, copy


def test_one_mistake_is_never_reported_as_two(tmp_path: Path) -> None:
    """Whatever value is broken: nothing that only depends on it is called wrong."""
    data = write_mini(tmp_path / "data")
    count = 0
    for name in ("base.yaml", "releases/1.0.yaml"):
        file = data / name
        text = file.read_text()
        for path, changed in broken_copies(YAML(typ="safe").load(text)):
            broken = json.dumps(changed, indent=1)  # JSON is YAML
            file.write_text(broken)
            with pytest.raises(SchemaError) as caught:
                load(data=data)
            document = Document(name, changed, broken)
            there, above = document.position(path)[0], document.position(path[:-1])[0]
            far = [
                p
                for p in caught.value.problems
                if p.file != str(file) or p.line not in (above, *range(there, there + 5))
            ]
            assert far == [], path
            count += 1
        file.write_text(text)
    assert count > 100


def test_a_folder_without_schema(tmp_path: Path) -> None:
    with pytest.raises(SchemaError) as caught:
        load(data=tmp_path)
    assert str(caught.value) == f"{tmp_path}: holds no schema files\n    expected *.yaml and releases/*.yaml"


def test_an_extra_file_that_is_not_there(tmp_path: Path) -> None:
    data = write_mini(tmp_path / "data")
    with pytest.raises(SchemaError) as caught:
        load([tmp_path / "none.yaml"], data)
    assert str(caught.value) == f"{tmp_path / 'none.yaml'}: no such file"
