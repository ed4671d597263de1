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
    places = _places(releases)
    for source in releases:
        for target in releases:
            if _meets(matrix.pairs, places[source.label], places[target.label]):
                yield source, target


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a release stands: the rank of its version, and its number among the variants of it (0: the base)."""

    rank: int
    variant: int

    def next_to(self, other: _Place) -> bool:
        """One version on, base to base; or a variant and its own base."""
        if self.rank == other.rank:
            return (self.variant == 0) != (other.variant == 0)
        return abs(self.rank - other.rank) == 1 and self.variant == other.variant == 0


def _places(releases: Sequence[Release]) -> dict[str, _Place]:
    """By label. A variant (a configuration, a downstream tree) must not stand between two versions."""
    versions: dict[tuple[int, ...], list[Release]] = {}
    for release in releases:
        versions.setdefault(release.version_key, []).append(release)
    found = {}
    for rank, key in enumerate(sorted(versions)):
        # the base is the one that is called by its version, where there is one
        for number, release in enumerate(sorted(versions[key], key=lambda r: r.label != r.version)):
            found[release.label] = _Place(rank, number)
    return found


def _meets(rule: PairRule, source: _Place, target: _Place) -> bool:
    match rule:
        case PairRule.ALL:
            return True
        case PairRule.NEIGHBOURS:
            return source.next_to(target)
        case PairRule.SAME:
            return source == target
        case PairRule.SAME_AND_NEIGHBOURS:
            return source == target or source.next_to(target)
