# SPDX-License-Identifier: Apache-2.0
"""Which pairs of the chosen releases a matrix means, in an order that never changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from qualify.matrix.model import Matrix, PairRule
from qualify.model import Direction
from qualify.schema import Release, Schema

__all__ = ["Pair", "select_pairs"]


@dataclass(frozen=True, slots=True)
class Pair:
    """Source -> target, by label."""

    source: str
    target: str
    direction: Direction


def select_pairs(matrix: Matrix, releases: Sequence[Release], schema: Schema) -> tuple[Pair, ...]:
    """By source, then by target, both in the order of the schema; a spelt-out list keeps its own order."""
    pairs = (Pair(s.label, t.label, schema.direction(s, t)) for s, t in _candidates(matrix, releases, schema))
    return tuple(dict.fromkeys(pair for pair in pairs if pair.direction in matrix.directions))


def _candidates(matrix: Matrix, releases: Sequence[Release], schema: Schema) -> Iterator[tuple[Release, Release]]:
    if not isinstance(matrix.pairs, PairRule):
        for pair in matrix.pairs:
            yield schema.release(pair.source), schema.release(pair.target)
        return
    for i, source in enumerate(releases):
        for k, target in enumerate(releases):
            if _meets(matrix.pairs, abs(i - k)):
                yield source, target


def _meets(rule: PairRule, distance: int) -> bool:
    match rule:
        case PairRule.ALL:
            return True
        case PairRule.NEIGHBOURS:
            return distance == 1
        case PairRule.SAME:
            return distance == 0
        case PairRule.SAME_AND_NEIGHBOURS:
            return distance <= 1
