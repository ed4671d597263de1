# SPDX-License-Identifier: Apache-2.0
"""Which scenarios a matrix or a policy means. Both say so alike, under the key `scenarios`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from qualify.errors import Problem
from qualify.matrix.model import ScenarioSelection
from qualify.scenario import Scenario
from qualify.yamlfile import Document, suggest

__all__ = ["select_scenarios", "unknown_scenarios"]


def select_scenarios(selection: ScenarioSelection, library: Mapping[str, Scenario]) -> tuple[Scenario, ...]:
    """The chosen scenarios in the order of the library. Ids that do not exist choose nothing (the caller checks)."""
    return tuple(scenario for scenario in library.values() if _chosen(selection, scenario))


def unknown_scenarios(
    selection: ScenarioSelection, library: Mapping[str, Scenario], document: Document
) -> Iterator[Problem]:
    """Every id and tag that the library does not have, with its place in the file."""
    for i, name in enumerate(selection.ids):
        if name not in library:
            yield document.problem(("scenarios", i), f"there is no scenario '{name}'", suggest(name, library))
    if selection.tags is None:
        return
    tags = {tag for scenario in library.values() for tag in scenario.tags}
    for key, chosen in (("include", selection.tags.include), ("exclude", selection.tags.exclude)):
        for i, tag in enumerate(chosen):
            if tag not in tags:
                place = ("scenarios", "tags", key, i)
                yield document.problem(place, f"no scenario has the tag '{tag}'", suggest(tag, tags))


def _chosen(selection: ScenarioSelection, scenario: Scenario) -> bool:
    if selection.tags is not None:
        tags = set(scenario.tags)
        return tags.issuperset(selection.tags.include) and tags.isdisjoint(selection.tags.exclude)
    return selection.all or scenario.id in selection.ids
