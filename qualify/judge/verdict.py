# SPDX-License-Identifier: Apache-2.0
"""The one place where what a backend saw becomes a verdict.

=====================================================  ===========
what was seen of the object                            verdict
=====================================================  ===========
nothing was handed over                                UNSUPPORTED
the target died on it, or died after it was offered    PANIC
an answer that a cold boot would not give              REFUSED
the answer of a cold boot                              LOST
given, a critical property differs                     CORRUPT
given, another property differs                        DEGRADED
given, all equal or not carried by the format          RESTORED
=====================================================  ===========

Whether a property is critical (size, digest, data) is a fact of its component, and the backend reports it.
"""

from __future__ import annotations

from qualify.judge import wording
from qualify.model import (
    Evidence,
    Interface,
    MachineObservation,
    ObjectObservation,
    ObjectOutcome,
    Outcome,
    PropertyState,
    Reply,
    Status,
    Verdict,
)

__all__ = ["MACHINE_ID", "judge", "judge_object"]

MACHINE_ID = "(machine)"
"""Stands for the target itself when it died although no object of the scenario had been handed over."""


def judge(observation: MachineObservation, evidence: Evidence) -> Outcome:
    """Judge every object of one cell. `evidence` is the backend's and is passed through."""
    seen = observation.objects
    if observation.panic and all(o.reply is Reply.NOT_OFFERED for o in seen):
        # Otherwise a dead target would be reported as UNSUPPORTED, the most harmless word there is.
        seen += (ObjectObservation(MACHINE_ID, "kho", Interface.BOOT, Reply.CRASHED),)
    objects = tuple(judge_object(o, observation.panic) for o in seen)
    return Outcome(
        status=Status.DONE,
        evidence=evidence,
        objects=objects,
        # a dead machine holds no memory and refuses nobody
        consequences=frozenset()
        if observation.panic
        else observation.consequences.union(*(o.consequences for o in seen)),
        detail=observation.panic,
        log=observation.log,
        timings=dict(observation.timings),
        counters=dict(observation.counters),
    )


def judge_object(observation: ObjectObservation, panic: str = "") -> ObjectOutcome:
    """Judge one object. `panic` is why the target died, '' when it lived."""
    verdict = _verdict(observation, panic)
    return ObjectOutcome(observation, verdict, wording.why(observation, verdict, panic))


def _verdict(observation: ObjectObservation, panic: str) -> Verdict:
    match observation.reply:
        case Reply.NOT_OFFERED:
            return Verdict.UNSUPPORTED
        case Reply.CRASHED:
            return Verdict.PANIC
        case _ if panic:
            # What was given before the target died is of no use to its owner.
            return Verdict.PANIC
        case Reply.REFUSED:
            return Verdict.REFUSED
        case Reply.AS_COLD:
            return Verdict.LOST
        case Reply.GIVEN:
            return _given(observation)


def _given(observation: ObjectObservation) -> Verdict:
    different = [p for p in observation.properties if p.state is PropertyState.DIFFERENT]
    if any(p.critical for p in different):
        return Verdict.CORRUPT
    return Verdict.DEGRADED if different else Verdict.RESTORED
