# SPDX-License-Identifier: Apache-2.0
"""Cells of one boot, cells run alone, attempts and repeats: what is run, what is stored, and in which order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from qualify.backends import BootingBackend, CellInput, Needs
from qualify.compat import decide
from qualify.engine import Group, Plan, plan, run_matrix
from qualify.engine.boot import together
from qualify.matrix import Cell, Matrix
from qualify.model import Consequence, Verdict
from qualify.scenario import Scenario, library
from qualify.schema import Schema, load
from qualify.store import Store, load_artefacts, load_latest, load_logs, open_store
from qualify.store.history import load_unstable
from qualify.store.models import CellRow, ResultRow, RunEndRow, RunRow
from tests.engine.bench import Bench

NAMES = ("one", "two", "three")
LABEL = "7.3.4"
Planner = Callable[..., Plan]
Row = tuple[str, str, str | None, bool | None]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "notes")


@pytest.fixture
def scenarios() -> dict[str, Scenario]:
    region = {"kind": "reserve-mem", "name": "r", "size": "64KiB", "at": "0x30000000"}
    plain = [{"id": name, "title": "t", "purpose": "p", "objects": [region]} for name in NAMES]
    return {p["id"]: Scenario.model_validate(p) for p in plain}  # type: ignore[misc]


@pytest.fixture
def planned(schema: Schema, scenarios: dict[str, Scenario]) -> Planner:
    def _plan(bench: Bench, releases: list[str] | None = None) -> Plan:
        plain = {"name": "m", "title": "M", "scenarios": list(NAMES), "backends": ["bench"]}
        matrix = Matrix.model_validate({**plain, "releases": releases or [LABEL]})
        return plan(matrix, schema, scenarios, registry=lambda _: bench)

    return _plan


def _rows(store: Store) -> list[Row]:
    """(scenario, status, verdict, agrees), in the order in which they were written."""
    query = select(CellRow.scenario, ResultRow.status, ResultRow.verdict, ResultRow.agrees)
    with store.session() as session:
        found = session.execute(
            query.select_from(ResultRow).join(CellRow, CellRow.id == ResultRow.cell_id).order_by(ResultRow.id)
        )
        return [tuple(row) for row in found]  # type: ignore[misc]


def _of(rows: list[Row], name: str) -> list[str]:
    return [verdict or status for scenario, status, verdict, _ in rows if scenario == name]


def _log(store: Store, planned: Plan, name: str) -> str:
    with store.session() as session:
        latest = load_latest(session, {k.cell for k in planned.cells})[Cell(LABEL, LABEL, name, "bench")]
        return "\n".join(load_logs(session, [latest.log_id])[latest.log_id]) if latest.log_id else ""


def _files(store: Store, planned: Plan, name: str) -> dict[str, str]:
    with store.session() as session:
        latest = load_latest(session, {k.cell for k in planned.cells})[Cell(LABEL, LABEL, name, "bench")]
        kept = load_artefacts(session, [latest.result_id]).get(latest.result_id, ())
    return {a.name: store.artefacts.read(a.sha256).decode() for a in kept}


def test_it_is_one() -> None:
    assert isinstance(Bench(Path("x")), BootingBackend)


def test_cells_of_a_pair_share_a_boot(store: Store, planned: Planner, bench: Bench) -> None:
    asked = planned(bench)
    summary = run_matrix(asked, store, jobs=2)
    assert bench.boots == ["shared one two three"]
    assert _rows(store) == [(name, "DONE", "RESTORED", True) for name in NAMES]
    assert (summary.executed, summary.boots, summary.again, summary.shared) == (3, 1, 0, 0)
    assert _log(store, asked, "two").splitlines() == ["qualify: one boot answered one, two and three", "kernel: two"]
    for name in NAMES:
        assert _files(store, asked, name) == {"serial.log": "shared one two three"}
    assert run_matrix(asked, store, jobs=2).kept == 3


def test_pairs_share_none(store: Store, planned: Planner, bench: Bench) -> None:
    run_matrix(planned(bench, ["7.3.4", "7.2.13"]), store, jobs=1, retries=0)
    assert sorted(map(tuple, (n["pair"] for n in bench.told if n.get("how") == "shared"))) == [
        ("7.2.13", "7.2.13"),
        ("7.2.13", "7.3.4"),
        ("7.3.4", "7.2.13"),
        ("7.3.4", "7.3.4"),
    ]


@pytest.mark.parametrize(
    ("changes", "options", "boots"),
    [
        ({"most": 2}, {}, ["shared one two", "alone three"]),
        ({"loners": frozenset({"two"})}, {}, ["shared one three", "alone two"]),
        ({}, {"share": False}, ["alone one", "alone two", "alone three"]),
        ({"most": 1}, {}, ["alone one", "alone two", "alone three"]),
    ],
)
def test_what_does_not_fit_boots_by_itself(
    store: Store, planned: Planner, bench: Bench, changes: dict[str, Any], options: dict[str, Any], boots: list[str]
) -> None:
    for name, value in changes.items():
        setattr(bench, name, value)
    run_matrix(planned(bench), store, jobs=1, **options)
    assert bench.boots == boots
    assert len(_rows(store)) == 3


def test_what_may_kill_or_disturb_is_never_shared(bench: Bench) -> None:
    """Over every pair that ships: exactly the cells that threaten nobody stand together."""
    schema, known = load(), library()
    plain = {
        "name": "m",
        "title": "M",
        "backends": ["bench"],
        "scenarios": ["baseline", "reserve-mem-page", "memfd-dense"],
    }
    asked = plan(Matrix.model_validate(plain), schema, known, registry=lambda _: bench)
    parts = together(asked, [Group((keys,)) for keys in asked.cells])
    threats = 0
    for part in parts:
        inputs = [asked.input_of(asked.cells[n].cell) for n in part]
        assert len({(i.source.label, i.target.label) for i in inputs}) == 1
        if any(map(_threatens, inputs)):
            threats += 1
            assert len(part) == 1
    assert 0 < threats < len(parts)
    assert any(len(part) > 1 for part in parts)
    calm = {
        (a.source.label, a.target.label)
        for a in map(asked.input_of, (k.cell for k in asked.cells))
        if not _threatens(a)
    }
    assert len(parts) == threats + len(calm)


def _threatens(asked: CellInput) -> bool:
    prediction = decide(asked.schema, asked.source, asked.target, asked.scenario)
    consequences = {c for a in prediction.alternatives for c in a.consequences}
    return Verdict.PANIC in prediction.verdicts or Consequence.BLAST_RADIUS in consequences


@pytest.mark.parametrize(
    ("what", "ended"),
    [
        ("raise", "ERROR: the firmware is missing"),
        ("timeout", "TIMEOUT: no word from the agent for 20 s"),
        ("panic", "the death of the target: Kernel panic - not syncing: bench"),
        ("die", "ERROR: the worker process died"),
        ("hang", "TIMEOUT: the cell took longer than 2 s"),
        ("short", "ERROR: backend 'bench' answered 2 of the 3 cells of a boot"),
    ],
)
def test_a_shared_boot_that_goes_wrong_counts_for_nobody(
    store: Store, planned: Planner, bench: Bench, what: str, ended: str
) -> None:
    bench.rules = {"shared two": [what]}
    asked = planned(bench)
    summary = run_matrix(asked, store, jobs=2, timeout=2)
    assert sorted(b for b in bench.boots if b.startswith("alone")) == ["alone one", "alone three", "alone two"]
    assert sorted(_rows(store)) == sorted((name, "DONE", "RESTORED", True) for name in NAMES)
    assert (summary.again, summary.statuses) == (0, {"DONE": 3})
    for name in NAMES:
        first, *rest = _log(store, asked, name).splitlines()
        assert first.startswith(f"qualify: a boot shared by one, two and three ended with {ended}")
        assert rest == [f"kernel: {name}"]
        files = _files(store, asked, name)
        assert files == {"serial.log": f"alone {name}", "shared-boot/serial.log": "shared one two three"}


def test_an_unforeseen_verdict_that_comes_again_alone_is_stored_once(
    store: Store, planned: Planner, bench: Bench
) -> None:
    bench.rules = {"shared two": ["wrong"], "alone two": ["wrong"]}
    asked = planned(bench)
    summary = run_matrix(asked, store, jobs=1, retries=0)
    assert bench.boots == ["shared one two three", "alone two"]
    assert _of(_rows(store), "two") == ["LOST"]
    assert summary.disagreements == (Cell(LABEL, LABEL, "two", "bench"),)
    assert _log(store, asked, "two").splitlines() == [
        "qualify: a boot shared by one, two and three gave LOST, which was not predicted; this cell was then run alone",
        "kernel: two",
    ]
    assert _files(store, asked, "two") == {"serial.log": "alone two"}


def test_one_that_does_not_is_stored_beside_the_other_and_is_unstable(
    store: Store, planned: Planner, bench: Bench
) -> None:
    bench.rules = {"shared two": ["wrong"]}
    summary = run_matrix(planned(bench), store, jobs=1)
    assert _of(_rows(store), "two") == ["LOST", "RESTORED"]
    assert (summary.disagreements, summary.again) == ((), 1)
    with store.session() as session:
        assert load_unstable(session) == {
            Cell(LABEL, LABEL, "two", "bench"): frozenset({Verdict.LOST, Verdict.RESTORED})
        }


@pytest.mark.parametrize(
    ("whats", "retries", "stored"),
    [
        (["raise", ""], None, ["ERROR", "RESTORED"]),  # one retry unless told otherwise
        (["raise"], None, ["ERROR", "ERROR"]),
        (["raise"], 0, ["ERROR"]),
        (["timeout", "raise", ""], 5, ["TIMEOUT", "ERROR", "RESTORED"]),
        (["wrong"], 2, ["LOST", "LOST", "LOST"]),
        (["wrong", ""], 2, ["LOST", "RESTORED"]),
        (["die", ""], 1, ["ERROR", "RESTORED"]),
        ([""], 3, ["RESTORED"]),
    ],
)
def test_every_attempt_is_a_row(
    store: Store, planned: Planner, bench: Bench, whats: list[str], retries: int | None, stored: list[str]
) -> None:
    # A death costs an attempt that is not known to be the cell's own doing; alone it is.
    bench.rules = {"alone two": ["die", *whats] if "die" in whats else whats}
    summary = run_matrix(planned(bench), store, jobs=1, retries=retries, share=False)
    rows = _rows(store)
    assert _of(rows, "two") == stored
    assert _of(rows, "one") == _of(rows, "three") == ["RESTORED"]
    assert summary.again == len(stored) - 1
    assert len(summary.failures) == (stored[-1] in ("ERROR", "TIMEOUT"))
    with store.session() as session:
        runs, ends = session.scalars(select(RunRow)).all(), session.scalars(select(RunEndRow)).all()
    assert len(runs) == len(ends) == len(stored)
    assert [run.host.get("of") for run in runs[1:]] == [runs[0].uid] * (len(stored) - 1)


def test_other_backends_are_not_tried_again_unless_told(store: Store, planner: Planner, trouble: Any) -> None:
    trouble.rules = {(LABEL, LABEL): "raise"}
    run_matrix(planner(trouble, releases=[LABEL]), store, jobs=1)
    assert len(trouble.runs) == 1
    run_matrix(planner(trouble, releases=[LABEL]), store, jobs=1, retries=2)
    assert len(trouble.runs) == 4
    assert [status for _, status, _, _ in _rows(store)] == ["ERROR"] * 4


def test_repeats_are_all_stored(store: Store, planned: Planner, bench: Bench) -> None:
    bench.rules = {"shared two": ["", "wrong", ""], "alone two": ["wrong"]}
    seen: list[tuple[int, int]] = []
    asked = planned(bench)
    summary = run_matrix(asked, store, jobs=1, repeat=3, retries=0, progress=lambda *at: seen.append(at))
    assert bench.boots == ["shared one two three"] * 2 + ["alone two"] + ["shared one two three"]
    assert _of(_rows(store), "two") == ["RESTORED", "LOST", "RESTORED"]
    assert _of(_rows(store), "one") == ["RESTORED"] * 3
    assert (summary.boots, summary.again, summary.executed) == (4, 6, 3)
    assert (seen[0], seen[-1], seen) == ((0, 3), (3, 3), sorted(seen))
    run_matrix(asked, store, jobs=1, repeat=2)
    assert len(_rows(store)) == 9  # they have their answer


def test_cells_that_share_a_run_share_its_repeats(store: Store, planner: Planner, trouble: Any) -> None:
    planned = planner(trouble, releases=["7.3.4", "7.2.13"])
    once = run_matrix(planned, store, jobs=1, fresh=True)
    again = run_matrix(planned, store, jobs=1, fresh=True, repeat=3)
    assert (again.executed, again.shared) == (once.executed, once.shared)
    assert len(_rows(store)) == 4 * 4


def test_attempts_merge_like_all_else(store: Store, planned: Planner, bench: Bench, tmp_path: Path) -> None:
    from qualify.store import merge_store

    bench.rules = {"shared two": ["wrong"]}
    run_matrix(planned(bench), store, jobs=1)
    with open_store(tmp_path / "b.sqlite") as other:
        assert merge_store(other, store).results == 4
        assert merge_store(other, store).results == 0
        assert sorted(map(str, _rows(other))) == sorted(map(str, _rows(store)))
        assert _of(_rows(other), "two") == ["LOST", "RESTORED"]


def test_a_failed_cell_keeps_its_files(store: Store, planned: Planner, bench: Bench) -> None:
    for what in ("raise", "timeout", "hang", "die"):
        bench.rules = {"alone one": [what]}
        asked = planned(bench)
        run_matrix(asked, store, jobs=1, fresh=True, share=False, retries=0, timeout=1)
        assert _files(store, asked, "one") == {"serial.log": "alone one"}, what


@pytest.mark.parametrize(
    ("cost", "options", "most"),
    [
        (Needs(), {"jobs": 3}, 3),
        (Needs(cores=2), {"jobs": 3}, 1),
        (Needs(cores=2), {"jobs": 4}, 2),
        (Needs(cores=9), {"jobs": 2}, 1),
        (Needs(memory=3 << 30), {"jobs": 4, "memory": 6 << 30}, 2),
        (Needs(memory=3 << 30), {"jobs": 4, "memory": 1 << 30}, 1),
    ],
)
def test_boots_stay_within_cores_and_memory(
    store: Store, planned: Planner, bench: Bench, cost: Needs, options: dict[str, Any], most: int
) -> None:
    bench.cost, bench.pause = cost, 0.2
    asked = planned(bench, ["7.3.4", "7.2.13"])
    summary = run_matrix(asked, store, share=False, retries=0, **options)
    times = [(n["began"], n["ended"]) for n in bench.told if "began" in n]
    assert len(times) == 12
    assert max(sum(a <= began < b for a, b in times) for began, _ in times) == most
    too_large = cost.cores > options["jobs"] or cost.memory > options.get("memory", 1 << 60)
    assert bool(summary.notes) == too_large
    if too_large:
        assert "it ran with no other beside it" in summary.notes[0]
        assert summary.notes[0] in _log(store, asked, "one")


def test_misfits_are_left_out_and_are_no_rows(store: Store, planned: Planner, bench: Bench) -> None:
    bench.misfits = {"two": "no memfd here"}
    asked = planned(bench)
    assert [(left.cell.scenario, left.reason) for left in asked.left_out] == [("two", "no memfd here")]
    assert [k.cell.scenario for k in asked.cells] == ["one", "three"]
    assert [c.scenario for c in asked.selection.cells] == ["one", "three"]
    assert run_matrix(asked, store, jobs=1).cells == 2
    assert bench.boots == ["shared one three"]
    assert {row[0] for row in _rows(store)} == {"one", "three"}
    bench.misfits = dict.fromkeys(NAMES, "no memfd here")
    empty = planned(bench)
    assert not empty.cells
    assert empty.why_empty == ("matrix 'm': none of its 3 cells can be run; 7.3.4 → 7.3.4, one on bench: no memfd here")
