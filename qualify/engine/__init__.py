# SPDX-License-Identifier: Apache-2.0
"""Plan to execution: resume, sharing of equal runs, workers that may die. The only writer of the store."""

from qualify.engine.current import load_current
from qualify.engine.inputs import tool_version
from qualify.engine.limits import Limits, available_memory, default_jobs
from qualify.engine.plan import Group, LeftOut, Outstanding, Plan, expressible, group, outstanding, plan
from qualify.engine.run import DEFAULT_TIMEOUT, Options, Progress, RunSummary, run_matrix

__all__ = [
    "DEFAULT_TIMEOUT",
    "Group",
    "LeftOut",
    "Limits",
    "Options",
    "Outstanding",
    "Plan",
    "Progress",
    "RunSummary",
    "available_memory",
    "default_jobs",
    "expressible",
    "group",
    "load_current",
    "outstanding",
    "plan",
    "run_matrix",
    "tool_version",
]
