# SPDX-License-Identifier: Apache-2.0
"""The oracle under test: a simulator, and a decision, that notice when a format is not what it is taken for."""

from __future__ import annotations

from functools import cache

import pytest

from benchmarks.merged import merged
from benchmarks.mutants import Mutant, mutants
from benchmarks.mutations import EQUIVALENT, RELEASES, Score, measure
from qualify.compat import compare
from qualify.model import Finding
from tests.wire.golden import schema


@cache
def score() -> Score:
    return measure(schema())


def test_every_mutant_is_killed() -> None:
    """Printed by `python -m benchmarks.mutations`."""
    assert score().survivors == ()
    assert len(score().killed) == score().total > 250


def test_mutants_that_change_nothing_are_known_one_by_one() -> None:
    assert {name for _, name in score().equivalent} == set(EQUIVALENT)
    assert all(EQUIVALENT.values())


@pytest.mark.parametrize(
    "kind",
    [
        " swapped", " is u32", " is u64", " has ", " above ", "8 bytes before ", " pages", "bitmap_bytes", "key_width",
        "table_bits", "leaf_bits", "levels", "compatible is ", "version is ", " dropped", " renamed",
        "of another width", "big endian", "another subtree", "another node", "packing turned",
    ],
)  # fmt: skip
def test_every_kind_of_mutation_was_made(kind: str) -> None:
    assert any(kind in name for _, name in score().killed)


def test_mutants_are_laid_out_as_a_compiler_would() -> None:
    """A layout that changes nothing must come out as the schema has it, or every mutant would be another one, too."""
    for label in RELEASES:
        for mutant in mutants(schema(), schema().release(label)):
            same = [n for n in schema().structs if schema().structs[n] == mutant.schema.structs[n]]
            assert len(same) >= len(schema().structs) - 3, mutant.id


@cache
def all_mutants() -> dict[tuple[str, str], Mutant]:
    return {(label, m.id): m for label in RELEASES for m in mutants(schema(), schema().release(label))}


@pytest.mark.parametrize("label", RELEASES)
def test_the_decision_notices_every_killed_mutant(label: str) -> None:
    """`compare` finds the component in the direction in which the simulator noticed."""
    missed = []
    for (owner, name), why in score().killed.items():
        if owner != label or why.endswith("-> UNSUPPORTED"):
            continue  # UNSUPPORTED: the source takes less, which is no matter between two releases
        both, other = merged(schema(), all_mutants()[owner, name], schema().release(owner))
        pair = (both.release(owner), other) if " read: " in why else (other, both.release(owner))
        if all(c.finding is Finding.AGREE for c in compare(both, *pair)):
            missed.append(f"{name}: {why}")
    assert missed == []
