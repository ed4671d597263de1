# SPDX-License-Identifier: Apache-2.0
"""Reading -dump-vmstate files: what is kept, and how bad ones are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from qualify.errors import SchemaError
from qualify.schema.vmstate import load_dump, load_dumps

GOOD = """{"vmschkmachine": {"Name": "pc-x"},
"dev": {"Name": "dev", "version_id": 3, "minimum_version_id": 2, "Description": {"name": "d", "version_id": 3,
"minimum_version_id": 2, "Extra": 1, "Fields": [{"field": "a", "version_id": 0, "field_exists": false, "size": 4,
"num": 2}], "Subsections": [{"name": "d/s", "version_id": 1, "minimum_version_id": 1}]}}}"""


def test_a_dump_keeps_fields_subsections_and_unknown_keys(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text(GOOD)
    dump = load_dump(file)
    description = dump.sections["dev"].description
    assert dump.machine == "pc-x"
    assert list(dump.sections) == ["dev"]
    assert description is not None
    assert [(f.name, f.size, f.num) for f in description.fields] == [("a", 4, 2)]
    assert [s.name for s in description.subsections] == ["d/s"]
    assert "Extra" in description.keys


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ('"dev": {', '"dev" {', 2, "not JSON"),
        ('"size": 4', '"size": "4"', 1, '$["dev"].Description.Fields[0].size: expected an integer'),
        ('"name": "d/s", ', "", 1, '$["dev"].Description.Subsections[0].name: expected a string'),
        ('"version_id": 0', '"version_id": true', 1, "Fields[0].version_id: expected an integer"),
    ],
)
def test_a_bad_dump_is_refused_with_its_place(tmp_path: Path, old: str, new: str, line: int, message: str) -> None:
    assert old in GOOD
    file = tmp_path / "a.json"
    file.write_text(GOOD.replace(old, new))
    with pytest.raises(SchemaError) as caught:
        load_dump(file)
    (problem,) = caught.value.problems
    assert problem.line == line
    assert message in problem.message
    assert caught.value.exit_status == 2


def test_equal_sections_of_several_dumps_are_one_object(tmp_path: Path) -> None:
    for name, text in (("a", GOOD), ("b", GOOD.replace("pc-x", "pc-y")), ("c", GOOD.replace('"num": 2', '"num": 3'))):
        (tmp_path / name).write_text(text)
    one, same, other = load_dumps(tmp_path / name for name in "abc")
    assert [d.machine for d in (one, same, other)] == ["pc-x", "pc-y", "pc-x"]
    assert one.sections["dev"] is same.sections["dev"]
    assert one.sections["dev"] != other.sections["dev"]
    assert other == load_dump(tmp_path / "c")


def test_the_mistakes_of_several_files_are_told_together(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("{")
    (tmp_path / "b").write_text(GOOD.replace('"size": 4', '"size": ' + "4" * 5000))
    with pytest.raises(SchemaError) as caught:
        load_dumps(tmp_path / name for name in "abc")
    assert [Path(p.file).name for p in caught.value.problems] == ["a", "b", "c"]
