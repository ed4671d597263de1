# SPDX-License-Identifier: Apache-2.0
"""A matrix from plan to rows: plan -> what is left -> execute -> record -> summary."""

from __future__ import annotations

import os
import platform
import signal
import sys
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

from qualify.engine.inputs import tool_version
from qualify.engine.plan import Group, Outstanding, Plan, group, outstanding
from qualify.engine.pool import execute
from qualify.engine.workdir import workdir
from qualify.engine.worker import Context, Task
from qualify.matrix import Cell
from qualify.model import Status, Verdict, is_vague
from qualify.store import (
    CellKeys,
    NewRun,
    ReleaseKey,
    ResultRecord,
    RunWriter,
    ScenarioKey,
    Store,
    StoredResult,
    load_latest,
    load_reusable,
)

__all__ = ["Progress", "RunSummary", "default_jobs", "run_matrix"]

#: (cells finished, cells to do)
Progress = Callable[[int, int], None]

DEFAULT_TIMEOUT = 300.0


@dataclass(frozen=True)
class RunSummary:
    """What a run did (`executed`, `shared`, `reused`, `kept`) and how its whole matrix stands now (all the rest)."""

    matrix: str
    cells: int
    executed: int  # runs of a machine
    shared: int  # cells answered by another cell's run
    reused: int  # cells answered by an earlier run with the same input
    kept: int  # cells that had their answer
    seconds: float
    verdicts: dict[str, int]
    statuses: dict[str, int]
    disagreements: tuple[Cell, ...]
    failures: tuple[Cell, ...]  # ERROR and TIMEOUT
    vague: int

    @property
    def cells_per_second(self) -> float:
        """Cells answered by this run per second."""
        return (self.executed + self.shared + self.reused) / self.seconds if self.seconds else 0.0

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"cells_per_second": round(self.cells_per_second, 1)}


def default_jobs() -> int:
    """One per processor that we may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_matrix(
    planned: Plan,
    store: Store,
    *,
    jobs: int | None = None,
    fresh: bool = False,
    share: bool = True,
    timeout: float = DEFAULT_TIMEOUT,
    progress: Progress | None = None,
) -> RunSummary:
    """Answer every cell that has no answer yet (all of them if `fresh`), each committed as it ends."""
    started = perf_counter()
    left = _left(planned, store, fresh, share)
    groups = _in_order(group(left.run, planned.backends, share=share))
    if len(left):
        with store.artefacts.in_use():
            writer = _begin(planned, store, left)
            writer.reuse(left.reuse)
            advance = _counted(progress, len(left), left)
            _execute(planned, store, writer, groups, jobs or default_jobs(), timeout, advance)
            writer.finish({"executed": len(groups), "cells": len(left)})
    seconds = perf_counter() - started
    with store.session() as session:
        latest = load_latest(session, {keys.cell for keys in planned.cells})
    return _summary(planned, latest, left, len(groups), seconds)


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


def _execute(
    planned: Plan,
    store: Store,
    writer: RunWriter,
    groups: Sequence[Group],
    jobs: int,
    timeout: float,
    advance: Callable[[int], None],
) -> None:
    def record(numbers: Sequence[int], records: Sequence[ResultRecord]) -> None:
        done = [(found, groups[n].cells) for n, found in zip(numbers, records, strict=True)]
        with _to_the_end():
            writer.record(done)
        advance(sum(len(cells) for _, cells in done))

    with workdir() as folder:
        context = Context(planned.schema, planned.library, planned.backends, store.artefacts, timeout, folder)
        execute([_task(planned, g.cells[0]) for g in groups], context, jobs, record)


@contextmanager
def _to_the_end() -> Iterator[None]:
    """An interrupt waits until the commit is through, so that it never strikes within the database layer.

    Where interrupts are ignored (nohup, a background job) or somebody else's, that stays as it is.
    """
    usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not usual or threading.current_thread() is not threading.main_thread():
        yield
        return
    noted: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: noted.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if noted:
        raise KeyboardInterrupt


def _task(planned: Plan, keys: CellKeys) -> Task:
    cell = keys.cell
    seed = planned.seed_of(planned.library[cell.scenario])
    return Task(cell.source, cell.target, cell.scenario, cell.backend, seed)


def _counted(progress: Progress | None, total: int, left: Outstanding) -> Callable[[int], None]:
    done = total - len(left.run)

    def advance(cells: int) -> None:
        nonlocal done
        done += cells
        if progress is not None:
            progress(done, total)

    advance(0)
    return advance


def _summary(
    planned: Plan, latest: Mapping[Cell, StoredResult], left: Outstanding, executed: int, seconds: float
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
    )


def _host() -> dict[str, Any]:
    return {
        "node": platform.node(),
        "system": platform.platform(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "python": sys.version.split()[0],
    }
