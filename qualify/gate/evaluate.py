# SPDX-License-Identifier: Apache-2.0
"""A policy against facts. Pure: time is an argument.

Whatever speaks against a release counts, however weak or old its evidence; what speaks for it must be strong and fresh.
What was measured with another schema, scenario or tool speaks of something else, neither for nor against.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from qualify.gate.policy import Policy
from qualify.gate.result import Answer, Demand, Fact, GateReason, GateResult, ReasonClass
from qualify.gate.wording import age_in_words
from qualify.model import Status, Verdict

__all__ = ["evaluate", "satisfies"]

_PRECEDENCE = tuple(Answer)
_CLOCK_SKEW = timedelta(minutes=5)
"""How far ahead of ours the clock of another machine may be. A date beyond that says nothing about age."""


def evaluate(policy: Policy, demanded: Sequence[Demand], facts: Iterable[Fact], now: datetime) -> GateResult:
    """Answer for all of `demanded`; facts about anything else are ignored."""
    known: dict[Demand, list[Fact]] = {demand: [] for demand in demanded}
    for fact in facts:
        if fact.demand in known:
            known[fact.demand].append(fact)
    reasons = [reason for demand, about in known.items() for reason in _reasons(policy, demand, about, now)]
    if not reasons and not _applicable(known.values()):
        reasons = [GateReason(ReasonClass.NOTHING_APPLICABLE, None, "", _nothing(known))]
    answer = max((r.cls.answer for r in reasons), key=_PRECEDENCE.index, default=Answer.YES)
    return GateResult(policy.name, answer, tuple(reasons), len(known))


def _applicable(known: Iterable[list[Fact]]) -> bool:
    """Whether anything at all was handed over and came back somehow."""
    return any(f.current and f.verdict not in (None, Verdict.UNSUPPORTED) for facts in known for f in facts)


def _nothing(known: dict[Demand, list[Fact]]) -> str:
    if not known:
        return "the policy selects no pair or no scenario, so there is nothing to say yes to"
    if len(known) == 1:
        return "the one demanded cell is UNSUPPORTED: nothing was handed over in it"
    return f"all {len(known)} demanded cells are UNSUPPORTED: nothing was handed over in any of them"


def _reasons(policy: Policy, demand: Demand, facts: list[Fact], now: datetime) -> Iterator[GateReason]:
    done = [f for f in facts if f.current and f.status is Status.DONE]
    for fact in done:
        yield from _against(policy, fact)
    yield from _lacking(policy, demand, facts, done, now)


def _against(policy: Policy, fact: Fact) -> Iterator[GateReason]:
    """What one result says against the release."""
    verdict = fact.verdict
    if verdict is Verdict.UNSUPPORTED:
        if not policy.allow_unsupported:
            yield _reason(ReasonClass.FORBIDDEN_VERDICT, fact, "UNSUPPORTED, and the policy does not allow it")
    elif verdict not in policy.allowed_verdicts:
        allowed = " or ".join(policy.allowed_verdicts)
        yield _reason(ReasonClass.FORBIDDEN_VERDICT, fact, f"{verdict}; allowed is {allowed}")
    for consequence in sorted(fact.consequences & frozenset(policy.forbidden_consequences)):
        yield _reason(ReasonClass.FORBIDDEN_CONSEQUENCE, fact, f"{verdict} with '{consequence}', which is forbidden")
    worse = fact.predicted - {*policy.allowed_verdicts, Verdict.UNSUPPORTED, verdict}
    if worse and fact.agrees is not False and not policy.allow_predicted_worse:
        text = f"{verdict} was observed, {' or '.join(sorted(worse))} can happen too"
        yield _reason(ReasonClass.PREDICTED_WORSE, fact, text)
    if fact.agrees is False and not policy.allow_disagreement:
        yield _reason(ReasonClass.DISAGREEMENT, fact, f"{verdict} is not what was predicted")
    if fact.unstable:
        yield _reason(ReasonClass.UNSTABLE, fact, "repeats of this cell differ")


def _lacking(
    policy: Policy, demand: Demand, facts: list[Fact], done: list[Fact], now: datetime
) -> Iterator[GateReason]:
    """What is missing for a yes. One backend that satisfies the policy is enough, whatever became of the others."""
    done = [f for f in done if f.newest]
    strong = [f for f in done if _strong(policy, f)]
    if any(_fresh(policy, f, now) for f in strong):
        return
    broken = [f for f in facts if f.current and f.status in (Status.ERROR, Status.TIMEOUT)]
    for fact in broken:
        yield _reason(ReasonClass.HARNESS_FAILED, fact, f"{fact.status}: {fact.detail or 'no detail'}")
    stale = [f for f in facts if f.newest and not f.current]
    missed = [f for f in stale if f.status is Status.DONE and _strong(policy, f)]
    if strong:
        fact = max(strong, key=lambda f: f.measured)
        yield _reason(ReasonClass.EVIDENCE_TOO_OLD, fact, _too_old(policy, fact, now))
    elif missed or (stale and not done):
        yield _stale(max(missed or stale, key=lambda f: f.measured))
    elif done:
        fact = max(done, key=lambda f: f.evidence.strength)
        message = f"evidence is {fact.evidence}; the policy demands {policy.minimum_evidence}"
        yield _reason(ReasonClass.EVIDENCE_TOO_WEAK, fact, message)
    elif not broken:
        yield GateReason(ReasonClass.EVIDENCE_MISSING, demand, "", "never run")


def _stale(fact: Fact) -> GateReason:
    what = f"{fact.verdict or fact.status}, measured on {fact.measured:%Y-%m-%d}"
    return _reason(ReasonClass.EVIDENCE_TOO_OLD, fact, f"{what}; schema, scenario or tool have changed since")


def satisfies(policy: Policy, fact: Fact, now: datetime) -> bool:
    """Whether a measured fact is current, strong and fresh enough to speak for a release."""
    return fact.current and _strong(policy, fact) and _fresh(policy, fact, now)


def _strong(policy: Policy, fact: Fact) -> bool:
    return fact.evidence.strength >= policy.minimum_evidence.strength


def _fresh(policy: Policy, fact: Fact, now: datetime) -> bool:
    return policy.maximum_age is None or -_CLOCK_SKEW <= now - fact.measured <= policy.maximum_age


def _too_old(policy: Policy, fact: Fact, now: datetime) -> str:
    day = f"measured on {fact.measured:%Y-%m-%d}"
    if not fact.current:
        return f"{day}; schema or scenario have changed since"
    if fact.measured > now:
        return f"{day}, which is in the future, so its age is unknown: a clock is wrong, here or where it was measured"
    assert policy.maximum_age is not None  # only a policy with an age calls anything too old
    return f"{day}; the policy allows {age_in_words(policy.maximum_age)}"


def _reason(cls: ReasonClass, fact: Fact, message: str) -> GateReason:
    hidden = "" if fact.newest else "; found before a later run failed"
    return GateReason(cls, fact.demand, fact.backend, message + hidden)
