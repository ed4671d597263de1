# SPDX-License-Identifier: Apache-2.0
"""The gate's answer over all combinations of what a result can be and what a policy can allow."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from qualify.gate import ADVICE, Answer, Basis, Demand, Fact, PairSelector, Policy, ReasonClass, basis, evaluate
from qualify.model import Consequence, Evidence, Status, Verdict

NOW = datetime(2026, 12, 1, tzinfo=UTC)
CELL = Demand("6.19.11", "7.0.13", "baseline")
R = ReasonClass


def policy(**keys: object) -> Policy:
    base: dict[str, object] = {
        "name": "p",
        "required_pairs": (PairSelector(source=CELL.source, target=CELL.target),),
        "allowed_verdicts": (Verdict.RESTORED, Verdict.DEGRADED),
        "forbidden_consequences": (Consequence.LEAKED,),
        "minimum_evidence": Evidence.TRANSPLANTED,
        "maximum_age": timedelta(days=30),
    }
    return Policy.model_validate(base | keys)


def fact(**keys: object) -> Fact:
    base: dict[str, object] = {
        "demand": CELL,
        "backend": "simulator",
        "status": Status.DONE,
        "verdict": Verdict.RESTORED,
        "evidence": Evidence.VM,
        "measured": NOW - timedelta(days=1),
        "agrees": True,
    }
    return Fact(**(base | keys))  # type: ignore[arg-type]


def expected(p: Policy, f: Fact) -> set[ReasonClass]:
    """What must be said, from the words of the design; written without a look at the code."""
    if f.status is Status.MISSING:
        return {R.EVIDENCE_MISSING}
    if not f.current:
        return {R.EVIDENCE_TOO_OLD}
    if f.status is not Status.DONE:
        return {R.HARNESS_FAILED}
    said = set()
    if f.verdict is Verdict.UNSUPPORTED:
        if not p.allow_unsupported:
            said.add(R.FORBIDDEN_VERDICT)
    elif f.verdict not in (Verdict.RESTORED, Verdict.DEGRADED):
        said.add(R.FORBIDDEN_VERDICT)
    if Consequence.LEAKED in f.consequences:
        said.add(R.FORBIDDEN_CONSEQUENCE)
    if f.agrees is False and not p.allow_disagreement:
        said.add(R.DISAGREEMENT)
    if f.unstable:
        said.add(R.UNSTABLE)
    if f.evidence in (Evidence.STATIC, Evidence.SIMULATED):
        said.add(R.EVIDENCE_TOO_WEAK)
    elif f.measured < NOW - timedelta(days=30):
        said.add(R.EVIDENCE_TOO_OLD)
    if not said and f.verdict is Verdict.UNSUPPORTED:
        said.add(R.NOTHING_APPLICABLE)
    return said


def answer(said: set[ReasonClass]) -> tuple[Answer, int]:
    """Precedence 4, 1, 3, 0."""
    if R.HARNESS_FAILED in said:
        return Answer.HARNESS_FAILED, 4
    if said & {R.FORBIDDEN_VERDICT, R.FORBIDDEN_CONSEQUENCE, R.DISAGREEMENT, R.PREDICTED_WORSE}:
        return Answer.NO, 1
    return (Answer.UNKNOWN, 3) if said else (Answer.YES, 0)


def combinations() -> Iterator[Fact]:
    ages = (timedelta(0), timedelta(days=30), timedelta(days=30, seconds=1))
    consequences: tuple[frozenset[Consequence], ...] = (
        frozenset(),
        frozenset({Consequence.LEAKED}),
        frozenset({Consequence.WARNED}),
    )
    rest = (Evidence, ages, consequences, (True, False, None), (True, False), (True, False))
    for verdict in Verdict:
        for evidence, age, c, agrees, unstable, current in itertools.product(*rest):
            yield fact(
                verdict=verdict,
                evidence=evidence,
                measured=NOW - age,
                consequences=c,
                agrees=agrees,
                unstable=unstable,
                current=current,
            )
    for status, evidence in itertools.product((Status.ERROR, Status.TIMEOUT, Status.MISSING), Evidence):
        yield fact(status=status, verdict=None, evidence=evidence, agrees=None)
        if status is not Status.MISSING:
            yield fact(status=status, verdict=None, evidence=evidence, agrees=None, current=False)


@pytest.mark.parametrize("allow_unsupported", [True, False])
@pytest.mark.parametrize("allow_disagreement", [True, False])
def test_truth_table(allow_unsupported: bool, allow_disagreement: bool) -> None:
    p = policy(allow_unsupported=allow_unsupported, allow_disagreement=allow_disagreement)
    facts = list(combinations())
    assert len(facts) > 3000
    for f in facts:
        result = evaluate(p, [CELL], [f], NOW)
        said = expected(p, f)
        assert set(result.classes) == said, f
        assert (result.answer, result.answer.exit_status) == answer(said), f


def test_yes() -> None:
    result = evaluate(policy(), [CELL], [fact()], NOW)
    assert (result.answer, result.reasons, result.answer.exit_status) == (Answer.YES, (), 0)


def test_an_empty_selection_is_unknown_never_yes() -> None:
    result = evaluate(policy(), [], [fact()], NOW)
    assert result.answer.exit_status == 3
    assert result.reasons[0].message == "the policy selects no pair or no scenario, so there is nothing to say yes to"


def test_only_unsupported_is_nothing_applicable() -> None:
    result = evaluate(policy(), [CELL], [fact(verdict=Verdict.UNSUPPORTED)], NOW)
    assert result.classes == (R.NOTHING_APPLICABLE,)
    assert result.reasons[0].message == "the one demanded cell is UNSUPPORTED: nothing was handed over in it"


def test_unsupported_beside_restored_is_yes() -> None:
    other = Demand(CELL.source, CELL.target, "memfd")
    facts = [fact(), fact(demand=other, verdict=Verdict.UNSUPPORTED)]
    assert evaluate(policy(), [CELL, other], facts, NOW).answer is Answer.YES


def test_a_cell_without_any_fact_is_missing() -> None:
    other = Demand("a", "b", "c")
    result = evaluate(policy(), [CELL, other], [fact()], NOW)
    assert [(r.cls, r.demand) for r in result.reasons] == [(R.EVIDENCE_MISSING, other)]
    assert result.answer is Answer.UNKNOWN


def test_facts_about_other_cells_are_ignored() -> None:
    other = fact(demand=Demand("x", "y", "z"), verdict=Verdict.CORRUPT)
    assert evaluate(policy(), [CELL], [fact(), other], NOW).answer is Answer.YES


def test_one_backend_that_satisfies_is_enough() -> None:
    weak = fact(backend="static", evidence=Evidence.STATIC)
    broken = fact(backend="qemu", status=Status.ERROR, verdict=None, detail="no qemu")
    assert evaluate(policy(), [CELL], [weak, broken, fact()], NOW).answer is Answer.YES


def test_a_broken_backend_counts_when_the_others_do_not_satisfy() -> None:
    weak = fact(backend="static", evidence=Evidence.STATIC)
    broken = fact(backend="qemu", status=Status.TIMEOUT, verdict=None, detail="no answer within 60 s")
    result = evaluate(policy(), [CELL], [weak, broken], NOW)
    assert set(result.classes) == {R.HARNESS_FAILED, R.EVIDENCE_TOO_WEAK}
    assert result.answer.exit_status == 4
    assert "TIMEOUT: no answer within 60 s" in {r.message for r in result.reasons}


def test_a_weak_or_old_no_is_still_a_no() -> None:
    bad = fact(backend="old", verdict=Verdict.CORRUPT, evidence=Evidence.STATIC, measured=NOW - timedelta(days=999))
    result = evaluate(policy(), [CELL], [fact(), bad], NOW)
    assert result.classes == (R.FORBIDDEN_VERDICT,)
    assert result.reasons[0].message == "CORRUPT; allowed is RESTORED or DEGRADED"
    assert result.reasons[0].backend == "old"


@pytest.mark.parametrize("verdict", Verdict)
def test_what_was_measured_with_something_else_is_no_evidence_either_way(verdict: Verdict) -> None:
    stale = fact(verdict=verdict, current=False, agrees=False, unstable=True, consequences=frozenset(Consequence))
    result = evaluate(policy(), [CELL], [stale], NOW)
    assert (result.classes, result.answer.exit_status) == ((R.EVIDENCE_TOO_OLD,), 3)
    assert evaluate(policy(), [CELL], [stale, fact(backend="qemu")], NOW).answer is Answer.YES
    nothing = fact(backend="qemu", verdict=Verdict.UNSUPPORTED)
    assert evaluate(policy(), [CELL], [stale, nothing], NOW).classes == (R.NOTHING_APPLICABLE,)


def test_stale_beside_weak_names_the_one_that_running_again_would_mend() -> None:
    weak = fact(backend="simulator", evidence=Evidence.SIMULATED)
    strong = fact(backend="qemu", current=False)
    assert evaluate(policy(), [CELL], [weak, strong], NOW).classes == (R.EVIDENCE_TOO_OLD,)
    as_weak = fact(backend="static", evidence=Evidence.STATIC, current=False)
    assert evaluate(policy(), [CELL], [weak, as_weak], NOW).classes == (R.EVIDENCE_TOO_WEAK,)


def test_a_later_failure_does_not_hide_what_speaks_against() -> None:
    lost = fact(verdict=Verdict.LOST, newest=False)
    failed = fact(status=Status.ERROR, verdict=None, agrees=None, detail="no space")
    result = evaluate(policy(), [CELL], [failed, lost], NOW)
    assert [(r.cls, r.message) for r in result.reasons] == [
        (R.FORBIDDEN_VERDICT, "LOST; allowed is RESTORED or DEGRADED; found before a later run failed"),
        (R.HARNESS_FAILED, "ERROR: no space"),
    ]
    assert result.answer.exit_status == 4
    elsewhere = evaluate(policy(), [CELL], [failed, lost, fact(backend="qemu")], NOW)
    assert (elsewhere.classes, elsewhere.answer.exit_status) == ((R.FORBIDDEN_VERDICT,), 1)


def test_a_later_failure_is_not_papered_over_with_what_speaks_for() -> None:
    failed = fact(status=Status.ERROR, verdict=None, agrees=None)
    result = evaluate(policy(), [CELL], [failed, fact(newest=False)], NOW)
    assert (result.classes, result.answer.exit_status) == ((R.HARNESS_FAILED,), 4)


def test_what_a_failure_hides_is_no_evidence_when_it_is_stale() -> None:
    failed = fact(status=Status.ERROR, verdict=None, agrees=None, current=False)
    lost = fact(verdict=Verdict.LOST, newest=False, current=False)
    result = evaluate(policy(), [CELL], [failed, lost], NOW)
    assert [r.message.partition(",")[0] for r in result.reasons] == ["ERROR"]
    assert result.classes == (R.EVIDENCE_TOO_OLD,)


def test_strong_but_old_and_weak_but_fresh_is_too_old() -> None:
    old = fact(backend="qemu", measured=datetime(2026, 1, 2, tzinfo=UTC))
    weak = fact(backend="simulator", evidence=Evidence.SIMULATED)
    result = evaluate(policy(), [CELL], [old, weak], NOW)
    assert [r.message for r in result.reasons] == ["measured on 2026-01-02; the policy allows 30 days"]
    assert result.answer is Answer.UNKNOWN


def test_messages_say_what_is_lacking() -> None:
    def said(f: Fact, **keys: object) -> str:
        return evaluate(policy(**keys), [CELL], [f], NOW).reasons[0].message

    weak, old = fact(evidence=Evidence.SIMULATED), fact(measured=NOW - timedelta(hours=13))
    assert said(weak) == "evidence is simulated; the policy demands transplanted"
    assert said(old, maximum_age="12h") == "measured on 2026-11-30; the policy allows 12 hours"
    changed = "measured on 2026-11-30; schema, scenario or tool have changed since"
    assert said(fact(current=False)) == f"RESTORED, {changed}"
    assert said(fact(current=False, status=Status.ERROR, verdict=None)) == f"ERROR, {changed}"
    assert said(fact(agrees=False)) == "RESTORED is not what was predicted"
    assert said(fact(unstable=True)) == "repeats of this cell differ"
    leaked = fact(consequences=frozenset({Consequence.LEAKED}))
    assert said(leaked) == "RESTORED with 'leaked', which is forbidden"
    unsupported = fact(verdict=Verdict.UNSUPPORTED)
    assert said(unsupported, allow_unsupported=False) == "UNSUPPORTED, and the policy does not allow it"


def test_without_a_maximum_age_nothing_is_too_old() -> None:
    ancient = fact(measured=datetime(2001, 1, 1, tzinfo=UTC))
    assert evaluate(policy(maximum_age=None), [CELL], [ancient], NOW).answer is Answer.YES


def test_a_date_in_the_future_says_nothing_about_age() -> None:
    tomorrow = fact(measured=NOW + timedelta(days=1))
    result = evaluate(policy(), [CELL], [tomorrow], NOW)
    assert (result.answer, result.classes) == (Answer.UNKNOWN, (R.EVIDENCE_TOO_OLD,))
    assert result.reasons[0].message == (
        "measured on 2026-12-02, which is in the future, so its age is unknown: "
        "a clock is wrong, here or where it was measured"
    )
    assert evaluate(policy(maximum_age=None), [CELL], [tomorrow], NOW).answer is Answer.YES


@pytest.mark.parametrize(("ahead", "answer"), [(5, Answer.YES), (6, Answer.UNKNOWN)])
def test_clocks_may_differ_by_a_few_minutes(ahead: int, answer: Answer) -> None:
    skewed = fact(measured=NOW + timedelta(minutes=ahead))
    assert evaluate(policy(), [CELL], [skewed], NOW).answer is answer


@pytest.mark.parametrize(
    ("age", "words"), [("1h", "1 hour"), ("12h", "12 hours"), ("24h", "1 day"), ("36h", "36 hours")]
)
def test_ages_are_said_in_the_unit_that_fits(age: str, words: str) -> None:
    old = fact(measured=NOW - timedelta(days=9))
    reason = evaluate(policy(maximum_age=age), [CELL], [old], NOW).reasons[0]
    assert reason.message == f"measured on 2026-11-22; the policy allows {words}"


def test_an_answer_rests_on_the_evidence_that_serves_it() -> None:
    other = Demand(CELL.source, CELL.target, "memfd")
    old = fact(backend="board", evidence=Evidence.HARDWARE, measured=NOW - timedelta(days=90))
    weak = fact(backend="simulator", evidence=Evidence.SIMULATED)
    broken = fact(backend="qemu", status=Status.ERROR, verdict=None)
    good = fact(backend="qemu", measured=NOW - timedelta(days=2))
    found = basis(policy(), [old, weak, good, broken, fact(demand=other, backend="vm2")], NOW)
    assert found == Basis(2, (Evidence.VM,), NOW - timedelta(days=2), NOW - timedelta(days=1), ("qemu", "vm2"))
    assert basis(policy(), [weak, old], NOW) == Basis(1, (Evidence.HARDWARE,), old.measured, old.measured, ("board",))
    assert basis(policy(), [broken], NOW) is None


def test_every_class_has_an_answer_and_advice() -> None:
    assert set(ADVICE) == set(ReasonClass)
    assert {c.answer for c in ReasonClass} == set(Answer) - {Answer.YES}
    assert {a: a.exit_status for a in Answer} == {
        Answer.YES: 0,
        Answer.UNKNOWN: 3,
        Answer.NO: 1,
        Answer.HARNESS_FAILED: 4,
    }


@pytest.mark.parametrize("allowed", [True, False])
@pytest.mark.parametrize(
    ("predicted", "bad"),
    [
        ({Verdict.RESTORED}, False),
        ({Verdict.RESTORED, Verdict.UNSUPPORTED}, False),
        ({Verdict.RESTORED, Verdict.DEGRADED}, False),
        ({Verdict.RESTORED, Verdict.PANIC}, True),
        ({Verdict.RESTORED, Verdict.CORRUPT}, True),
    ],
)
def test_what_can_happen_counts_although_it_did_not(predicted: set[Verdict], bad: bool, allowed: bool) -> None:
    p = policy(allow_predicted_worse=allowed)
    found = evaluate(p, [CELL], [fact(predicted=frozenset(predicted))], NOW)
    assert [r.cls for r in found.reasons] == ([R.PREDICTED_WORSE] if bad and not allowed else [])
    assert found.answer is (Answer.NO if bad and not allowed else Answer.YES)
