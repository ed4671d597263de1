# SPDX-License-Identifier: Apache-2.0
"""The error tree. Everything qualify raises on purpose descends from :class:`QualifyError`.

QualifyError                    exit status 4 unless a subclass says otherwise
├── InputError                  2: something the user wrote; carries every problem found, each with its place
│   ├── SchemaError
│   ├── ScenarioError
│   ├── MatrixError
│   ├── PolicyError
│   └── UsageError              2: an unknown name, a flag that does not fit
├── StoreError                  2: a database that cannot be used as it is
│   └── NoDatabaseError         2: there is none yet; a gate takes it for missing evidence
├── WireError                   bytes that a decoder refuses; never reaches the user as a traceback
│   ├── TruncatedError          a structure runs past the end of what holds it
│   ├── PointerError            a physical address outside RAM, or misaligned
│   ├── CountError              a count or length field that its container cannot hold
│   ├── CycleError              a linked structure that does not end
│   ├── MagicError              bytes that are not of this format, or of another version of it
│   └── EncodeError             a value the format cannot express
└── HarnessError                4: the tool broke, not the kernels
    └── CellTimeoutError        4: no answer in time, and no kernel is known to be to blame
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

__all__ = [
    "CellTimeoutError",
    "CountError",
    "CycleError",
    "EncodeError",
    "HarnessError",
    "InputError",
    "MagicError",
    "MatrixError",
    "NoDatabaseError",
    "PointerError",
    "PolicyError",
    "Problem",
    "Problems",
    "QualifyError",
    "ScenarioError",
    "SchemaError",
    "StoreError",
    "TruncatedError",
    "UsageError",
    "WireError",
]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake in one file. `line` and `column` count from 1; 0 means unknown."""

    file: str
    line: int
    column: int
    message: str
    hint: str = ""

    def __str__(self) -> str:
        place = self.file if not self.line else f"{self.file}:{self.line}:{self.column}"
        return f"{place}: {self.message}" + (f"\n    {self.hint}" if self.hint else "")


class QualifyError(Exception):
    """Base of the tree. `exit_status` is what the command line returns for it."""

    exit_status = 4


class InputError(QualifyError):
    """One or more mistakes in what the user wrote, gathered and reported together."""

    exit_status = 2

    def __init__(self, problems: list[Problem] | tuple[Problem, ...] | str) -> None:
        if isinstance(problems, str):
            problems = (Problem("", 0, 0, problems),)
        self.problems: tuple[Problem, ...] = tuple(sorted(problems))
        super().__init__("\n".join(str(p).removeprefix(": ") for p in self.problems))


class Problems:
    """Mistakes gathered over several steps, so that they are told in one go and not one per attempt."""

    def __init__(self) -> None:
        self.found: list[Problem] = []

    def add(self, problems: Iterable[Problem]) -> None:
        """Note some, each once."""
        self.found += [p for p in dict.fromkeys(problems) if p not in self.found]

    def take(self, step: Callable[[], T]) -> T | None:
        """What a step gives; None when its input is wrong, which is noted."""
        try:
            return step()
        except InputError as error:
            self.add(error.problems)
            return None

    def check(self) -> None:
        """InputError with everything that was noted, if anything was."""
        if self.found:
            raise InputError(self.found)


class SchemaError(InputError):
    """The serialization schema does not load."""


class ScenarioError(InputError):
    """A scenario file does not load."""


class MatrixError(InputError):
    """A matrix file does not load or selects nothing."""


class PolicyError(InputError):
    """A release policy does not load."""


class UsageError(InputError):
    """A name or flag on the command line that does not fit."""


class StoreError(QualifyError):
    """A database that is not ours, is newer than this tool, or is damaged."""

    exit_status = 2


class NoDatabaseError(StoreError):
    """No database where one was named: nothing, or an empty file."""


class WireError(QualifyError):
    """Bytes that a decoder refuses. `offset` is where, in bytes from the start or as a physical address."""

    def __init__(self, message: str, *, offset: int | None = None) -> None:
        self.offset = offset
        super().__init__(message if offset is None else f"{message} (at {offset:#x})")


class TruncatedError(WireError):
    """A structure runs past the end of the bytes that hold it."""


class PointerError(WireError):
    """A physical address that is not RAM, or not aligned as its format demands."""


class CountError(WireError):
    """A count or length that its container cannot hold."""


class CycleError(WireError):
    """A linked structure that comes back to itself or exceeds the number of links memory could hold."""


class MagicError(WireError):
    """Bytes that do not begin as the format does: another format, or another version of it."""


class EncodeError(WireError):
    """A value that the format cannot express."""


class HarnessError(QualifyError):
    """The harness itself failed; says nothing about any kernel."""


class CellTimeoutError(HarnessError):
    """A machine gave no answer in time, and nothing shows that a kernel is to blame. Status TIMEOUT, not ERROR."""
