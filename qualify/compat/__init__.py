# SPDX-License-Identifier: Apache-2.0
"""Prediction from the schema alone: one decision function, the rules behind it, and what it has to say for itself."""

from qualify.compat.compare import Comparison, compare
from qualify.compat.decide import Decider, decide, decide_many, decider
from qualify.compat.explain import Cause, Explanation, ObjectStory, Step, explain
from qualify.compat.rules import CATEGORIES, RULES, Rule, document, rule
from qualify.compat.vmstate import DumpComparer, Rename, Severity, VmFinding, compare_dumps, compare_many
from qualify.compat.vmstate_accepted import (
    Accepted,
    AcceptedFinding,
    Sorted,
    load_accepted,
    shipped_accepted,
    sort_findings,
)

__all__ = [
    "CATEGORIES",
    "RULES",
    "Accepted",
    "AcceptedFinding",
    "Cause",
    "Comparison",
    "Decider",
    "DumpComparer",
    "Explanation",
    "ObjectStory",
    "Rename",
    "Rule",
    "Severity",
    "Sorted",
    "Step",
    "VmFinding",
    "compare",
    "compare_dumps",
    "compare_many",
    "decide",
    "decide_many",
    "decider",
    "document",
    "explain",
    "load_accepted",
    "rule",
    "shipped_accepted",
    "sort_findings",
]
