# SPDX-License-Identifier: Apache-2.0
"""Reports. A renderer is a pure function from ReportData to text, found by entry point (group ``qualify.reports``)."""

from qualify.report.assemble import assemble
from qualify.report.data import (
    BASELINE,
    CellRow,
    ContradictionGroup,
    DisagreementGroup,
    FailureGroup,
    FileRow,
    FindingGroup,
    ObjectDifference,
    ObjectRow,
    PairRow,
    RealKernels,
    ReleaseRow,
    RepeatRow,
    ReportData,
    ScenarioRow,
    Totals,
)

__all__ = [
    "BASELINE",
    "CellRow",
    "ContradictionGroup",
    "DisagreementGroup",
    "FailureGroup",
    "FileRow",
    "FindingGroup",
    "ObjectDifference",
    "ObjectRow",
    "PairRow",
    "RealKernels",
    "ReleaseRow",
    "RepeatRow",
    "ReportData",
    "ScenarioRow",
    "Totals",
    "assemble",
]
