# SPDX-License-Identifier: Apache-2.0
"""Prediction from the schema alone: one decision function, the rules behind it, and what it has to say for itself."""

from qualify.compat.compare import Comparison, compare
from qualify.compat.decide import Decider, decide, decide_many, decider
from qualify.compat.explain import Cause, Explanation, ObjectStory, Step, explain
from qualify.compat.rules import CATEGORIES, RULES, Rule, document, rule

__all__ = [
    "CATEGORIES",
    "RULES",
    "Cause",
    "Comparison",
    "Decider",
    "Explanation",
    "ObjectStory",
    "Rule",
    "Step",
    "compare",
    "decide",
    "decide_many",
    "decider",
    "document",
    "explain",
    "rule",
]
