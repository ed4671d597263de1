# SPDX-License-Identifier: Apache-2.0
"""Which cells are asked of one boot: a boot costs seconds, and most scenarios of a pair do not disturb each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from qualify.backends import CellInput
from qualify.compat import decide
from qualify.engine.plan import Group, Plan
from qualify.engine.worker import Task
from qualify.model import Consequence, Verdict

__all__ = ["task_of", "together"]


def together(planned: Plan, groups: Sequence[Group], *, share: bool = True) -> list[tuple[int, ...]]:
    """The numbers of the groups that share a task, in the order of their first; most backends share none.

    Alone stays what may kill the machine or may have others refused, what its backend wants alone, and what does not
    fit: then the next of its kind begin another boot.
    """
    tasks: list[list[int]] = []
    open_: dict[tuple[object, ...], list[tuple[list[int], list[CellInput]]]] = {}
    for number, members in enumerate(groups):
        cell = members.cells[0].cell
        backend = planned.booting.get(cell.backend)
        tasks.append([number])
        if not share or backend is None:
            continue
        asked = planned.input_of(cell)
        key = backend.boot_key(asked)
        if not key or _may_disturb(asked):
            continue
        begun = open_.setdefault((cell.backend, cell.source, cell.target, asked.seed, key), [])
        for numbers, cells in begun:
            if backend.fits(cells, asked):
                tasks.pop()
                numbers.append(number)
                cells.append(asked)
                break
        else:
            begun.append((tasks[-1], [asked]))
    return [tuple(numbers) for numbers in tasks]


def task_of(planned: Plan, groups: Iterable[Group]) -> Task:
    """What the first cells of these groups are run by; they are of one pair, backend and seed."""
    inputs = [(g.cells[0].cell, planned.input_of(g.cells[0].cell)) for g in groups]
    cell, first = inputs[0]
    backend = planned.booting.get(cell.backend)
    needs = None if backend is None else backend.needs([asked for _, asked in inputs])
    names = tuple(c.scenario for c, _ in inputs)
    return Task(cell.source, cell.target, names, cell.backend, first.seed, needs)


def _may_disturb(cell: CellInput) -> bool:
    prediction = decide(cell.schema, cell.source, cell.target, cell.scenario)
    return Verdict.PANIC in prediction.verdicts or any(
        Consequence.BLAST_RADIUS in alternative.consequences for alternative in prediction.alternatives
    )
