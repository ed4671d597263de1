# SPDX-License-Identifier: Apache-2.0
"""One cell of a report and what belongs to it: objects, files, repeats, and what the simulator says of that cell."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from qualify.model import Alternative, Consequence, Evidence, PropertyObservation, Reason, Status, Verdict

__all__ = ["CellRow", "FileRow", "ObjectDifference", "ObjectRow", "RepeatRow", "serial_log"]


@dataclass(frozen=True, slots=True)
class ObjectRow:
    """One object of a cell: what was seen and what was predicted."""

    object_id: str
    component: str
    verdict: Verdict
    why: str
    interface: str = ""
    reply: str = ""
    errno: str = ""
    consequences: tuple[Consequence, ...] = ()
    properties: tuple[PropertyObservation, ...] = ()
    notes: tuple[str, ...] = ()
    predicted: tuple[Verdict, ...] = ()


@dataclass(frozen=True, slots=True)
class FileRow:
    """A file that a run left, in the artefact store under its digest. `size` in bytes."""

    name: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class RepeatRow:
    """One of several runs of a cell with the same input. `verdict` is None exactly when `status` is not DONE."""

    status: Status
    verdict: Verdict | None
    measured: datetime
    machine: str = ""
    detail: str = ""
    files: tuple[FileRow, ...] = ()


@dataclass(frozen=True, slots=True)
class ObjectDifference:
    """An object that the simulator and the real kernel judge differently; None: it does not occur there.

    Without an `object_id` it is the cell as a whole.
    """

    object_id: str
    component: str
    simulated: Verdict | None
    observed: Verdict | None


@dataclass(frozen=True, slots=True)
class CellRow:
    """One cell. `verdict` is None exactly when `status` is not DONE; `agrees` is None where nothing was compared."""

    source: str
    target: str
    scenario: str
    backend: str
    status: Status
    verdict: Verdict | None = None
    evidence: Evidence | None = None
    consequences: tuple[Consequence, ...] = ()
    predicted: tuple[Alternative, ...] = ()
    agrees: bool | None = None
    unstable: bool = False
    detail: str = ""
    created: datetime | None = None
    shared: bool = False
    stale: bool = False  # measured with another version of schema, scenario or tool than today's
    same_verdict: Verdict | None = None  # of source -> source, same scenario and backend
    objects: tuple[ObjectRow, ...] = ()
    reasons: tuple[Reason, ...] = ()
    log: tuple[str, ...] = ()
    kind: Evidence | None = None  # what its backend gives, also where this cell gave nothing
    planned: bool = True  # by the matrix; else it only stands beside one that is
    files: tuple[FileRow, ...] = ()
    repeats: tuple[RepeatRow, ...] = ()  # oldest first, where they differ
    simulated: Verdict | None = None  # on a real kernel's cell: what the simulator observed in the same cell
    differences: tuple[ObjectDifference, ...] = ()  # from what the simulator observed

    @property
    def predicted_verdicts(self) -> tuple[Verdict, ...]:
        """The prediction set, worst first, each verdict once."""
        return tuple(dict.fromkeys(a.verdict for a in self.predicted))

    @property
    def same_as_itself(self) -> bool:
        """Whether the source does no better to itself: the change of kernel adds nothing."""
        if self.verdict is None or self.same_verdict is None:
            return False
        return self.verdict.severity <= self.same_verdict.severity

    @property
    def excused(self) -> bool:
        """Something happened, and it is the same as itself. What came back whole needs no excuse."""
        return self.same_as_itself and self.verdict not in (Verdict.RESTORED, Verdict.UNSUPPORTED)

    @property
    def real(self) -> bool:
        """Whether kernel code ran, and not our model of it; also of a cell whose run gave no verdict."""
        kind = self.evidence or self.kind
        return kind is not None and kind.strength > Evidence.SIMULATED.strength

    @property
    def contradicts(self) -> bool:
        """Whether prediction or simulator say otherwise than was observed."""
        return self.agrees is False or bool(self.differences)

    @property
    def standing(self) -> tuple[bool, bool, int]:
        """What makes one backend's cell stand for pair and scenario: measured, of today's input, strong evidence."""
        return self.verdict is not None, not self.stale, self.evidence.strength if self.evidence else -1


def serial_log(files: tuple[FileRow, ...]) -> FileRow | None:
    """The log of the machine: ``serial.log`` in whatever folder, else the first log there is."""
    logs = [f for f in files if f.name.endswith(".log")]
    return next((f for f in logs if f.name.rpartition("/")[2] == "serial.log"), logs[0] if logs else None)
