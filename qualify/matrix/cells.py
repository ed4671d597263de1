# SPDX-License-Identifier: Apache-2.0
"""A matrix against schema and scenario library: the cells, or every name that does not exist and where it stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from qualify.errors import MatrixError, Problem, UsageError
from qualify.matrix.model import Matrix, PairRule, ReleaseSelection
from qualify.matrix.pairs import Pair, select_pairs
from qualify.matrix.releases import select_releases
from qualify.matrix.scenarios import select_scenarios, unknown_scenarios
from qualify.scenario import Scenario
from qualify.schema import Release, Schema, suggest_release
from qualify.yamlfile import Loc

__all__ = ["Cell", "Selection", "plan_cells", "select"]


@dataclass(frozen=True, slots=True)
class Cell:
    """Pair x scenario x backend by name: the unit of work, of storage and of resume."""

    source: str
    target: str
    scenario: str
    backend: str


@dataclass(frozen=True)
class Selection:
    """What a matrix chose. Empty in any of its parts means no cells; `left_out` are none that it has."""

    matrix: Matrix
    releases: tuple[Release, ...]
    pairs: tuple[Pair, ...]
    scenarios: tuple[Scenario, ...]
    left_out: frozenset[Cell] = frozenset()

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """By backend, pair and scenario."""
        cells = (
            Cell(pair.source, pair.target, scenario.id, backend)
            for backend in self.matrix.backends
            for pair in self.pairs
            for scenario in self.scenarios
        )
        return tuple(cell for cell in cells if cell not in self.left_out) if self.left_out else tuple(cells)

    @property
    def why_empty(self) -> str:
        """One sentence for a selection without cells; '' when there are some."""
        name = self.matrix.name
        if not self.pairs and not self.releases and isinstance(self.matrix.pairs, PairRule):
            return f"matrix '{name}' selects no release: nothing in the schema fits 'releases'"
        if not self.pairs:
            count = len(self.releases)
            return f"matrix '{name}' selects no pair: 'pairs' and 'directions' leave none of its {count} releases"
        if not self.scenarios:
            return f"matrix '{name}' selects no scenario: nothing in the library fits 'scenarios'"
        return ""


def plan_cells(matrix: Matrix, schema: Schema, library: Mapping[str, Scenario]) -> tuple[Cell, ...]:
    """The cells of a matrix in their order; see `select` for what can be wrong."""
    return select(matrix, schema, library).cells


def select(matrix: Matrix, schema: Schema, library: Mapping[str, Scenario]) -> Selection:
    """Resolve every name in the matrix; MatrixError lists all that do not exist or do not fit."""
    problems = [*_unfit_releases(matrix, schema), *unknown_scenarios(matrix.scenarios, library, matrix.document)]
    scenarios = select_scenarios(matrix.scenarios, library)
    problems.extend(_too_large(matrix, scenarios))
    if problems:
        raise MatrixError(problems)
    releases = select_releases(matrix.releases, schema.releases)
    pairs = select_pairs(matrix, releases, schema)
    if not isinstance(matrix.pairs, PairRule):
        named = {label for pair in pairs for label in (pair.source, pair.target)}
        releases = tuple(r for r in schema.releases if r.label in named)
    return Selection(matrix, releases, pairs, scenarios)


def _unfit_releases(matrix: Matrix, schema: Schema) -> Iterator[Problem]:
    places: list[tuple[Loc, str]] = [(("releases", i), label) for i, label in enumerate(matrix.releases.labels)]
    if not isinstance(matrix.pairs, PairRule):
        for i, pair in enumerate(matrix.pairs):
            places += [(("pairs", i, "source"), pair.source), (("pairs", i, "target"), pair.target)]
    left_out: list[tuple[Loc, str]] = [
        (("releases", "exclude", i), label) for i, label in enumerate(matrix.releases.exclude)
    ]
    without = matrix.releases.model_copy(update={"exclude": ()})
    yield from _not_chosen(matrix, schema, left_out, without, "it leaves out nothing; take it out of 'exclude'")
    hint = "add it there, or leave 'releases' out: a list of pairs needs none"
    yield from _not_chosen(matrix, schema, places, matrix.releases, hint)


def _not_chosen(
    matrix: Matrix, schema: Schema, places: Sequence[tuple[Loc, str]], selection: ReleaseSelection, unchosen: str
) -> Iterator[Problem]:
    """Names that no release has, and those that `selection` does not choose."""
    chosen = select_releases(selection, schema.releases)
    for loc, label in places:
        try:
            release = schema.release(label)
        except UsageError:
            hint = suggest_release(label, schema.releases)
            yield matrix.document.problem(loc, f"there is no release '{label}'", hint)
            continue
        if release not in chosen:
            yield matrix.document.problem(loc, f"release '{label}' is not among 'releases'", unchosen)


def _too_large(matrix: Matrix, scenarios: tuple[Scenario, ...]) -> Iterator[Problem]:
    limit = matrix.max_touched_bytes
    if limit is None:
        return
    for scenario in scenarios:
        if scenario.touched_bytes > limit:
            ids = matrix.scenarios.ids
            loc = ("scenarios", ids.index(scenario.id)) if scenario.id in ids else ("max_touched_bytes",)
            message = f"scenario '{scenario.id}' touches {scenario.touched_bytes} bytes; this matrix allows {limit}"
            yield matrix.document.problem(loc, message, "exclude it (by id or tag) or raise max_touched_bytes")
