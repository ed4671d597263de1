# SPDX-License-Identifier: Apache-2.0
"""The JSON Schema documents that are published for editors, one per kind of file."""

from __future__ import annotations

import json
from typing import Any

from qualify.gate.policy import Policy
from qualify.matrix.model import Matrix
from qualify.scenario.jsonschema import scenario_file
from qualify.scenario.sizes import SIZE
from qualify.schema.jsonschema import Definitions, document, schema_file

__all__ = ["EDITOR_SCHEMAS", "editor_schema"]

_SIZE = {"type": "string", "pattern": rf"^{SIZE}$"}
_AGE = {"type": "string", "pattern": r"^\d{1,5} ?(h|d|w)$"}


def _matrix_file() -> dict[str, Any]:
    return document("qualify matrix file", {"matrix": Matrix}, lambda refs: refs["matrix"], _matrix_short_forms)


def _policy_file() -> dict[str, Any]:
    return document("qualify policy file", {"policy": Policy}, lambda refs: refs["policy"], _policy_short_forms)


EDITOR_SCHEMAS = {
    "matrix": _matrix_file,
    "policy": _policy_file,
    "scenario": scenario_file,
    "schema": schema_file,
}


def editor_schema(kind: str) -> str:
    """The text of docs/jsonschema/KIND.json."""
    return json.dumps(EDITOR_SCHEMAS[kind](), indent=1, ensure_ascii=False) + "\n"


def _matrix_short_forms(definitions: Definitions) -> None:
    for name in ("ReleaseSelection", "ScenarioSelection"):
        _or_short(definitions, name)
    size = definitions["Matrix"]["properties"]["max_touched_bytes"]
    size["anyOf"] = [*size["anyOf"], _SIZE]


def _policy_short_forms(definitions: Definitions) -> None:
    _or_short(definitions, "ScenarioSelection")
    definitions["Policy"]["properties"]["maximum_age"] = {"anyOf": [_AGE, {"type": "null"}], "default": None}


def _or_short(definitions: Definitions, name: str) -> None:
    """``all`` or a list of names instead of the mapping that they stand for."""
    names = {"type": "array", "items": {"type": "string", "minLength": 1}}
    definitions[name] = {"anyOf": [{"const": "all"}, names, definitions[name]]}
