# SPDX-License-Identifier: Apache-2.0
"""What happens in a worker process: run a cell, judge it, predict it, keep its files."""

from __future__ import annotations

import faulthandler
import gc
import math
import multiprocessing
import os
import platform
import shutil
import signal
import tempfile
import threading
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.connection import wait
from pathlib import Path
from time import perf_counter
from types import FrameType

from qualify.backends import Backend, CellInput
from qualify.compat import decide
from qualify.judge import judge
from qualify.model import Outcome, Prediction, Status
from qualify.scenario import Scenario
from qualify.schema import Schema
from qualify.store import (
    Artefact,
    ArtefactStore,
    ResultRecord,
    dump_log,
    dump_outcome,
    dump_prediction,
    ranked,
)

__all__ = ["GRACE", "Context", "Task", "failure", "initialise", "run_batch"]

#: Seconds between asking a cell to stop and ending its process.
GRACE = 5.0


@dataclass(frozen=True)
class Context:
    """What every worker has from its start."""

    schema: Schema
    library: Mapping[str, Scenario]
    backends: Mapping[str, Backend]
    artefacts: ArtefactStore
    timeout: float
    workdir: Path  # of the run, which removes it: a worker that is killed cannot


@dataclass(frozen=True, slots=True)
class Task:
    """One machine run, by name."""

    source: str
    target: str
    scenario: str
    backend: str
    seed: int

    @property
    def affinity(self) -> tuple[str, str, str]:
        """Tasks with the same one are the same on the source's side: a backend may do that once for a row of them."""
        return self.backend, self.source, self.scenario


class _OutOfTimeError(BaseException):
    """Not an Exception, so that no backend can swallow it."""


_context: Context | None = None


def initialise(context: Context) -> None:
    """Once per worker process."""
    global _context
    _context = context
    gc.freeze()  # what was inherited stays; looking through it for garbage again and again would only cost
    signal.signal(signal.SIGALRM, _expired)
    # The terminal sends SIGINT to the whole group; the parent alone decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, name="die-with-parent", daemon=True).start()


def run_batch(tasks: Sequence[Task]) -> list[ResultRecord]:
    """Several runs for one trip between the processes."""
    assert _context is not None, "initialise() was not called"
    records = []
    with tempfile.TemporaryDirectory(dir=_context.workdir) as folder, _Watchdog(_context.timeout) as watchdog:
        for task in tasks:
            watchdog.pat()
            records.append(_run_task(_context, task, Path(folder)))
    return records


def _run_task(context: Context, task: Task, folder: Path) -> ResultRecord:
    """One run. Whatever goes wrong in here is ERROR or TIMEOUT, never a verdict."""
    started = perf_counter()
    backend = context.backends[task.backend]
    try:
        with _time_limit(context.timeout):
            outcome, prediction = _observe(context, task, folder)
            artefacts = _keep(context.artefacts, folder) if _used(folder) else ()
    except _OutOfTimeError:
        detail = f"the cell took longer than {context.timeout:g} s"
        return failure(Status.TIMEOUT, backend, detail, perf_counter() - started)
    except (Exception, SystemExit) as error:
        return failure(Status.ERROR, backend, _describe(error), perf_counter() - started)
    finally:
        if _used(folder):
            _empty(folder)
    return _record(outcome, prediction, artefacts, perf_counter() - started)


def failure(status: Status, backend: Backend, detail: str, seconds: float = 0.0) -> ResultRecord:
    """The record of a cell that was not measured."""
    return ResultRecord(
        status=status.value,
        verdict=None,
        evidence=backend.evidence.value,
        detail=detail,
        measured=datetime.now(UTC),
        machine=platform.node(),
        timings={"total": seconds},
    )


def _observe(context: Context, task: Task, folder: Path) -> tuple[Outcome, Prediction]:
    schema = context.schema
    source, target = schema.release(task.source), schema.release(task.target)
    scenario, backend = context.library[task.scenario], context.backends[task.backend]
    observation = backend.run(CellInput(schema, source, target, scenario, task.seed), folder)
    return judge(observation, backend.evidence), decide(schema, source, target, scenario)


def _record(outcome: Outcome, prediction: Prediction, artefacts: tuple[Artefact, ...], seconds: float) -> ResultRecord:
    verdict = outcome.verdict
    return ResultRecord(
        status=outcome.status.value,
        verdict=None if verdict is None else verdict.value,
        evidence=outcome.evidence.value,
        detail=outcome.detail,
        measured=datetime.now(UTC),
        machine=platform.node(),
        consequences=sorted(c.value for c in outcome.consequences),
        timings={**outcome.timings, "total": seconds},
        counters=outcome.counters,
        predicted_worst=prediction.worst.value,
        predicted=ranked(prediction.verdicts),
        agrees=None if verdict is None else prediction.agrees_with(verdict),
        outcome=dump_outcome(outcome, prediction),
        prediction=dump_prediction(prediction),
        log=dump_log(outcome.log),
        artefacts=artefacts,
    )


def _used(folder: Path) -> bool:
    with os.scandir(folder) as entries:
        return any(entries)


def _keep(store: ArtefactStore, folder: Path) -> tuple[Artefact, ...]:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return tuple(store.put(path, path.relative_to(folder).as_posix()) for path in files)


def _describe(error: BaseException) -> str:
    """Type, message and where, in one line."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" (at {Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{where}"


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _expired(_signal: int, _frame: FrameType | None) -> None:
    raise _OutOfTimeError


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Raise in Python code after `seconds`."""
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


class _Watchdog:
    """Ends the process when a cell does not heed its time limit, because no Python code gets to run.

    It is a thread of its own each time it is set, so it is not set anew for every short cell.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds + GRACE
        self._set = -math.inf
        self._nowhere = os.open(os.devnull, os.O_WRONLY)

    def pat(self) -> None:
        """A cell begins."""
        if perf_counter() - self._set > GRACE / 5:
            faulthandler.dump_traceback_later(self._seconds, exit=True, file=self._nowhere)
            self._set = perf_counter()

    def __enter__(self) -> _Watchdog:
        return self

    def __exit__(self, *exc: object) -> None:
        faulthandler.cancel_dump_traceback_later()
        os.close(self._nowhere)


def _die_with_parent() -> None:
    """A parent that was killed cannot end its workers; they would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
