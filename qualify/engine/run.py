# SPDX-License-Identifier: Apache-2.0
"""A matrix from plan to rows: plan -> what is left -> execute -> record -> summary."""

from __future__ import annotations

import os
import platform
import sys
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

from qualify.engine.attempts import Attempts
from qualify.engine.boot import task_of, together
from qualify.engine.inputs import tool_version
from qualify.engine.interrupt import first_only, to_the_end
from qualify.engine.limits import Limits, available_memory, default_jobs
from qualify.engine.plan import Group, Outstanding, Plan, group, outstanding
from qualify.engine.pool import execute
from qualify.engine.workdir import workdir
from qualify.engine.worker import Answer, Context, Task
from qualify.matrix import Cell
from qualify.model import Status, Verdict, is_vague
from qualify.store import (
    NewRun,
    ReleaseKey,
    RunWriter,
    ScenarioKey,
    Store,
    StoredResult,
    load_latest,
    load_reusable,
)

__all__ = ["DEFAULT_TIMEOUT", "Options", "Progress", "RunSummary", "run_matrix"]

#: (cells finished, cells to do)
Progress = Callable[[int, int], None]

DEFAULT_TIMEOUT = 300.0
_RETRIES = 1  # of what boots: timing and the machine we run on have a say there


@dataclass(frozen=True)
class Options:
    """How a run is done; none of it changes what a cell is.

    `jobs`: processes, and cores for boots; one per CPU. `memory`: bytes for all boots under way; four fifths of what is
    available. `retries`: how often a cell that went wrong or was not foreseen is tried again; 1 for what boots, else 0.
    `timeout`: seconds for one run of a machine.
    """

    jobs: int | None = None
    memory: int | None = None
    fresh: bool = False
    share: bool = True
    timeout: float = DEFAULT_TIMEOUT
    retries: int | None = None
    repeat: int = 1


@dataclass(frozen=True)
class RunSummary:
    """What a run did (`executed`, `shared`, `reused`, `kept`) and how its whole matrix stands now (all the rest)."""

    matrix: str
    cells: int
    executed: int  # cells that a machine was run for
    shared: int  # cells answered by another cell's run
    reused: int  # cells answered by an earlier run with the same input
    kept: int  # cells that had their answer
    seconds: float
    verdicts: dict[str, int]
    statuses: dict[str, int]
    disagreements: tuple[Cell, ...]
    failures: tuple[Cell, ...]  # ERROR and TIMEOUT
    vague: int
    boots: int = 0  # of machines, also shared and repeated ones
    again: int = 0  # results beyond the first of each cell that was run
    notes: tuple[str, ...] = ()  # on how the run was done

    @property
    def cells_per_second(self) -> float:
        """Cells answered by this run per second."""
        return (self.executed + self.shared + self.reused) / self.seconds if self.seconds else 0.0

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"cells_per_second": round(self.cells_per_second, 1)}


def run_matrix(
    planned: Plan, store: Store, *, options: Options | None = None, progress: Progress | None = None, **more: Any
) -> RunSummary:
    """Answer every cell that has no answer yet (all of them if `fresh`), each committed as it ends.

    Single options can be given by name.
    """
    started = perf_counter()
    chosen = replace(options or Options(), **more)
    left = _left(planned, store, chosen.fresh, chosen.share)
    groups = _in_order(group(left.run, planned.backends, share=chosen.share))
    limits = Limits(chosen.jobs or default_jobs(), available_memory() if chosen.memory is None else chosen.memory)
    attempts = _attempts(planned, groups, chosen, limits)
    if len(left):
        with store.artefacts.in_use():
            writer = _begin(planned, store, left)
            writer.reuse(left.reuse)
            with first_only(), workdir() as folder:
                artefacts = store.artefacts
                context = Context(planned.schema, planned.library, planned.backends, artefacts, chosen.timeout, folder)
                execute(attempts.tasks, context, limits, _recorder(writer, groups, attempts, _counted(progress, left)))
            ran = {"boots": attempts.boots, "again": attempts.again}
            writer.finish({"executed": len(groups), "cells": len(left), **{k: n for k, n in ran.items() if n}})
    seconds = perf_counter() - started
    with store.session() as session:
        latest = load_latest(session, {keys.cell for keys in planned.cells})
    return _summary(planned, latest, left, len(groups), attempts, seconds)


