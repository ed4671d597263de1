# SPDX-License-Identifier: Apache-2.0
"""Every VMS rule has vectors, two small dumps each, and every vector holds in both directions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from qualify.compat import RULES, Severity, compare_dumps
from qualify.schema.vmstate import VmDump, load_dump

VECTORS = Path(__file__).parents[1] / "vectors" / "vmstate"
BEHAVIOUR = {"VMS006", "VMS008"}  # how the others compare; they never fire

FILES = {path.stem: YAML(typ="safe").load(path.read_text(encoding="utf-8")) for path in sorted(VECTORS.glob("*.yaml"))}
CASES = [
    pytest.param(name, case, id=f"{name}-{case['about']}") for name, data in FILES.items() for case in data["cases"]
]


def _dump(folder: Path, name: str, data: dict[str, Any]) -> VmDump:
    file = folder / f"{name}.json"
    file.write_text(json.dumps(data), encoding="utf-8")
    return load_dump(file)


@pytest.mark.parametrize(("name", "case"), CASES)
def test_vector_holds_in_both_directions(tmp_path: Path, name: str, case: dict[str, Any]) -> None:
    source, target = (_dump(tmp_path, side, case[side]) for side in ("source", "target"))
    found = compare_dumps(source, target)
    if case["fires"]:
        assert [(f.rule, f.path) for f in found] == [(name, case["path"])]
        assert (found[0].severity is Severity.WARNING) == (name == "VMS002")
    else:
        assert [f.rule for f in found] == case.get("others", [])
        assert name not in case.get("others", [])
    assert [f.rule for f in compare_dumps(target, source)] == case["reverse"]


def test_every_rule_about_dumps_has_a_vector_with_both_sides() -> None:
    assert set(FILES) == {name for name in RULES if name.startswith("VMS")}
    for name, data in FILES.items():
        assert data["rule"] == name
        assert {case["fires"] for case in data["cases"]} == ({False} if name in BEHAVIOUR else {True, False}), name
