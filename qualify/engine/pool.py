# SPDX-License-Identifier: Apache-2.0
"""Running many tasks in processes that may die. A death costs the task that caused it, and no other."""

from __future__ import annotations

import multiprocessing
import sys
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing.process import BaseProcess
from time import perf_counter, sleep

from qualify.backends import Needs
from qualify.engine.interrupt import to_the_end
from qualify.engine.limits import Limits
from qualify.engine.workdir import clear
from qualify.engine.worker import Answer, Context, Task, failed, initialise, keep, run_batch
from qualify.model import Status
from qualify.store import Artefact

__all__ = ["execute"]

#: (numbers of the tasks, their answers) -> tasks that follow from these
OnDone = Callable[[Sequence[int], Sequence[Answer]], Sequence[Task]]

_BATCH_SECONDS = 0.1  # what a kill may cost beyond the cells being run, and what makes the trip worth while
_BATCH_MOST = 64
_REAP_SECONDS = 0.001
_AHEAD = 2  # batches waiting for each worker, so that none idles while the parent writes
_ONE_CORE = Needs()


def execute(tasks: Sequence[Task], context: Context, limits: Limits, on_done: OnDone) -> None:
    """Run every task and those that follow; `on_done` gets each once, in this process, in the order in which they end.

    Tasks are numbered as they come. Boots begin only when they may beside those under way (see `Limits`).
    """
    known = list(tasks)
    waiting = deque(range(len(known)))

    def ended(numbers: Sequence[int], answers: Sequence[Answer]) -> None:
        more = on_done(numbers, answers)
        # Before what is of other cells, so that what has begun comes to its end.
        waiting.extendleft(reversed(range(len(known), len(known) + len(more))))
        known.extend(more)

    while waiting:
        suspects = _run_pool(known, waiting, context, limits, ended)
        for number in suspects:
            clear(context.workdir)  # of what the dead have left there
            ended([number], [_run_alone(known[number], context)])


def _run_pool(
    tasks: Sequence[Task],
    waiting: deque[int],
    context: Context,
    limits: Limits,
    ended: Callable[[Sequence[int], Sequence[Answer]], None],
) -> list[int]:
    """Empty `waiting`; when a worker dies, stop and return the tasks that were under way: one of them did it."""
    suspects: list[int] = []
    flying: dict[Future[list[Answer]], list[int]] = {}
    jobs = limits.jobs
    size, finished, started = 1, 0, perf_counter()
    strangers = multiprocessing.active_children()
    # A boot shared by many may come to many.
    pool = _new_pool(min(jobs, sum(len(tasks[n].scenarios) for n in waiting)), context)
    try:
        while flying or (waiting and not suspects):
            while waiting and not suspects and _may_begin(tasks, waiting[0], flying.values(), limits):
                numbers = _batch(tasks, waiting, min(size, max(1, len(waiting) // (jobs * _AHEAD))))
                try:
                    flying[pool.submit(run_batch, [tasks[n] for n in numbers])] = numbers
                except BrokenProcessPool:
                    suspects += numbers
            for future in wait(flying, return_when=FIRST_COMPLETED).done:
                numbers = flying.pop(future)
                if future.exception() is not None:
                    suspects += numbers
                    continue
                ended(numbers, future.result())
                finished += len(numbers)
                rate = finished / (perf_counter() - started)
                size = max(1, min(_BATCH_MOST, round(_BATCH_SECONDS * rate / jobs)))
    except BaseException:
        _abort(pool, strangers)
        raise
    pool.shutdown()
    return sorted(suspects)


def _may_begin(tasks: Sequence[Task], number: int, flying: Iterable[Sequence[int]], limits: Limits) -> bool:
    """Whether to hand out the task. Others may be queued behind what a worker does now, a boot begins at once."""
    under_way = [tasks[numbers[0]].needs or _ONE_CORE for numbers in flying]
    needs = tasks[number].needs
    if needs is None:
        return len(under_way) < limits.jobs * _AHEAD
    return len(under_way) < limits.jobs and limits.allow(under_way, needs)


def _batch(tasks: Sequence[Task], waiting: deque[int], size: int) -> list[int]:
    """The next `size` tasks, and where these are short ones, those that go with the last of them. A boot goes alone."""
    numbers = [waiting.popleft()]
    while waiting and len(numbers) < _BATCH_MOST:
        last, following = tasks[numbers[-1]], tasks[waiting[0]]
        if last.needs is not None or following.needs is not None:
            break
        if len(numbers) >= size and (size == 1 or following.affinity != last.affinity):
            break
        numbers.append(waiting.popleft())
    return numbers


def _run_alone(task: Task, context: Context) -> Answer:
    """In a process of its own, so that a death is its own doing."""
    started = perf_counter()
    strangers = multiprocessing.active_children()
    pool = _new_pool(1, context)
    try:
        return pool.submit(run_batch, [task]).result()[0]
    except Exception as error:
        seconds = perf_counter() - started
        if seconds > context.timeout:
            status, detail = Status.TIMEOUT, f"the cell did not stop after {context.timeout:g} s"
        elif isinstance(error, BrokenProcessPool):
            status = Status.ERROR
            detail = "the worker process died (killed from outside, out of memory, or a crash in native code)"
        else:
            status, detail = Status.ERROR, f"the worker failed: {type(error).__name__}: {error}"
        return failed(status, detail, context.backends[task.backend], task, seconds, _left_files(context))
    except BaseException:
        _abort(pool, strangers)
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _left_files(context: Context) -> tuple[Artefact, ...]:
    """What a worker that died alone had written: the log of a machine says more than that it died."""
    found: list[Artefact] = []
    with suppress(OSError):
        for folder in context.workdir.iterdir():
            found += keep(context.artefacts, folder)
    return tuple(found)


def _new_pool(jobs: int, context: Context) -> ProcessPoolExecutor:
    # Forked, the workers have schema and scenarios at once and for nothing. The parent has no threads at this point.
    method = "fork" if sys.platform == "linux" else None
    return ProcessPoolExecutor(jobs, multiprocessing.get_context(method), initialise, (context,))


def _abort(pool: ProcessPoolExecutor, strangers: Sequence[BaseProcess]) -> None:
    """Without waiting for cells under way: they were not recorded and will be run again."""
    with to_the_end():
        pool.shutdown(wait=False, cancel_futures=True)
        workers = set(multiprocessing.active_children()).difference(strangers)
        for worker in workers:
            worker.kill()
        for worker in workers:
            # One join is not enough: where the pool's own thread reaps the process, ours returns before that is noted.
            while worker.is_alive():
                worker.join(_REAP_SECONDS)
                sleep(_REAP_SECONDS)
