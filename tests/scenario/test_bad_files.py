# SPDX-License-Identifier: Apache-2.0
"""Broken scenario files: every message with its place, and all of them in one go."""

from __future__ import annotations

from pathlib import Path

import pytest

from qualify.errors import ScenarioError
from qualify.scenario import library, load_scenarios
from tests.bad_input import cases

CASES = cases(Path(__file__).with_name("bad_files.txt"))
HEAD = "id: bad\ntitle: t\npurpose: p\n"


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES.keys())
def test_message_and_place(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ScenarioError) as caught:
        load_scenarios(path)
    assert caught.value.exit_status == 2
    assert str(caught.value).replace(str(path), "FILE") == expected


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError) as caught:
        load_scenarios(tmp_path / "none.yaml")
    assert str(caught.value) == f"{tmp_path / 'none.yaml'}: no such file"


def test_a_folder_instead_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError) as caught:
        load_scenarios(tmp_path)
    assert str(caught.value) == f"{tmp_path}: is a directory; expected a YAML file"


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_bytes(b"id: \xff\n")
    with pytest.raises(ScenarioError) as caught:
        load_scenarios(path)
    assert str(caught.value) == f"{path}: is not UTF-8 text: invalid start byte at byte 4"


def test_nothing_is_loaded_beside_a_mistake(tmp_path: Path) -> None:
    """A library with one broken file raises; it never leaves the broken scenario out silently."""
    (tmp_path / "a.yaml").write_text(HEAD + "objects: [{kind: kexec-metadata}]\n")
    (tmp_path / "b.yaml").write_text("id: b\n")
    with pytest.raises(ScenarioError) as caught:
        library([tmp_path])
    assert [p.line for p in caught.value.problems] == [1, 1, 1]
