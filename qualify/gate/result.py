# SPDX-License-Identifier: Apache-2.0
"""What a gate is asked (demands), what it knows (facts) and what it says (answer and reasons)."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime

from qualify.model import Consequence, Evidence, Status, Verdict

__all__ = ["ADVICE", "Answer", "Demand", "Fact", "GateReason", "GateResult", "ReasonClass"]


class Answer(enum.StrEnum):
    """May this release go out? In order of precedence, weakest first."""

    YES = "yes"
    UNKNOWN = "unknown"
    NO = "no"
    HARNESS_FAILED = "harness-failed"

    @property
    def exit_status(self) -> int:
        """0, 3, 1 or 4."""
        return _EXIT[self]


_EXIT = {Answer.YES: 0, Answer.UNKNOWN: 3, Answer.NO: 1, Answer.HARNESS_FAILED: 4}


class ReasonClass(enum.StrEnum):
    """Why not yes."""

    FORBIDDEN_VERDICT = "forbidden-verdict"
    FORBIDDEN_CONSEQUENCE = "forbidden-consequence"
    PREDICTED_WORSE = "predicted-worse"
    DISAGREEMENT = "disagreement"
    HARNESS_FAILED = "harness-failed"
    EVIDENCE_MISSING = "evidence-missing"
    EVIDENCE_TOO_WEAK = "evidence-too-weak"
    EVIDENCE_TOO_OLD = "evidence-too-old"
    UNSTABLE = "unstable"
    NOTHING_APPLICABLE = "nothing-applicable"

    @property
    def answer(self) -> Answer:
        """What a reason of this class makes of the answer."""
        return _ANSWERS[self]


_ANSWERS = {
    ReasonClass.FORBIDDEN_VERDICT: Answer.NO,
    ReasonClass.FORBIDDEN_CONSEQUENCE: Answer.NO,
    ReasonClass.PREDICTED_WORSE: Answer.NO,
    ReasonClass.DISAGREEMENT: Answer.NO,
    ReasonClass.HARNESS_FAILED: Answer.HARNESS_FAILED,
    ReasonClass.EVIDENCE_MISSING: Answer.UNKNOWN,
    ReasonClass.EVIDENCE_TOO_WEAK: Answer.UNKNOWN,
    ReasonClass.EVIDENCE_TOO_OLD: Answer.UNKNOWN,
    ReasonClass.UNSTABLE: Answer.UNKNOWN,
    ReasonClass.NOTHING_APPLICABLE: Answer.UNKNOWN,
}

#: ``{cell}`` stands for the pair and scenario as arguments of a command.
ADVICE: dict[ReasonClass, str] = {
    ReasonClass.FORBIDDEN_VERDICT: "do not take these pairs with state preserved; `qualify explain {cell}` says why",
    ReasonClass.FORBIDDEN_CONSEQUENCE: "decide whether the consequence is bearable; the policy says it is not",
    ReasonClass.PREDICTED_WORSE: "one run shows one outcome; `qualify check {cell}` says when the worse one comes",
    ReasonClass.DISAGREEMENT: "schema or backend is wrong about these kernels: find out which",
    ReasonClass.HARNESS_FAILED: "says nothing about kernels: look at the detail, mend the harness, `qualify run` again",
    ReasonClass.EVIDENCE_MISSING: "run a matrix that has these cells: `qualify run MATRIX`",
    ReasonClass.EVIDENCE_TOO_WEAK: "run these cells on a stronger backend: `qualify run MATRIX --backend …`",
    ReasonClass.EVIDENCE_TOO_OLD: "measure again: `qualify run MATRIX --fresh`",
    ReasonClass.UNSTABLE: "find out why repeats differ; until then nobody can promise anything",
    ReasonClass.NOTHING_APPLICABLE: "check 'required_pairs' and 'scenarios' with `qualify policy explain FILE`",
}


@dataclass(frozen=True, slots=True, order=True)
class Demand:
    """One pair x scenario that the policy wants to know about."""

    source: str
    target: str
    scenario: str


@dataclass(frozen=True, slots=True)
class Fact:
    """The newest result of one cell, as far as a gate cares. `verdict` is None exactly when `status` is not DONE.

    `current` is False when schema or scenario have changed since, so that the result is about something else.
    """

    demand: Demand
    backend: str
    status: Status
    verdict: Verdict | None
    evidence: Evidence
    measured: datetime
    consequences: frozenset[Consequence] = frozenset()
    agrees: bool | None = None
    predicted: frozenset[Verdict] = frozenset()  # every verdict that the decision says can happen
    unstable: bool = False
    current: bool = True
    detail: str = ""


@dataclass(frozen=True, slots=True)
class GateReason:
    """One reason. `demand` is None for what concerns the whole policy; `backend` '' for what concerns all of them."""

    cls: ReasonClass
    demand: Demand | None
    backend: str
    message: str


@dataclass(frozen=True, slots=True)
class GateResult:
    """The answer with everything that speaks against yes."""

    policy: str
    answer: Answer
    reasons: tuple[GateReason, ...]
    demanded: int
    """How many pair x scenario were demanded."""

    @property
    def classes(self) -> tuple[ReasonClass, ...]:
        """The classes of the reasons, in the order of the vocabulary."""
        return tuple(c for c in ReasonClass if any(r.cls is c for r in self.reasons))
