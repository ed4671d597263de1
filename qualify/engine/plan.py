# SPDX-License-Identifier: Apache-2.0
"""Matrix, schema and scenario library to cells with everything that goes into them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property

from qualify.backends import Backend, BootingBackend, CellInput
from qualify.backends import backend as installed
from qualify.engine.inputs import Inputs
from qualify.errors import HarnessError, MatrixError, Problems, UsageError
from qualify.matrix import Cell, Matrix, Selection, select
from qualify.scenario import Scenario
from qualify.schema import Schema
from qualify.store import CellKeys, StoredResult

__all__ = ["Group", "LeftOut", "Outstanding", "Plan", "expressible", "group", "outstanding", "plan"]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A cell that its backend cannot run, and why."""

    cell: Cell
    reason: str


@dataclass(frozen=True)
class Plan:
    """What a matrix comes down to. Neither `cells` nor `selection` have the cells that are left out."""

    matrix: Matrix
    schema: Schema
    library: Mapping[str, Scenario]
    selection: Selection
    backends: Mapping[str, Backend]
    seed: int | None
    cells: tuple[CellKeys, ...]
    left_out: tuple[LeftOut, ...] = ()

    @cached_property
    def booting(self) -> Mapping[str, BootingBackend]:
        """Those of the backends that boot machines."""
        return _booting(self.backends)

    def input_of(self, cell: Cell) -> CellInput:
        """What a backend is given of a cell. The seed is that of the run, else the scenario's own."""
        return _input(self.schema, self.library, cell, self.seed)

    @property
    def why_empty(self) -> str:
        """One sentence for a plan without cells; '' when there are some."""
        if self.cells or not self.left_out:
            return self.selection.why_empty
        first, reasons = self.left_out[0], {left.reason for left in self.left_out}
        more = f" (and {len(reasons) - 1} more reasons for others)" if len(reasons) > 1 else ""
        cell = f"{first.cell.source} → {first.cell.target}, {first.cell.scenario} on {first.cell.backend}"
        count = len(self.left_out)
        return f"matrix '{self.matrix.name}': none of its {count} cells can be run; {cell}: {first.reason}{more}"


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
    """Every cell of the matrix in its order, but for those that their backend cannot run.

    A seed given here goes before the matrix's, that before the scenarios'.
    """
    problems = Problems()
    selection = problems.take(lambda: select(matrix, schema, library))
    backends = _backends(matrix, registry, problems)
    if selection is None or problems.found:
        raise MatrixError(problems.found)
    chosen = matrix.seed if seed is None else seed
    inputs = Inputs(schema, library, backends.__getitem__)
    left_out = _unfit(selection, schema, library, backends, chosen)
    if left_out:
        selection = replace(selection, left_out=frozenset(left.cell for left in left_out))
    cells = tuple(CellKeys(cell, inputs.digest(cell, chosen)) for cell in selection.cells)
    return Plan(matrix, schema, library, selection, backends, chosen, cells, left_out)


def expressible(
    selection: Selection,
    schema: Schema,
    library: Mapping[str, Scenario],
    registry: Callable[[str], Backend] = installed,
) -> Selection:
    """A selection without the cells that no machine can be asked; what is missing here and now only stays in it."""
    backends = {}
    for name in selection.matrix.backends:
        with suppress(UsageError, HarnessError):  # one that is not installed here may have run elsewhere
            backends[name] = registry(name)
    booting = _booting(backends)
    seed = selection.matrix.seed
    never = [
        c
        for c in (selection.cells if booting else ())
        if c.backend in booting and booting[c.backend].inexpressible(_input(schema, library, c, seed))
    ]
    return replace(selection, left_out=frozenset(never)) if never else selection


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


def _unfit(
    selection: Selection,
    schema: Schema,
    library: Mapping[str, Scenario],
    backends: Mapping[str, Backend],
    seed: int | None,
) -> tuple[LeftOut, ...]:
    booting = _booting(backends)
    if not booting:
        return ()
    asked = (
        (c, booting[c.backend].unfit(_input(schema, library, c, seed))) for c in selection.cells if c.backend in booting
    )
    return tuple(LeftOut(cell, reason) for cell, reason in asked if reason)


def _booting(backends: Mapping[str, Backend]) -> dict[str, BootingBackend]:
    return {name: backend for name, backend in backends.items() if isinstance(backend, BootingBackend)}


def _input(schema: Schema, library: Mapping[str, Scenario], cell: Cell, seed: int | None) -> CellInput:
    scenario = library[cell.scenario]
    chosen = scenario.seed if seed is None else seed
    return CellInput(schema, schema.release(cell.source), schema.release(cell.target), scenario, chosen)


def _backends(matrix: Matrix, registry: Callable[[str], Backend], problems: Problems) -> dict[str, Backend]:
    found: dict[str, Backend] = {}
    for i, name in enumerate(matrix.backends):
        try:
            found[name] = registry(name)
        except UsageError as error:
            problems.add(matrix.document.problem(("backends", i), p.message, p.hint) for p in error.problems)
    return found
