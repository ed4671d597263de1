# SPDX-License-Identifier: Apache-2.0
"""Databases filled with the cells of a matrix without running anything: each result is what a test says it is."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from qualify.matrix import Cell, Selection, load_matrix, select
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
from qualify.scenario import library
from qualify.schema import Schema, load
from qualify.store import (
    CellKeys,
    NewRun,
    ReleaseKey,
    ResultRecord,
    RunWriter,
    ScenarioKey,
    dump_log,
    dump_outcome,
    dump_prediction,
    open_store,
)

__all__ = ["Said", "fill", "selection", "shipped"]


@dataclass(frozen=True)
class Said:
    """One result. Without a verdict: the status says why."""

    verdict: Verdict | None = Verdict.RESTORED
    status: Status = Status.DONE
    evidence: Evidence = Evidence.SIMULATED
    consequences: frozenset[Consequence] = frozenset()
    agrees: bool = True
    measured: datetime | None = None
    detail: str = ""
    fingerprint: str = ""


@cache
def shipped() -> Schema:
    return load()


@cache
def selection(matrix: str = "window") -> Selection:
    return select(load_matrix(matrix), shipped(), library())


def fill(path: Path, say: Callable[[Cell], Said | None], matrix: str = "window", inputs: str = "1") -> Path:
    """One run over the matrix; a cell of which nothing is said stays without a result.

    `inputs` stands for all that goes into a cell: with the same, a second run repeats the first.
    """
    chosen, schema = selection(matrix), shipped()
    said = [(cell, result) for cell in chosen.cells if (result := say(cell)) is not None]
    changed = {result.fingerprint for _, result in said if result.fingerprint}
    releases = [
        ReleaseKey(r.label, next(iter(changed), schema.fingerprint(r)), schema.digest, "read") for r in chosen.releases
    ]
    scenarios = [ScenarioKey(s.id, s.digest) for s in chosen.scenarios]
    run = NewRun(uuid.uuid4().hex, "m", "0" * 64, schema.digest, "test", None, datetime.now(UTC), {})
    with open_store(str(path)) as store:
        writer = RunWriter(store, run, releases, scenarios)
        keys = [CellKeys(cell, inputs * 64) for cell, _ in said]
        writer.register(keys)
        writer.record([(_record(result), [key]) for key, (_, result) in zip(keys, said, strict=True)])
    return path


def _record(said: Said) -> ResultRecord:
    measured = said.measured or datetime.now(UTC)
    if said.verdict is None:
        return ResultRecord(said.status.value, None, said.evidence.value, said.detail, measured, "host")
    digest = PropertyObservation("digest", PropertyState.EQUAL, "3f9a", "3f9a", critical=True)
    seen = ObjectObservation(
        "reserve_mem/qual", "reserve-mem", Interface.RESERVE_MEM, Reply.GIVEN, properties=(digest,)
    )
    objects = (ObjectOutcome(seen, said.verdict, "Because the test says so."),)
    outcome = Outcome(Status.DONE, said.evidence, objects, said.consequences)
    predicted = (Alternative(said.verdict if said.agrees else Verdict.PANIC, "always"),)
    reason = Reason("KHO001", "kho", "The strings are what they are.", "Nothing.")
    prediction = Prediction(predicted, (ObjectPrediction("reserve_mem/qual", "reserve-mem", predicted),), (reason,))
    return ResultRecord(
        status=Status.DONE.value,
        verdict=said.verdict.value,
        evidence=said.evidence.value,
        detail=said.detail,
        measured=measured,
        machine="host",
        consequences=sorted(said.consequences),
        predicted_worst=prediction.worst.value,
        predicted=[a.verdict.value for a in predicted],
        agrees=said.agrees,
        outcome=dump_outcome(outcome, prediction),
        prediction=dump_prediction(prediction),
        log=dump_log(["KHO: found kexec handover data."]),
    )
