# SPDX-License-Identifier: Apache-2.0
"""The release gate: a policy file against stored evidence gives yes, no or unknown, with reasons as classes."""

from qualify.gate.basis import Basis, basis
from qualify.gate.evaluate import evaluate
from qualify.gate.facts import load_facts
from qualify.gate.loader import load_policy, read_policy
from qualify.gate.policy import PairSelector, Policy
from qualify.gate.result import ADVICE, Answer, Demand, Fact, GateReason, GateResult, ReasonClass
from qualify.gate.selection import demands
from qualify.gate.wording import age_in_words, plural

__all__ = [
    "ADVICE",
    "Answer",
    "Basis",
    "Demand",
    "Fact",
    "GateReason",
    "GateResult",
    "PairSelector",
    "Policy",
    "ReasonClass",
    "age_in_words",
    "basis",
    "demands",
    "evaluate",
    "load_facts",
    "load_policy",
    "plural",
    "read_policy",
]
