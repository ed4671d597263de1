# SPDX-License-Identifier: Apache-2.0
"""A database with cells of real kernels beside simulated ones, written through the store, with real artefact files."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from qualify.backends import backend
from qualify.engine import tool_version
from qualify.engine.inputs import Inputs
from qualify.errors import HarnessError, UsageError
from qualify.matrix import Cell, Matrix, Selection, select
from qualify.model import (
    Alternative,
    Evidence,
    Interface,
    ObjectObservation,
    ObjectOutcome,
    ObjectPrediction,
    Outcome,
    Prediction,
    PropertyObservation,
    PropertyState,
    Reply,
    Status,
    Verdict,
)
from qualify.report import ReportData
from qualify.report.load import load_report
from qualify.scenario import library
from qualify.schema import Schema, load
from qualify.store import (
    Artefact,
    CellKeys,
    NewRun,
    ReleaseKey,
    ResultRecord,
    RunWriter,
    ScenarioKey,
    Store,
    dump_outcome,
    dump_prediction,
    open_store,
)

__all__ = [
    "HOSTILE_LOG",
    "LABELS",
    "SCENARIOS",
    "Ran",
    "cell_of",
    "chosen",
    "fill",
    "loaded",
    "page_data",
    "report_of",
    "story",
]

LABELS = ("6.18.15", "6.19.11", "7.1.13", "7.3.4")
SCENARIOS = ("baseline", "memfd-dense")
NOW = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)

HOSTILE_LOG = (
    b"\x1bc\x1b[?7l\x1b[2JSeaBIOS (version 1.16.2)\r\n[    0.000000] Linux version 7.1.13\r\n"
    b"</script><script>alert(1)</script><img src=x onerror=alert(2)>\r\n\x00\xff\xfe \xe2\x80\xae gnp.exe\r\n"
    b"[    1.500000] Kernel panic - not syncing: luo: FLB node missing\r\n"
)


@dataclass(frozen=True)
class Ran:
    """One result: the verdict of each of two objects, and the files of its run."""

    session: Verdict | None
    memfd: Verdict | None = None
    predicted: tuple[Verdict, ...] = (Verdict.RESTORED,)
    status: Status = Status.DONE
    detail: str = ""
    files: tuple[tuple[str, bytes], ...] = ()


@cache
def loaded() -> Schema:
    return load()


@cache
def chosen(*backends: str) -> Selection:
    """The pairs of four releases in two scenarios on these backends."""
    plan = Matrix.model_validate(
        {
            "name": "real",
            "title": "Real kernels",
            "releases": {"labels": list(LABELS)},
            "pairs": "all",
            "scenarios": {"ids": list(SCENARIOS)},
            "backends": list(backends),
        }
    )
    return select(plan, loaded(), library())


def cell_of(source: str, target: str, scenario: str = "baseline", backend: str = "qemu") -> Cell:
    return Cell(source, target, scenario, backend)


def fill(store: Store, said: Iterable[tuple[Cell, Ran]], at: datetime = NOW) -> None:
    """One run, with the files of each cell put into the artefact store as the engine does."""
    schema, all_said = loaded(), list(said)
    chosen_ = chosen("simulator", "qemu")
    run = NewRun(uuid.uuid4().hex, "real", "0" * 64, schema.digest, tool_version(), None, at, {})
    releases = [ReleaseKey(r.label, schema.fingerprint(r), schema.digest, "boot") for r in chosen_.releases]
    writer = RunWriter(store, run, releases, [ScenarioKey(s.id, s.digest) for s in chosen_.scenarios])
    keys = [CellKeys(cell, _digest(cell)) for cell, _ in all_said]
    writer.register(keys)
    writer.record([(_record(store, c, r, at), [k]) for k, (c, r) in zip(keys, all_said, strict=True)])
    writer.finish({})


@cache
def _inputs() -> Inputs:
    return Inputs(loaded(), library(), cache(backend))


def _digest(cell: Cell) -> str:
    """What a run would give the cell today; of a backend that is not installed anything that stays the same."""
    with suppress(UsageError, HarnessError):
        return _inputs().digest(cell, None)
    return "d" * 64


def _record(store: Store, cell: Cell, ran: Ran, at: datetime) -> ResultRecord:
    evidence = Evidence.SIMULATED if cell.backend == "simulator" else Evidence.VM
    files = tuple(_put(store, name, contents) for name, contents in ran.files)
    if ran.status is not Status.DONE:
        return ResultRecord(ran.status.value, None, evidence.value, ran.detail, at, "lab-1", artefacts=files)
    seen = [("session/qual", "luo-session", ran.session), ("memfd/qual/0x1a", "memfd", ran.memfd or ran.session)]
    outcome = Outcome(Status.DONE, evidence, tuple(_object(*o) for o in seen if o[2] is not None), detail=ran.detail)
    chances = tuple(Alternative(v) for v in ran.predicted)
    prediction = Prediction(chances, tuple(ObjectPrediction(i, c, chances, ()) for i, c, _ in seen), ())
    assert outcome.verdict is not None
    return ResultRecord(
        status="DONE",
        verdict=outcome.verdict.value,
        evidence=evidence.value,
        detail=ran.detail,
        measured=at,
        machine="lab-1",
        predicted_worst=prediction.worst.value,
        predicted=[v.value for v in ran.predicted],
        agrees=prediction.agrees_with(outcome.verdict),
        outcome=dump_outcome(outcome, prediction),
        prediction=dump_prediction(prediction),
        artefacts=files,
    )


def _object(object_id: str, component: str, verdict: Verdict | None) -> ObjectOutcome:
    assert verdict is not None
    state = PropertyState.DIFFERENT if verdict is Verdict.CORRUPT else PropertyState.EQUAL
    digest = PropertyObservation("digest", state, "3f9a", "3f9a" if state is PropertyState.EQUAL else "5a5a", True)
    given = verdict in (Verdict.RESTORED, Verdict.CORRUPT)
    seen = ObjectObservation(
        object_id,
        component,
        Interface.RETRIEVE_FD,
        Reply.GIVEN if given else Reply.REFUSED,
        "" if given else "EIO",
        (digest,) if given else (),
    )
    return ObjectOutcome(seen, verdict, "Because the test says so.")


def _put(store: Store, name: str, contents: bytes) -> Artefact:
    file = store.artefacts.folder.parent / "left-by-a-run"
    file.write_bytes(contents)
    try:
        return store.artefacts.put(file, name)
    finally:
        file.unlink()


def boot(source: str, target: str, last: str = "qualify: done") -> tuple[tuple[str, bytes], ...]:
    """The files of one boot."""
    lines = [f"[    {n / 100:.6f}] {source} says line {n}" for n in range(200)]
    log = "\r\n".join(
        [*lines, f"kexec_core: Starting new kernel {target}", f"[    0.000000] Linux version {target}", last]
    )
    return (
        ("serial.log", log.encode() + b"\r\n"),
        ("records.jsonl", json.dumps({"record": "object", "id": "session/qual", "source": source}).encode() + b"\n"),
        ("results.ktap", b"KTAP version 1\n1..2\nok 1 session/qual\nok 2 memfd/qual/0x1a\n"),
        ("machine.json", json.dumps({"accelerator": "tcg", "memory": 1 << 30}).encode()),
        ("source/out/fdt", b"\xd0\x0d\xfe\xed" + bytes(60)),
    )


def story(store: Store) -> None:
    """Everything that happens: agreement, both kinds of contradiction, failures, and a cell whose repeats differ."""
    pairs = [(s, t) for s in LABELS for t in LABELS]
    old = [(cell_of(s, t, k, "simulator"), Ran(Verdict.RESTORED)) for s, t in pairs for k in SCENARIOS]
    fill(store, old, NOW - timedelta(days=2))
    special = {
        # the simulator is wrong of one object
        ("6.19.11", "7.1.13", "memfd-dense"): Ran(
            Verdict.RESTORED, Verdict.CORRUPT, (Verdict.RESTORED, Verdict.CORRUPT)
        ),
        # prediction and simulator are both wrong
        ("7.1.13", "7.3.4", "baseline"): Ran(
            Verdict.PANIC, files=(("serial.log", HOSTILE_LOG), ("source/out/fdt", b"\0"))
        ),
        ("6.18.15", "7.3.4", "baseline"): Ran(
            None, status=Status.TIMEOUT, detail="no answer within 60 s; the control run did not answer either"
        ),
        ("7.3.4", "6.18.15", "memfd-dense"): Ran(None, status=Status.ERROR, detail="QEMU was killed by signal 9"),
    }
    said = []
    for s, t in pairs:
        for k in SCENARIOS:
            ran = special.get((s, t, k), Ran(Verdict.RESTORED))
            said.append((cell_of(s, t, k), ran if ran.files else replace(ran, files=boot(s, t))))
    shaky = cell_of("7.3.4", "7.3.4")
    fill(store, [(shaky, Ran(Verdict.LOST, files=boot("7.3.4", "7.3.4", "once lost")))], NOW - timedelta(days=1))
    fill(store, said)


def report_of(store: Store, *backends: str) -> ReportData:
    """What is stored about these backends, with the texts of files."""
    with store.session() as session:
        return load_report(
            session, chosen(*backends), loaded(), generated=NOW, tool_version="0.1.0", artefacts=store.artefacts
        )


def page_data(folder: Path) -> ReportData:
    """The whole story as a page shows it."""
    with open_store(folder / "real.sqlite") as store:
        story(store)
        return report_of(store, "simulator", "qemu")
