# SPDX-License-Identifier: Apache-2.0
"""JSON Schema of scenario files, for editors."""

from __future__ import annotations

from typing import Any

from qualify.scenario.model import Scenario
from qualify.scenario.objects import FolioRun
from qualify.schema.jsonschema import Definitions, document

__all__ = ["scenario_file"]


def scenario_file() -> dict[str, Any]:
    """One scenario, or a list of them under ``scenarios``."""

    def root(references: dict[str, Any]) -> dict[str, Any]:
        listed = {"type": "array", "items": references["scenario"]}
        several = {
            "type": "object",
            "properties": {"scenarios": listed},
            "required": ["scenarios"],
            "additionalProperties": False,
        }
        return {"if": {"required": ["id"]}, "then": references["scenario"], "else": several}

    return document("qualify scenario file", {"scenario": Scenario, "run": FolioRun}, root, _with_runs)


def _with_runs(definitions: Definitions) -> None:
    """A list of folios may hold runs of them."""
    folios = definitions["KhoTest"]["properties"]["folios"]
    folios["items"] = {
        "if": {"type": "object", "required": ["count"]},
        "then": {"$ref": "#/$defs/FolioRun"},
        "else": folios["items"],
    }