def _attempts(planned: Plan, groups: Sequence[Group], options: Options, limits: Limits) -> Attempts:
    def retries(task: Task) -> int:
        return options.retries if options.retries is not None else _RETRIES * (task.needs is not None)

    def note(task: Task) -> str:
        return "" if task.needs is None else limits.exceeded(task.needs)

    parts = together(planned, groups, share=options.share)
    return Attempts(
        parts, lambda numbers: task_of(planned, [groups[n] for n in numbers]), retries, note, options.repeat
    )


def _left(planned: Plan, store: Store, fresh: bool, share: bool) -> Outstanding:
    if fresh:
        return Outstanding(planned.cells, ())
    with store.session() as session:
        latest: Mapping[Any, StoredResult] = load_latest(session, {keys.cell for keys in planned.cells})
        reusable = load_reusable(session, {keys.input_digest for keys in planned.cells}) if share else {}
    return outstanding(planned, latest, reusable)


def _in_order(groups: Sequence[Group]) -> list[Group]:
    """Cells that start alike next to each other; see `Task.affinity`."""
    first: dict[tuple[str, str, str], int] = {}
    places = []
    for place, members in enumerate(groups):
        cell = members.cells[0].cell
        places.append(first.setdefault((cell.backend, cell.source, cell.scenario), place))
    return [members for _, members in sorted(zip(places, groups, strict=True), key=lambda pair: pair[0])]


def _begin(planned: Plan, store: Store, left: Outstanding) -> RunWriter:
    schema = planned.schema
    run = NewRun(
        uid=uuid.uuid4().hex,
        matrix=planned.matrix.name,
        matrix_digest=planned.matrix.digest,
        schema_digest=schema.digest,
        tool_version=tool_version(),
        seed=planned.seed,
        started=datetime.now(UTC),
        host=_host(),
    )
    releases = [
        ReleaseKey(r.label, schema.fingerprint(r), schema.digest, r.provenance.kind.value)
        for r in planned.selection.releases
    ]
    scenarios = [ScenarioKey(s.id, s.digest) for s in planned.selection.scenarios]
    writer = RunWriter(store, run, releases, scenarios)
    writer.register([*left.run, *(keys for _, cells in left.reuse for keys in cells)])
    return writer


def _recorder(
    writer: RunWriter, groups: Sequence[Group], attempts: Attempts, advance: Callable[[int], None]
) -> Callable[[Sequence[int], Sequence[Answer]], list[Task]]:
    """Writes what ends, in one transaction for what comes in together, and tells what is to be run next."""

    def record(numbers: Sequence[int], answers: Sequence[Answer]) -> list[Task]:
        ended = [attempts.ended(n, answer) for n, answer in zip(numbers, answers, strict=True)]
        rows = [row for e in ended for row in e.recorded]
        with to_the_end():
            writer.record([(row.record, groups[row.number].cells) for row in rows], [row.attempt for row in rows])
        advance(sum(len(groups[n].cells) for e in ended for n in e.finished))
        return [task for e in ended for task in e.tasks]

    return record


def _counted(progress: Progress | None, left: Outstanding) -> Callable[[int], None]:
    total = len(left)
    done = total - len(left.run)

    def advance(cells: int) -> None:
        nonlocal done
        done += cells
        if progress is not None:
            progress(done, total)

    advance(0)
    return advance


def _summary(
    planned: Plan,
    latest: Mapping[Cell, StoredResult],
    left: Outstanding,
    executed: int,
    attempts: Attempts,
    seconds: float,
) -> RunSummary:
    found = [latest[keys.cell] for keys in planned.cells if keys.cell in latest]
    verdicts = Counter(r.verdict for r in found if r.verdict is not None)
    statuses = Counter(r.status for r in found)
    return RunSummary(
        matrix=planned.matrix.name,
        cells=len(planned.cells),
        executed=executed,
        shared=len(left.run) - executed,
        reused=len(left) - len(left.run),
        kept=len(planned.cells) - len(left),
        seconds=seconds,
        verdicts={v.value: verdicts[v] for v in Verdict if verdicts[v]},
        statuses={s.value: statuses[s] for s in Status if statuses[s]},
        disagreements=tuple(r.cell for r in found if r.agrees is False),
        failures=tuple(r.cell for r in found if r.status in (Status.ERROR, Status.TIMEOUT)),
        vague=sum(is_vague(r.predicted) for r in found),
        boots=attempts.boots,
        again=attempts.again,
        notes=tuple(attempts.notes),
    )


def _host() -> dict[str, Any]:
    return {
        "node": platform.node(),
        "system": platform.platform(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "python": sys.version.split()[0],
    }
