# SPDX-License-Identifier: Apache-2.0
"""Histories of KSTATE descriptions: every kind of step, and those that cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from qualify.errors import SchemaError
from qualify.schema.kstate import KstateDescription, load_descriptions
from qualify.schema.kstate_history import KstateHistory, load_history

NESTED = {"name": "n", "id": 5, "fields": [{"name": "x", "kind": "base", "size": 1}]}
FIRST = {
    "name": "s",
    "id": 3,
    "fields": [
        {"name": "a", "kind": "base", "size": 4},
        {"name": "b", "kind": "array-of-pointers", "size": 8, "count": 2},
        {"name": "inner", "kind": "struct", "description": NESTED},
    ],
}
C = {"name": "c", "kind": "base", "size": 2}


def after(*changes: dict[str, Any], bump: bool = True) -> KstateDescription:
    return KstateHistory.model_validate({"first": FIRST, "steps": [{"changes": changes, "bump": bump}]}).descriptions()[
        -1
    ]


def rows(made: KstateDescription) -> list[tuple[str, str, int, int]]:
    return [(f.name, f.kind.value, f.size, f.version_id) for f in made.fields]


A, B, INNER = ("a", "base", 4, 0), ("b", "array-of-pointers", 8, 0), ("inner", "struct", 0, 0)


@pytest.mark.parametrize(
    ("change", "bump", "version", "expected"),
    [
        ({"do": "add", "new": C}, True, 2, [A, B, INNER, ("c", "base", 2, 2)]),
        ({"do": "add", "new": C}, False, 1, [A, B, INNER, ("c", "base", 2, 1)]),
        ({"do": "add", "new": C, "versioned": False}, True, 2, [A, B, INNER, ("c", "base", 2, 0)]),
        ({"do": "add", "new": C, "before": "b"}, True, 2, [A, ("c", "base", 2, 2), B, INNER]),
        ({"do": "deprecate", "field": "b"}, True, 2, [A, ("b", "deprecated", 16, 1), INNER]),
        ({"do": "deprecate", "field": "a"}, False, 1, [("a", "deprecated", 4, 1), B, INNER]),
        ({"do": "remove", "field": "a"}, True, 2, [B, INNER]),
        ({"do": "rename", "field": "a", "to": "z"}, False, 1, [("z", "base", 4, 0), B, INNER]),
        ({"do": "retype", "field": "a", "size": 8}, True, 2, [("a", "base", 8, 0), B, INNER]),
    ],
)
def test_a_step(change: dict[str, Any], bump: bool, version: int, expected: list[Any]) -> None:
    made = after(change, bump=bump)
    assert (made.version_id, rows(made)) == (version, expected)


@pytest.mark.parametrize(("deprecate", "left"), [(False, []), (True, [("a", "deprecated", 4, 1)])])
def test_fields_move_into_a_subsection(deprecate: bool, left: list[Any]) -> None:
    move = {"do": "move-into-subsection", "subsection": "sub"}
    made = after(move | {"field": "a", "id": 9, "deprecate": deprecate}, move | {"field": "b"})
    assert rows(made) == [*left, INNER]
    (sub,) = made.subsections
    assert (sub.name, sub.id, sub.version_id, rows(sub)) == ("sub", 9, 1, [A, B])


def test_min_version_goes_up_with_the_version() -> None:
    made = after({"do": "raise-min-version", "to": 2})
    assert (made.version_id, made.min_version_id) == (2, 2)


def test_versions_follow_each_other() -> None:
    steps = [
        {"changes": [{"do": "add", "new": C}]},
        {"changes": [{"do": "rename", "field": "c", "to": "d"}], "bump": False},
        {"changes": [{"do": "deprecate", "field": "d"}]},
    ]
    history = KstateHistory.model_validate({"first": FIRST, "steps": steps})
    found = history.descriptions()
    assert [d.version_id for d in found] == [1, 2, 2, 3]
    assert found[0] == history.first
    assert [rows(d)[3:] for d in found] == [
        [],
        [("c", "base", 2, 2)],
        [("d", "base", 2, 2)],
        [("d", "deprecated", 2, 2)],
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("{do: remove, field: aa}", "version 2 has no field 'aa'; did you mean a?"),
        ("{do: rename, field: a, to: b}", "names of fields and subsections must differ; used twice: b"),
        ("{do: deprecate, field: s}", "field 's' of kind 'struct' cannot be deprecated: that skips plain bytes"),
        ("{do: raise-min-version, to: 3}", "min_version_id 3 is beyond version_id 2: it could not read itself"),
        ("{do: raise-min-version, to: -1}", "min_version_id is 0 already and cannot be raised to -1"),
        (
            "{do: move-into-subsection, field: a, subsection: t}",
            "there is no subsection 't' yet: a new one needs an 'id'",
        ),
        ("{do: retype, field: s, size: 4}", "a field with a 'description' has no 'size': it is as long as that says"),
    ],
)
def test_steps_that_cannot_be(tmp_path: Path, change: str, message: str) -> None:
    path = tmp_path / "history.yaml"
    path.write_text(f"""\
first:
  name: s
  id: 3
  fields:
    - {{name: a, kind: base, size: 4}}
    - {{name: b, kind: base, size: 4}}
    - {{name: s, kind: struct, description: {{name: n, id: 5}}}}
steps:
  - changes: [{change}]
""")
    with pytest.raises(SchemaError) as caught:
        load_history(path)
    assert str(caught.value) == f"{path}:1:1: step 1: {message}"


def test_a_history_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "history.yaml"
    path.write_text(
        "first: {name: s, id: 3}\nsteps:\n  - changes:\n      - {do: ad, new: {name: x, kind: base, size: 1}}\n"
    )
    with pytest.raises(SchemaError, match=r"history\.yaml:4:9: .*unknown do 'ad'"):
        load_history(path)
    path.write_text(path.read_text().replace("do: ad,", "do: add,"))
    assert [len(d.fields) for d in load_history(path).descriptions()] == [0, 1]


def test_examples_of_the_documentation(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "kstate.md").read_text(encoding="utf-8")
    single, history = (part for part in text.split("\n\n") if part.startswith("    "))
    path = tmp_path / "example.yaml"
    path.write_text(single)
    (made,) = load_descriptions(path)
    assert [f.name for f in made.written()] == ["s", "p_ulong", "folio"]
    path.write_text(history)
    assert [rows(d) for d in load_history(path).descriptions()][-1] == [("a", "deprecated", 4, 2), ("c", "base", 4, 2)]
