# SPDX-License-Identifier: Apache-2.0
"""One fault in one dump gives one rule; a dump beside itself gives none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qualify.compat.vmstate import compare_dumps
from qualify.schema.vmstate import load_dump

INNER = '{"name": "i", "version_id": 1, "minimum_version_id": 1, "Fields": []}'
BASE = (
    '{"vmschkmachine": {"Name": "m"}, "dev": {"Name": "dev", "version_id": 3, "minimum_version_id": 2, "Description":'
    ' {"name": "d", "version_id": 3, "minimum_version_id": 2, "Fields": [{"field": "a", "version_id": 0, "size": 4},'
    ' {"field": "unused", "version_id": 0, "size": 8}, {"field": "st", "version_id": 0, "size": 9, "Description": '
    + INNER
    + '}, {"field": "z", "version_id": 0, "size": 2}],'
    ' "Subsections": [{"name": "d/s", "version_id": 1, "minimum_version_id": 1}]}}}'
)
FAULTS = [
    ("VMS001", '"dev": {', '"other": {'),
    ("VMS002", '"Name": "m"', '"Name": "n"'),
    ("VMS003", '"name": "d", "version_id": 3', '"name": "d", "version_id": 2'),
    ("VMS003", '"version_id": 3, "minimum_version_id": 2, "D', '"version_id": 4, "minimum_version_id": 4, "D'),
    ("VMS004", '"Name": "dev", ', ""),
    ("VMS005", '"name": "d",', '"name": "e",'),
    ("VMS007", ', {"field": "z", "version_id": 0, "size": 2}', ""),
    ("VMS009", '"unused", "version_id": 0, "size": 8', '"b", "version_id": 0, "size": 9'),
    ("VMS010", '"field": "a"', '"field": "q"'),
    ("VMS011", '"size": 4', '"size": 5'),
    ("VMS012", f', "Description": {INNER}', ""),
    ("VMS013", '"d/s"', '"d/t"'),
]


@pytest.mark.parametrize(("rule", "old", "new"), FAULTS)
def test_one_fault_gives_its_rule_alone(tmp_path: Path, rule: str, old: str, new: str) -> None:
    assert BASE.count(old) == 1
    source, target = tmp_path / "a.json", tmp_path / "b.json"
    source.write_text(json.dumps(json.loads(BASE)))
    target.write_text(BASE.replace(old, new))
    assert [f.rule for f in compare_dumps(load_dump(source), load_dump(target))] == [rule]
    assert compare_dumps(load_dump(source), load_dump(source)) == ()
