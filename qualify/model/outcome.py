# SPDX-License-Identifier: Apache-2.0
"""What a cell gave, judged."""

from __future__ import annotations

from dataclasses import dataclass, field

from qualify.model.observation import ObjectObservation
from qualify.model.verdict import Consequence, Evidence, Status, Verdict, worst

__all__ = ["ObjectOutcome", "Outcome"]


@dataclass(frozen=True, slots=True)
class ObjectOutcome:
    """One object with its verdict and the sentence that says why."""

    observation: ObjectObservation
    verdict: Verdict
    why: str

    @property
    def object_id(self) -> str:
        return self.observation.object_id


@dataclass(frozen=True, slots=True)
class Outcome:
    """One cell. `verdict` is None exactly when `status` is not DONE."""

    status: Status
    evidence: Evidence
    objects: tuple[ObjectOutcome, ...] = ()
    consequences: frozenset[Consequence] = frozenset()
    detail: str = ""  # the panic line, or what broke the harness
    log: tuple[str, ...] = ()
    timings: dict[str, float] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict | None:
        return worst(o.verdict for o in self.objects) if self.status is Status.DONE else None
