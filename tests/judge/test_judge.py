# SPDX-License-Identifier: Apache-2.0
"""The judge's whole truth table: every reply, every mix of property states, with and without a dead target."""

from __future__ import annotations

import itertools

import pytest

from qualify.judge import MACHINE_ID, judge, judge_object
from qualify.model import (
    Consequence,
    Evidence,
    Interface,
    MachineObservation,
    ObjectObservation,
    PropertyObservation,
    PropertyState,
    Reply,
    Status,
    Verdict,
)

PANIC = "Kernel panic - not syncing: luo: failed to restore"

#: (reply, target died, worst property seen) -> verdict, written out by hand from the design, not computed.
TABLE: dict[tuple[Reply, bool, str], Verdict] = {
    (Reply.NOT_OFFERED, False, "none"): Verdict.UNSUPPORTED,
    (Reply.NOT_OFFERED, False, "good"): Verdict.UNSUPPORTED,
    (Reply.NOT_OFFERED, False, "minor"): Verdict.UNSUPPORTED,
    (Reply.NOT_OFFERED, False, "critical"): Verdict.UNSUPPORTED,
    (Reply.NOT_OFFERED, True, "none"): Verdict.UNSUPPORTED,
    (Reply.NOT_OFFERED, True, "good"): Verdict.UNSUPPORTED,
    (Reply.NOT_OFFERED, True, "minor"): Verdict.UNSUPPORTED,
    (Reply.NOT_OFFERED, True, "critical"): Verdict.UNSUPPORTED,
    (Reply.CRASHED, False, "none"): Verdict.PANIC,
    (Reply.CRASHED, False, "good"): Verdict.PANIC,
    (Reply.CRASHED, False, "minor"): Verdict.PANIC,
    (Reply.CRASHED, False, "critical"): Verdict.PANIC,
    (Reply.CRASHED, True, "none"): Verdict.PANIC,
    (Reply.CRASHED, True, "good"): Verdict.PANIC,
    (Reply.CRASHED, True, "minor"): Verdict.PANIC,
    (Reply.CRASHED, True, "critical"): Verdict.PANIC,
    (Reply.REFUSED, False, "none"): Verdict.REFUSED,
    (Reply.REFUSED, False, "good"): Verdict.REFUSED,
    (Reply.REFUSED, False, "minor"): Verdict.REFUSED,
    (Reply.REFUSED, False, "critical"): Verdict.REFUSED,
    (Reply.REFUSED, True, "none"): Verdict.PANIC,
    (Reply.REFUSED, True, "good"): Verdict.PANIC,
    (Reply.REFUSED, True, "minor"): Verdict.PANIC,
    (Reply.REFUSED, True, "critical"): Verdict.PANIC,
    (Reply.AS_COLD, False, "none"): Verdict.LOST,
    (Reply.AS_COLD, False, "good"): Verdict.LOST,
    (Reply.AS_COLD, False, "minor"): Verdict.LOST,
    (Reply.AS_COLD, False, "critical"): Verdict.LOST,
    (Reply.AS_COLD, True, "none"): Verdict.PANIC,
    (Reply.AS_COLD, True, "good"): Verdict.PANIC,
    (Reply.AS_COLD, True, "minor"): Verdict.PANIC,
    (Reply.AS_COLD, True, "critical"): Verdict.PANIC,
    (Reply.GIVEN, False, "none"): Verdict.RESTORED,
    (Reply.GIVEN, False, "good"): Verdict.RESTORED,
    (Reply.GIVEN, False, "minor"): Verdict.DEGRADED,
    (Reply.GIVEN, False, "critical"): Verdict.CORRUPT,
    (Reply.GIVEN, True, "none"): Verdict.PANIC,
    (Reply.GIVEN, True, "good"): Verdict.PANIC,
    (Reply.GIVEN, True, "minor"): Verdict.PANIC,
    (Reply.GIVEN, True, "critical"): Verdict.PANIC,
}

KINDS = [(state, critical) for state in PropertyState for critical in (False, True)]
MIXES = [mix for size in range(4) for mix in itertools.combinations(KINDS, size)]


def properties(mix: tuple[tuple[PropertyState, bool], ...]) -> tuple[PropertyObservation, ...]:
    return tuple(
        PropertyObservation(f"p{i}", state, "1", "2" if state is PropertyState.DIFFERENT else "1", critical)
        for i, (state, critical) in enumerate(mix)
    )


def shade(mix: tuple[tuple[PropertyState, bool], ...]) -> str:
    if (PropertyState.DIFFERENT, True) in mix:
        return "critical"
    if (PropertyState.DIFFERENT, False) in mix:
        return "minor"
    return "good" if mix else "none"


def seen(reply: Reply, **more: object) -> ObjectObservation:
    return ObjectObservation("s/1", "memfd", Interface.RETRIEVE_FD, reply, **more)  # type: ignore[arg-type]


