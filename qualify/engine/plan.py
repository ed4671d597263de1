# SPDX-License-Identifier: Apache-2.0
"""Matrix, schema and scenario library to cells with everything that goes into them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from qualify.backends import Backend
from qualify.backends import backend as installed
from qualify.engine.inputs import Inputs
from qualify.errors import MatrixError, Problems, UsageError
from qualify.matrix import Matrix, Selection, select
from qualify.scenario import Scenario
from qualify.schema import Schema
from qualify.store import CellKeys, StoredResult

__all__ = ["Group", "Outstanding", "Plan", "group", "outstanding", "plan"]


@dataclass(frozen=True)
class Plan:
    """What a matrix comes down to."""

    matrix: Matrix
    schema: Schema
    library: Mapping[str, Scenario]
    selection: Selection
    backends: Mapping[str, Backend]
    seed: int | None
    cells: tuple[CellKeys, ...]

    def seed_of(self, scenario: Scenario) -> int:
        """The seed of the run, else the scenario's own."""
        return scenario.seed if self.seed is None else self.seed


@dataclass(frozen=True)
class Group:
    """Cells that one run answers; one cell when its backend does not share."""

    cells: tuple[CellKeys, ...]


@dataclass(frozen=True)
class Outstanding:
    """What is left to do: cells to run, and cells whose answer is known from a run with the same input."""

    run: tuple[CellKeys, ...]
    reuse: tuple[tuple[int, tuple[CellKeys, ...]], ...]

    def __len__(self) -> int:
        return len(self.run) + sum(len(cells) for _, cells in self.reuse)


def plan(
    matrix: Matrix,
    schema: Schema,
    library: Mapping[str, Scenario],
    *,
    seed: int | None = None,
    registry: Callable[[str], Backend] = installed,
) -> Plan:
    """Every cell of the matrix in its order. A seed given here goes before the matrix's, that before the scenarios'."""
    problems = Problems()
    selection = problems.take(lambda: select(matrix, schema, library))
    backends = _backends(matrix, registry, problems)
    if selection is None or problems.found:
        raise MatrixError(problems.found)
    chosen = matrix.seed if seed is None else seed
    inputs = Inputs(schema, library, backends.__getitem__)
    cells = tuple(CellKeys(cell, inputs.digest(cell, chosen)) for cell in selection.cells)
    return Plan(matrix, schema, library, selection, backends, chosen, cells)


def outstanding(planned: Plan, latest: Mapping[object, StoredResult], reusable: Mapping[str, int]) -> Outstanding:
    """Cells whose newest result is not DONE with the same input. Errors are tried again, never papered over."""
    run: list[CellKeys] = []
    reuse: dict[int, list[CellKeys]] = {}
    for keys in planned.cells:
        known = latest.get(keys.cell)
        same_input = known is not None and known.input_digest == keys.input_digest
        if known is not None and same_input and known.verdict is not None:
            continue
        other = reusable.get(keys.input_digest)
        if other is not None and not same_input and planned.backends[keys.cell.backend].shareable:
            reuse.setdefault(other, []).append(keys)
        else:
            run.append(keys)
    return Outstanding(tuple(run), tuple((result_id, tuple(cells)) for result_id, cells in reuse.items()))


def group(cells: Iterable[CellKeys], backends: Mapping[str, Backend], *, share: bool = True) -> tuple[Group, ...]:
    """One group per run, in the order of their first cells."""
    groups: dict[object, list[CellKeys]] = {}
    for keys in cells:
        shared = share and backends[keys.cell.backend].shareable
        groups.setdefault(keys.input_digest if shared else keys.cell, []).append(keys)
    return tuple(Group(tuple(members)) for members in groups.values())


def _backends(matrix: Matrix, registry: Callable[[str], Backend], problems: Problems) -> dict[str, Backend]:
    found: dict[str, Backend] = {}
    for i, name in enumerate(matrix.backends):
        try:
            found[name] = registry(name)
        except UsageError as error:
            problems.add(matrix.document.problem(("backends", i), p.message, p.hint) for p in error.problems)
    return found
