# SPDX-License-Identifier: Apache-2.0
"""Running many tasks in processes that may die. A death costs the task that caused it, and no other."""

from __future__ import annotations

import multiprocessing
import sys
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.process import BaseProcess
from time import perf_counter, sleep

from qualify.engine.workdir import clear
from qualify.engine.worker import Context, Task, failure, initialise, run_batch
from qualify.model import Status
from qualify.store import ResultRecord

__all__ = ["execute"]

#: (numbers of the tasks, their records)
OnDone = Callable[[Sequence[int], Sequence[ResultRecord]], None]

_BATCH_SECONDS = 0.1  # what a kill may cost beyond the cells being run, and what makes the trip worth while
_BATCH_MOST = 64
_REAP_SECONDS = 0.001
_AHEAD = 2  # batches waiting for each worker, so that none idles while the parent writes


def execute(tasks: Sequence[Task], context: Context, jobs: int, on_done: OnDone) -> None:
    """Run every task; `on_done` gets each exactly once, in this process, in the order in which they end."""
    waiting = deque(range(len(tasks)))
    while waiting:
        suspects = _run_pool(tasks, waiting, context, jobs, on_done)
        for number in suspects:
            clear(context.workdir)  # of what the dead have left there
            on_done([number], [_run_alone(tasks[number], context)])


def _run_pool(tasks: Sequence[Task], waiting: deque[int], context: Context, jobs: int, on_done: OnDone) -> list[int]:
    """Empty `waiting`; when a worker dies, stop and return the tasks that were under way: one of them did it."""
    suspects: list[int] = []
    flying: dict[Future[list[ResultRecord]], list[int]] = {}
    size, finished, started = 1, 0, perf_counter()
    strangers = multiprocessing.active_children()
    pool = _new_pool(min(jobs, len(waiting)), context)
    try:
        while flying or (waiting and not suspects):
            while waiting and not suspects and len(flying) < jobs * _AHEAD:
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
                on_done(numbers, future.result())
                finished += len(numbers)
                rate = finished / (perf_counter() - started)
                size = max(1, min(_BATCH_MOST, round(_BATCH_SECONDS * rate / jobs)))
    except BaseException:
        _abort(pool, strangers)
        raise
    pool.shutdown()
    return sorted(suspects)


def _batch(tasks: Sequence[Task], waiting: deque[int], size: int) -> list[int]:
    """The next `size` tasks, and where these are short ones, those that go with the last of them."""
    numbers = [waiting.popleft() for _ in range(size)]
    while 1 < len(numbers) < _BATCH_MOST and waiting:
        if tasks[waiting[0]].affinity != tasks[numbers[-1]].affinity:
            break
        numbers.append(waiting.popleft())
    return numbers


def _run_alone(task: Task, context: Context) -> ResultRecord:
    """In a process of its own, so that a death is its own doing."""
    started = perf_counter()
    strangers = multiprocessing.active_children()
    pool = _new_pool(1, context)
    try:
        return pool.submit(run_batch, [task]).result()[0]
    except Exception as error:
        seconds = perf_counter() - started
        backend = context.backends[task.backend]
        if seconds > context.timeout:
            return failure(Status.TIMEOUT, backend, f"the cell did not stop after {context.timeout:g} s", seconds)
        if isinstance(error, BrokenProcessPool):
            detail = "the worker process died (killed from outside, out of memory, or a crash in native code)"
        else:
            detail = f"the worker failed: {type(error).__name__}: {error}"
        return failure(Status.ERROR, backend, detail, seconds)
    except BaseException:
        _abort(pool, strangers)
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _new_pool(jobs: int, context: Context) -> ProcessPoolExecutor:
    # Forked, the workers have schema and scenarios at once and for nothing. The parent has no threads at this point.
    method = "fork" if sys.platform == "linux" else None
    return ProcessPoolExecutor(jobs, multiprocessing.get_context(method), initialise, (context,))


def _abort(pool: ProcessPoolExecutor, strangers: Sequence[BaseProcess]) -> None:
    """Without waiting for cells under way: they were not recorded and will be run again."""
    pool.shutdown(wait=False, cancel_futures=True)
    workers = set(multiprocessing.active_children()).difference(strangers)
    for worker in workers:
        worker.kill()
    for worker in workers:
        # One join is not enough: where the pool's own thread reaps the process, ours returns before the end is noted.
        while worker.is_alive():
            worker.join(_REAP_SECONDS)
            sleep(_REAP_SECONDS)
