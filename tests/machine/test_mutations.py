# SPDX-License-Identifier: Apache-2.0
"""The oracle under test: a simulator, and a decision, that notice when a format is not what it is taken for."""

from __future__ import annotations

from functools import cache

import pytest

from benchmarks.merged import merged
from benchmarks.mutants import Mutant, mutants
from benchmarks.mutations import EQUIVALENT, RELEASES, Score, measure
from qualify.compat import compare, decide
from qualify.model import Finding, Verdict
from qualify.scenario import KexecMetadata
from tests.machine.bench import scenario, trip
from tests.wire.golden import schema


@cache
def score() -> Score:
    return measure(schema())


def test_every_mutant_is_killed_or_explained() -> None:
    """Printed by `python -m benchmarks.mutations`."""
    assert score().unexplained == ()
    assert len(score().killed) + len(EQUIVALENT) == score().total > 280


def test_mutants_that_change_nothing_are_known_one_by_one() -> None:
    assert {name for _, name in score().survivors} == set(EQUIVALENT)
    assert all(EQUIVALENT.values())


def test_a_count_that_equals_the_version_hides_nothing() -> None:
    """After the first kexec both are 1; EVERYTHING counts on."""
    name = "kho_kexec_metadata: version and kexec_count swapped"
    assert any(mutant == name for _, mutant in score().killed)


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
            # at most kho_vmalloc and the three layouts of a memfd that hold one
            assert len(same) >= len(schema().structs) - 4, mutant.id


@pytest.mark.parametrize(("count", "verdict"), [(1, Verdict.RESTORED), (3, Verdict.LOST)])
def test_the_decision_goes_by_the_count_that_the_source_writes(count: int, verdict: Verdict) -> None:
    """Version and count in each other's place: nobody notices as long as both are 1."""
    release = schema().release("7.1.13")
    mutant = all_mutants()["7.1.13", "kho_kexec_metadata: version and kexec_count swapped"]
    both, other = merged(schema(), mutant, release)
    plan = scenario(KexecMetadata(kind="kexec-metadata", count=count))
    assert decide(both, both.release("7.1.13"), other, plan).worst is verdict
    seen = trip("7.1.13", "7.1.13", plan, schemas=(schema(), mutant.schema))
    assert seen.verdict is verdict


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