def test_the_table_is_complete() -> None:
    assert set(TABLE) == set(itertools.product(Reply, (False, True), ("none", "good", "minor", "critical")))


@pytest.mark.parametrize("reply", Reply)
@pytest.mark.parametrize("died", [False, True])
def test_truth_table(reply: Reply, died: bool) -> None:
    for mix in MIXES:
        for order in itertools.permutations(mix):
            got = judge_object(seen(reply, properties=properties(order)), PANIC if died else "")
            assert got.verdict is TABLE[reply, died, shade(mix)], (reply, died, order)


@pytest.mark.parametrize("interface", Interface)
@pytest.mark.parametrize("reply", Reply)
@pytest.mark.parametrize("panic", ["", PANIC])
@pytest.mark.parametrize("errno", ["", "EIO"])
def test_every_why_is_one_sentence(interface: Interface, reply: Reply, panic: str, errno: str) -> None:
    for mix in MIXES:
        observation = ObjectObservation("s/1", "memfd", interface, reply, errno, properties(mix))
        why = judge_object(observation, panic).why
        assert why.rstrip(".") + "." == why
        assert why[0].isupper() or why.startswith((str(interface), "open of")), why
        assert " ".join(why.split()) == why


def test_why_names_what_differs_and_where() -> None:
    size = PropertyObservation("size", PropertyState.DIFFERENT, "4194304", "0", critical=True)
    seals = PropertyObservation("seals", PropertyState.DIFFERENT, "F_SEAL_WRITE", "")
    holes = PropertyObservation("holes", PropertyState.NOT_CARRIED, "1", "0")
    assert judge_object(seen(Reply.GIVEN, properties=(size, seals))).why == (
        "RETRIEVE_FD said yes and gave wrong contents (size was 4194304, is 0); nobody was told."
    )
    assert judge_object(seen(Reply.GIVEN, properties=(seals, holes))).why == (
        "The contents came back, but not everything the owner had set: seals was F_SEAL_WRITE, is empty."
    )
    assert "does not carry holes" in judge_object(seen(Reply.GIVEN, properties=(holes,))).why
    assert "with ENOENT" in judge_object(seen(Reply.REFUSED, errno="ENOENT")).why
    assert "The source said no with ENOSPC" in (
        judge_object(ObjectObservation("s", "luo", Interface.SOURCE, Reply.NOT_OFFERED, "ENOSPC")).why
    )
    assert PANIC in judge_object(seen(Reply.GIVEN), PANIC).why


def test_why_shortens_digests() -> None:
    digest = PropertyObservation("digest", PropertyState.DIFFERENT, "a" * 64, "b" * 24, critical=True)
    why = judge_object(seen(Reply.GIVEN, properties=(digest,))).why
    assert f"digest was {'a' * 12}…, is {'b' * 24})" in why


def test_cell_is_the_worst_of_its_objects_and_gathers_consequences() -> None:
    machine = MachineObservation(
        (
            seen(Reply.GIVEN, consequences=frozenset({Consequence.WARNED})),
            seen(Reply.AS_COLD, consequences=frozenset({Consequence.LEAKED})),
            seen(Reply.NOT_OFFERED),
        ),
        consequences=frozenset({Consequence.BLAST_RADIUS}),
        log=("a", "b"),
        timings={"boot": 1.5},
        counters={"pages": 3},
    )
    outcome = judge(machine, Evidence.VM)
    assert outcome.status is Status.DONE
    assert outcome.verdict is Verdict.LOST
    assert outcome.consequences == {Consequence.WARNED, Consequence.LEAKED, Consequence.BLAST_RADIUS}
    assert (outcome.evidence, outcome.log, outcome.timings, outcome.counters) == (
        Evidence.VM,
        ("a", "b"),
        {"boot": 1.5},
        {"pages": 3},
    )


def test_unsupported_counts_only_alone() -> None:
    gone = seen(Reply.NOT_OFFERED)
    assert judge(MachineObservation((gone,)), Evidence.SIMULATED).verdict is Verdict.UNSUPPORTED
    assert judge(MachineObservation((gone, seen(Reply.GIVEN))), Evidence.SIMULATED).verdict is Verdict.RESTORED
    assert judge(MachineObservation(()), Evidence.SIMULATED).verdict is Verdict.UNSUPPORTED


def test_a_dead_target_is_never_unsupported() -> None:
    for objects in ((), (seen(Reply.NOT_OFFERED),)):
        outcome = judge(MachineObservation(objects, panic=PANIC), Evidence.SIMULATED)
        assert outcome.verdict is Verdict.PANIC
        assert outcome.objects[-1].object_id == MACHINE_ID
        assert outcome.detail == PANIC


def test_a_dead_target_with_objects_gets_no_extra_object() -> None:
    outcome = judge(MachineObservation((seen(Reply.CRASHED),), panic=PANIC), Evidence.SIMULATED)
    assert [o.object_id for o in outcome.objects] == ["s/1"]
