# SPDX-License-Identifier: Apache-2.0
"""Observations to verdicts, the same for every backend. Pure: knows no schema, no release, no prediction."""

from qualify.judge.verdict import MACHINE_ID, judge, judge_object

__all__ = ["MACHINE_ID", "judge", "judge_object"]
