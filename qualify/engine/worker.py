# SPDX-License-Identifier: Apache-2.0
"""What happens in a worker process: run a cell, judge it, predict it, keep its files."""

from __future__ import annotations

import errno
import gc
import os
import platform
import shutil
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

from qualify.backends import Backend, BootingBackend, CellInput, Needs
from qualify.compat import decide
from qualify.engine.watch import OutOfTimeError, Watchdog, heed_signals, time_limit
from qualify.errors import CellTimeoutError, HarnessError, QualifyError
from qualify.judge import judge
from qualify.machine.child import end_all
from qualify.model import MachineObservation, Outcome, Prediction, Status
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

__all__ = ["Answer", "Context", "Task", "failed", "initialise", "keep", "run_batch"]


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_ELSEWHERE = "name another folder for temporary files in TMPDIR"
_OTHER_DATABASE = "keep the database (--db) elsewhere: the files of its cells lie beside it"


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
    """One machine run, by name: of one cell, or one boot for several. `needs`: of a boot."""

    source: str
    target: str
    scenarios: tuple[str, ...]
    backend: str
    seed: int
    needs: Needs | None = None

    @property
    def affinity(self) -> tuple[str, str, tuple[str, ...]]:
        """Tasks with the same one are the same on the source's side: a backend may do that once for a row of them."""
        return self.backend, self.source, self.scenarios


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a task: a record for each scenario. `ended`: how a shared boot ended that went wrong, else ''."""

    records: tuple[ResultRecord, ...]
    ended: str = ""


_context: Context | None = None


def initialise(context: Context) -> None:
    """Once per worker process."""
    global _context
    _context = context
    gc.freeze()  # what was inherited stays; looking through it for garbage again and again would only cost
    heed_signals()


def run_batch(tasks: Sequence[Task]) -> list[Answer]:
    """Several runs for one trip between the processes."""
    assert _context is not None, "initialise() was not called"
    answers = []
    with tempfile.TemporaryDirectory(dir=_context.workdir) as folder, Watchdog(_context.timeout) as watchdog:
        for task in tasks:
            watchdog.pat()
            answers.append(_run_task(_context, task, Path(folder), watchdog))
    return answers


def _run_task(context: Context, task: Task, folder: Path, watchdog: Watchdog) -> Answer:
    """One run. Whatever goes wrong in here is ERROR or TIMEOUT, never a verdict."""
    started = perf_counter()
    backend = context.backends[task.backend]
    judged: list[tuple[Outcome, Prediction]] = []
    ended = ""
    files: tuple[Artefact, ...] = ()
    wrong: tuple[Status, str] | None = None
    try:
        with time_limit(context.timeout):
            judged, ended = _observe(context, task, folder)
    except OutOfTimeError as error:
        notes = getattr(error, "__notes__", ())  # of whoever knows what was waited for
        wrong = Status.TIMEOUT, "; ".join((f"the cell took longer than {context.timeout:g} s", *notes))
    except (Exception, SystemExit) as error:
        status = Status.TIMEOUT if isinstance(error, CellTimeoutError) else Status.ERROR
        wrong = status, _no_room(error, context.workdir.parent, _ELSEWHERE) or _describe(error)
    try:
        watchdog.pat()
        end_all()  # before the files are looked at: what still ran could write on
        files = keep(context.artefacts, folder) if _used(folder) else ()
    except Exception as error:
        status, detail = wrong or (Status.ERROR, "its files could not be kept")
        where = context.artefacts.folder
        wrong = status, f"{detail}: {_no_room(error, where, _OTHER_DATABASE) or _describe(error)}"
    finally:
        if _used(folder):
            _empty(folder)
    seconds = perf_counter() - started
    if wrong is not None:
        return failed(*wrong, backend, task, seconds, files)
    return Answer(tuple(_record(*pair, files, seconds) for pair in judged), ended)


def failed(
    status: Status, detail: str, backend: Backend, task: Task, seconds: float = 0.0, files: tuple[Artefact, ...] = ()
) -> Answer:
    """The answer of a task that did not measure anything."""
    record = ResultRecord(
        status=status.value,
        verdict=None,
        evidence=backend.evidence.value,
        detail=detail,
        measured=datetime.now(UTC),
        machine=platform.node(),
        timings={"total": seconds},
        artefacts=files,
    )
    return Answer(tuple(replace(record) for _ in task.scenarios), f"{status.value}: {detail}")


def _observe(context: Context, task: Task, folder: Path) -> tuple[list[tuple[Outcome, Prediction]], str]:
    """(per scenario what was seen and what was foreseen, how a shared boot died)."""
    schema, backend = context.schema, context.backends[task.backend]
    source, target = schema.release(task.source), schema.release(task.target)
    scenarios = [context.library[name] for name in task.scenarios]
    cells = [CellInput(schema, source, target, scenario, task.seed) for scenario in scenarios]
    seen = [backend.run(cells[0], folder)] if len(cells) == 1 else _run_together(backend, cells, folder)
    judged = [
        (judge(observation, backend.evidence), decide(schema, source, target, scenario))
        for observation, scenario in zip(seen, scenarios, strict=True)
    ]
    dead = next((o.panic for o in seen if o.panic), "")
    return judged, f"the death of the target: {dead}" if dead else ""


def _run_together(backend: Backend, cells: Sequence[CellInput], folder: Path) -> list[MachineObservation]:
    assert isinstance(backend, BootingBackend), "only machines that boot are shared"
    seen = list(backend.run_together(cells, folder))
    if len(seen) != len(cells):
        raise HarnessError(f"backend '{backend.name}' answered {len(seen)} of the {len(cells)} cells of a boot")
    return seen


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


def keep(store: ArtefactStore, folder: Path) -> tuple[Artefact, ...]:
    """Every file below the folder, named by its way from there. Sockets, pipes and links are none."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return tuple(store.put(path, path.relative_to(folder).as_posix()) for path in files)


def _no_room(error: BaseException, folder: Path, otherwise: str) -> str:
    """What to tell of a full disk, '' for any other error."""
    if not isinstance(error, OSError) or error.errno not in _FULL:
        return ""
    return f"no room below {folder}: {error.strerror}; free some there, or {otherwise}"


def _describe(error: BaseException) -> str:
    """In one line, where we can: our own words, or type, message and where."""
    if isinstance(error, QualifyError) and str(error):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    where = f" (at {Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{where}"


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
