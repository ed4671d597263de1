# SPDX-License-Identifier: Apache-2.0
"""What the schema says will happen: per object the set of verdicts that can occur, each with its condition."""

from __future__ import annotations

from collections.abc import Sized
from dataclasses import dataclass

from qualify.model.verdict import Consequence, Verdict, worst

__all__ = ["Alternative", "ObjectPrediction", "Prediction", "Reason", "is_vague"]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why, as one rule saw it. `rule` is the rule's id (``KHO001``); `advice` says what to do about it."""

    rule: str
    component: str
    message: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Alternative:
    """One verdict that can happen; `condition` is '' when nothing else can.

    `consequences` can come with it, `certain` of them do whenever it happens.
    """

    verdict: Verdict
    condition: str = ""
    consequences: frozenset[Consequence] = frozenset()
    certain: frozenset[Consequence] = frozenset()


@dataclass(frozen=True, slots=True)
class ObjectPrediction:
    """What can become of one object, worst first."""

    object_id: str
    component: str
    alternatives: tuple[Alternative, ...]
    reasons: tuple[Reason, ...] = ()

    @property
    def verdicts(self) -> frozenset[Verdict]:
        return frozenset(a.verdict for a in self.alternatives)

    @property
    def worst(self) -> Verdict:
        return worst(self.verdicts)


@dataclass(frozen=True, slots=True)
class Prediction:
    """One pair x scenario. `alternatives` are the cell's own (worst over objects, per joint condition), worst first."""

    alternatives: tuple[Alternative, ...]
    objects: tuple[ObjectPrediction, ...]
    reasons: tuple[Reason, ...]

    @property
    def verdicts(self) -> frozenset[Verdict]:
        return frozenset(a.verdict for a in self.alternatives)

    @property
    def worst(self) -> Verdict:
        return worst(self.verdicts)

    def agrees_with(self, verdict: Verdict) -> bool:
        """True when the observed verdict of the cell is one that can happen."""
        return verdict in self.verdicts


def is_vague(verdicts: Sized) -> bool:
    """Whether a prediction set holds more than two verdicts: it is counted, so that vagueness buys no agreement."""
    return len(verdicts) > 2
