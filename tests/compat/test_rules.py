# SPDX-License-Identifier: Apache-2.0
"""Every rule is documented and has a vector, and every vector holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from qualify.compat import CATEGORIES, RULES, compare, decide, document, rule
from qualify.errors import UsageError
from qualify.scenario import Scenario, library
from qualify.schema import Schema, load

ROOT = Path(__file__).parents[2]
VECTORS = ROOT / "tests" / "vectors" / "rules"


def _read(path: Path) -> dict[str, Any]:
    return dict(YAML(typ="safe").load(path.read_text(encoding="utf-8")))


FILES = {path.stem: _read(path) for path in sorted(VECTORS.glob("*.yaml"))}
CASES = [
    pytest.param(name, case, id=f"{name}-{number}-{'fires' if case['fires'] else 'silent'}")
    for name, data in FILES.items()
    for number, case in enumerate(data["cases"])
]


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Schema:
    """The shipped schema and the downstream releases of all vectors."""
    extra: dict[str, list[Any]] = {"structs": [], "formats": [], "releases": []}
    for data in FILES.values():
        for kind, entries in data.get("schema", {}).items():
            extra[kind] += entries
    path = tmp_path_factory.mktemp("vectors") / "downstream.yaml"
    with path.open("w", encoding="utf-8") as stream:
        YAML().dump(extra, stream)
    return load(extra=[path])


LIBRARY = library()


def _scenario(said: Any) -> Scenario:
    if isinstance(said, str):
        return LIBRARY[said]
    changed = {k: v for k, v in said.items() if k != "base"}
    return Scenario.model_validate(LIBRARY[said["base"]].model_dump() | changed)


@pytest.mark.parametrize(("name", "case"), CASES)
def test_vector_holds(schema: Schema, name: str, case: dict[str, Any]) -> None:
    source, target = schema.release(case["source"]), schema.release(case["target"])
    if "component" in case:
        found = next(c for c in compare(schema, source, target) if c.component == case["component"])
        assert (found.rule == name) == case["fires"]
        assert found.finding == case["finding"]
        return
    prediction = decide(schema, source, target, _scenario(case.get("scenario", "baseline")))
    objects = {o.object_id: o for o in prediction.objects}
    assert case["object"] in objects, f"the scenario has {', '.join(objects)}"
    found_object = objects[case["object"]]
    assert (name in {r.rule for r in found_object.reasons}) == case["fires"]
    assert {v.value for v in found_object.verdicts} == set(case["verdicts"])


def test_every_rule_has_a_vector_with_both_sides() -> None:
    # rules about dumps have vectors of another kind: test_vmstate_vectors.py
    assert set(FILES) == {name for name in RULES if not name.startswith("VMS")}
    for name, data in FILES.items():
        assert data["rule"] == name
        assert {case["fires"] for case in data["cases"]} == {True, False}, name


def test_rules_are_well_formed() -> None:
    for name, entry in RULES.items():
        assert name == entry.id
        assert entry.category == CATEGORIES[name[:3]]
        assert entry.documentation == f"docs/rules.md#{name.lower()}"
        assert entry.purpose
        assert entry.text.endswith(".")
        assert entry.advice.endswith(".")


def test_documentation_is_what_the_rules_say() -> None:
    assert (ROOT / "docs" / "rules.md").read_text(encoding="utf-8") == document()


def test_documentation_has_every_anchor() -> None:
    headings = {line.removeprefix("### ").lower() for line in document().splitlines() if line.startswith("### ")}
    assert {entry.documentation.partition("#")[2] for entry in RULES.values()} == headings


def test_unknown_rule_suggests_one() -> None:
    with pytest.raises(UsageError, match=r"unknown rule 'KHO00'; did you mean KHO"):
        rule("KHO00")
    assert rule("kho001") is RULES["KHO001"]
