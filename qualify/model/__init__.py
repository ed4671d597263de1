# SPDX-License-Identifier: Apache-2.0
"""Plain types that every layer shares: verdicts, evidence, observations, predictions. No behaviour beyond ordering."""

from qualify.model.observation import (
    Interface,
    MachineObservation,
    ObjectObservation,
    PropertyObservation,
    PropertyState,
    Reply,
)
from qualify.model.outcome import ObjectOutcome, Outcome
from qualify.model.prediction import Alternative, ObjectPrediction, Prediction, Reason, is_vague
from qualify.model.verdict import Consequence, Direction, Evidence, Finding, Status, Verdict, worst

__all__ = [
    "Alternative",
    "Consequence",
    "Direction",
    "Evidence",
    "Finding",
    "Interface",
    "MachineObservation",
    "ObjectObservation",
    "ObjectOutcome",
    "ObjectPrediction",
    "Outcome",
    "Prediction",
    "PropertyObservation",
    "PropertyState",
    "Reason",
    "Reply",
    "Status",
    "Verdict",
    "is_vague",
    "worst",
]
