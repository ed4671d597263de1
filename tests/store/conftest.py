# SPDX-License-Identifier: Apache-2.0
"""Databases with some results in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from qualify.matrix import Cell
from qualify.model import (
    Alternative,
    Consequence,
    Evidence,
    Interface,
    ObjectObservation,
    ObjectOutcome,
    ObjectPrediction,
    Outcome,
    Prediction,
    PropertyObservation,
    PropertyState,
    Reason,
    Reply,
    Status,
    Verdict,
)
from qualify.store import (
    CellKeys,
    NewRun,
    ReleaseKey,
    ResultRecord,
    RunWriter,
    ScenarioKey,
    Store,
    dump_log,
    dump_outcome,
    dump_prediction,
    open_store,
    ranked,
)

MEASURED = datetime(2026, 11, 22, 21, 0, 0, 123456, tzinfo=UTC)

OUTCOME = Outcome(
    Status.DONE,
    Evidence.SIMULATED,
    (
        ObjectOutcome(
            ObjectObservation(
                "memfd/qual/0x1a",
                "memfd",
                Interface.RETRIEVE_FD,
                Reply.GIVEN,
                properties=(
                    PropertyObservation("digest", PropertyState.EQUAL, "ab", "ab", critical=True),
                    PropertyObservation("seals", PropertyState.DIFFERENT, "seal", "none"),
                ),
                notes=("first", "second"),
            ),
            Verdict.DEGRADED,
            "seals are gone",
        ),
        ObjectOutcome(
            ObjectObservation(
                "session/qual",
                "luo-session",
                Interface.DEVICE_OPEN,
                Reply.REFUSED,
                errno="EIO",
                consequences=frozenset({Consequence.LEAKED, Consequence.BLAST_RADIUS}),
            ),
            Verdict.REFUSED,
            "open answered EIO",
        ),
    ),
    frozenset({Consequence.LEAKED}),
    "a detail",
    ("line one", "line two"),
    {"boot": 0.25},
    {"pages": 1 << 40},
)

REASON = Reason("KHO001", "kho", "strings differ", "update first")
PREDICTION = Prediction(
    (Alternative(Verdict.LOST, "placed high", frozenset({Consequence.WARNED})), Alternative(Verdict.REFUSED)),
    (
        ObjectPrediction("memfd/qual/0x1a", "memfd", (Alternative(Verdict.DEGRADED),), (REASON,)),
        ObjectPrediction("session/qual", "luo-session", (Alternative(Verdict.REFUSED),), (REASON,)),
    ),
    (REASON,),
)


@pytest.fixture
def outcome() -> Outcome:
    return OUTCOME


@pytest.fixture
def prediction() -> Prediction:
    return PREDICTION


@pytest.fixture
def record() -> ResultRecord:
    """One measured result, as a worker hands it over."""
    return ResultRecord(
        status="DONE",
        verdict="REFUSED",
        evidence="simulated",
        detail=OUTCOME.detail,
        measured=MEASURED,
        machine="box",
        consequences=["leaked"],
        timings=OUTCOME.timings,
        counters=OUTCOME.counters,
        predicted_worst="LOST",
        predicted=ranked(PREDICTION.verdicts),
        agrees=True,
        outcome=dump_outcome(OUTCOME, PREDICTION),
        prediction=dump_prediction(PREDICTION),
        log=dump_log(OUTCOME.log),
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "a.sqlite") as opened:
        yield opened


def keys(source: str, target: str, digest: str = "d" * 64) -> CellKeys:
    return CellKeys(Cell(source, target, "baseline", "simulator"), digest)


@pytest.fixture
def begin() -> Callable[..., RunWriter]:
    """Begins a run over releases A, B and C."""

    def _begin(store: Store, uid: str, *cells: CellKeys) -> RunWriter:
        run = NewRun(uid, "m", "1" * 64, "2" * 64, "0.1.0", None, datetime.now(UTC), {"node": "box"})
        releases = [ReleaseKey(label, label.lower() * 64, "2" * 64, "read") for label in "ABC"]
        writer = RunWriter(store, run, releases, [ScenarioKey("baseline", "3" * 64)])
        writer.register(cells)
        return writer

    return _begin
