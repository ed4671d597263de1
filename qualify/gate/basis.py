# SPDX-License-Identifier: Apache-2.0
"""What an answer rests on: how strong and how old the evidence is, and where it came from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from qualify.gate.evaluate import satisfies
from qualify.gate.policy import Policy
from qualify.gate.result import Demand, Fact
from qualify.model import Evidence, Status

__all__ = ["Basis", "basis"]


@dataclass(frozen=True, slots=True)
class Basis:
    """The best evidence for each demanded cell, taken together. `cells` is how many have any."""

    cells: int
    evidence: tuple[Evidence, ...]  # the weakest first
    oldest: datetime
    newest: datetime
    backends: tuple[str, ...]


def basis(policy: Policy, facts: Iterable[Fact], now: datetime) -> Basis | None:
    """Over the fact for each cell that serves the policy best; None when nothing was measured."""
    best: dict[Demand, Fact] = {}
    for fact in facts:
        if fact.status is Status.DONE:
            known = best.get(fact.demand)
            if known is None or _rank(policy, fact, now) > _rank(policy, known, now):
                best[fact.demand] = fact
    if not best:
        return None
    chosen = best.values()
    return Basis(
        cells=len(best),
        evidence=tuple(sorted({f.evidence for f in chosen}, key=lambda e: e.strength)),
        oldest=min(f.measured for f in chosen),
        newest=max(f.measured for f in chosen),
        backends=tuple(sorted({f.backend for f in chosen})),
    )


def _rank(policy: Policy, fact: Fact, now: datetime) -> tuple[bool, int, datetime]:
    return satisfies(policy, fact, now), fact.evidence.strength, fact.measured
