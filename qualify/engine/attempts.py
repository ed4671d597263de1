# SPDX-License-Identifier: Apache-2.0
"""What follows from an answer: rows to write, and what is run again. Pure; `qualify.engine.run` does what it says.

A cell's answer out of a shared boot counts when the machine lived and the verdict is one that was foreseen. Otherwise
the cell is run alone: what kills or disturbs others must not be held against them. What went wrong alone is tried
again, as often as retries allow, and every attempt is a row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from qualify.engine.worker import Answer, Task
from qualify.model import Status
from qualify.store import Artefact, ResultRecord, dump_log, load_log

__all__ = ["Attempts", "Ended", "Recorded"]

_OURS = "qualify: "  # before what we say among the lines of a log


@dataclass(frozen=True, slots=True)
class Recorded:
    """A row to write for every cell of the group `number`. `attempt` counts those it had before in this run."""

    number: int
    record: ResultRecord
    attempt: int


@dataclass(frozen=True, slots=True)
class Ended:
    """What a task's end gives: rows, new tasks, and the groups that have nothing more to come."""

    recorded: tuple[Recorded, ...] = ()
    tasks: tuple[Task, ...] = ()
    finished: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class _Step:
    """A task with what is to be done about its answer."""

    task: Task
    groups: tuple[int, ...]
    left: int  # retries
    notes: tuple[str, ...] = ()
    files: tuple[Artefact, ...] = ()  # of the shared boot that went wrong
    shared: ResultRecord | None = None  # what the cell got out of one, which nobody foresaw


class Attempts:
    """The tasks of a run by number, first those it begins with, and what is known of their groups."""

    def __init__(
        self,
        parts: Iterable[tuple[int, ...]],
        task_of: Callable[[Sequence[int]], Task],
        retries: Callable[[Task], int],
        note: Callable[[Task], str] = lambda _: "",
        repeat: int = 1,
    ) -> None:
        """`parts`: group numbers by task. `note`: what is to be told of a task, '' for nothing."""
        self._task_of, self._note = task_of, note
        begun = [(numbers, task_of(numbers)) for numbers in parts]
        self._steps = [self._step(_Step(task, numbers, retries(task))) for numbers, task in begun * repeat]
        self._open = Counter(number for step in self._steps for number in step.groups)
        self._rows: Counter[int] = Counter()
        self.notes: dict[str, None] = {n: None for step in self._steps for n in step.notes}
        self.boots = 0

    @property
    def tasks(self) -> list[Task]:
        """Those that the run begins with, until the first has ended."""
        return [step.task for step in self._steps]

    @property
    def again(self) -> int:
        """How many rows there are beyond the first of each group."""
        return sum(self._rows.values()) - len(self._rows)

    def ended(self, number: int, answer: Answer) -> Ended:
        """Take an answer. The tasks that follow from it have the next numbers, in their order."""
        step = self._steps[number]
        self.boots += step.task.needs is not None
        return self._alone(step, answer.records[0]) if len(step.groups) == 1 else self._together(step, answer)

    def _together(self, step: _Step, answer: Answer) -> Ended:
        recorded: list[Recorded] = []
        following: list[_Step] = []
        finished: list[int] = []
        names = _listed(step.task.scenarios)
        for number, record in zip(step.groups, answer.records, strict=True):
            alone = _Step(self._task_of([number]), (number,), step.left)
            if answer.ended:
                notes = (f"a boot shared by {names} ended with {answer.ended}; this cell was then run alone",)
                files = tuple(replace(file, name=f"shared-boot/{file.name}") for file in record.artefacts)
                following.append(self._step(replace(alone, notes=notes, files=files)))
                continue
            record = _told(record, (*step.notes, f"one boot answered {names}"))
            if record.agrees is False:
                following.append(self._step(replace(alone, shared=record, notes=(_unforeseen(names, record),))))
            else:
                recorded.append(self._row(number, record))
                finished += self._finish(number)
        return Ended(tuple(recorded), self._follow(following), tuple(finished))

    def _alone(self, step: _Step, record: ResultRecord) -> Ended:
        (number,) = step.groups
        rows = [_told(record, step.notes, step.files)]
        if step.shared is not None and step.shared.verdict != record.verdict:
            rows.insert(0, step.shared)
        recorded = tuple(self._row(number, row) for row in rows)
        if (record.status == Status.DONE and record.agrees is not False) or not step.left:
            return Ended(recorded, (), tuple(self._finish(number)))
        outcome = record.verdict or record.status
        notes = (f"run again: the attempt before gave {outcome}{_because(record)}",)
        again = self._step(_Step(step.task, step.groups, step.left - 1, notes))
        return Ended(recorded, self._follow([again]))

    def _step(self, step: _Step) -> _Step:
        note = self._note(step.task)
        return replace(step, notes=(note, *step.notes)) if note else step

    def _follow(self, steps: Sequence[_Step]) -> tuple[Task, ...]:
        self._steps += steps
        return tuple(step.task for step in steps)

    def _row(self, number: int, record: ResultRecord) -> Recorded:
        self._rows[number] += 1
        return Recorded(number, record, self._rows[number] - 1)

    def _finish(self, number: int) -> list[int]:
        self._open[number] -= 1
        return [] if self._open[number] else [number]


def _told(record: ResultRecord, notes: Sequence[str], files: tuple[Artefact, ...] = ()) -> ResultRecord:
    """The record with our words before its log, and more files."""
    if not notes and not files:
        return record
    known = load_log(record.log.body) if record.log is not None else ()
    log = dump_log((*(_OURS + note for note in notes), *known))
    return replace(record, log=log, artefacts=(*record.artefacts, *files))


def _unforeseen(names: str, record: ResultRecord) -> str:
    return f"a boot shared by {names} gave {record.verdict}, which was not predicted; this cell was then run alone"


def _because(record: ResultRecord) -> str:
    return f" ({record.detail})" if record.detail else ", which was not predicted"


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"
