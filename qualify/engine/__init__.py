# SPDX-License-Identifier: Apache-2.0
"""Plan to execution: resume, sharing of equal runs, workers that may die. The only writer of the store."""

from qualify.engine.current import load_current
from qualify.engine.inputs import tool_version
from qualify.engine.plan import Group, Outstanding, Plan, group, outstanding, plan
from qualify.engine.run import DEFAULT_TIMEOUT, Progress, RunSummary, default_jobs, run_matrix

__all__ = [
    "DEFAULT_TIMEOUT",
    "Group",
    "Outstanding",
    "Plan",
    "Progress",
    "RunSummary",
    "default_jobs",
    "group",
    "load_current",
    "outstanding",
    "plan",
    "run_matrix",
    "tool_version",
]
