# SPDX-License-Identifier: Apache-2.0
"""What goes wrong in a cell stays in that cell, and is never a verdict."""

from __future__ import annotations

import multiprocessing
import re
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from qualify.engine import Plan, run_matrix, watch
from qualify.errors import StoreError
from qualify.matrix import Cell
from qualify.model import Status
from qualify.store import Store, StoredResult, load_latest

Planner = Callable[..., Plan]
THREE = ["7.1.3", "7.2.13", "7.3.4"]
BAD = ("7.1.3", "7.2.13")


def _run(store: Store, planned: Plan, **options: Any) -> tuple[StoredResult, set[Status]]:
    """(the result of the bad cell, the statuses of all others)."""
    run_matrix(planned, store, **options)
    with store.session() as session:
        latest = load_latest(session, {keys.cell for keys in planned.cells})
    bad = latest.pop(Cell(*BAD, "one", "trouble"))
    assert len(latest) == 8
    return bad, {r.status for r in latest.values()}


@pytest.mark.parametrize(
    ("rule", "detail"),
    [
        ("raise", r"RuntimeError: the bench is on fire \(at conftest.py:\d+\)"),
        ("memory", r"MemoryError:  \(at conftest.py:\d+\)"),
        ("nonsense", r"AttributeError: .*"),
        ("exit", r"SystemExit: 3 \(at conftest.py:\d+\)"),
        ("kill", r"the worker process died \(killed from outside, out of memory, or a crash in native code\)"),
    ],
)
@pytest.mark.parametrize("jobs", [1, 3])
def test_an_error_is_the_cells_own(
    store: Store, planner: Planner, trouble: Any, rule: str, detail: str, jobs: int
) -> None:
    trouble.rules = {BAD: rule}
    bad, others = _run(store, planner(trouble, releases=THREE), jobs=jobs)
    assert (bad.status, bad.verdict, bad.agrees) == (Status.ERROR, None, None)
    assert others == {Status.DONE}
    assert re.fullmatch(detail, bad.detail)


def test_many_deaths_leave_the_others_alone(store: Store, planner: Planner, trouble: Any) -> None:
    labels = ["6.16.12", "6.17.8", "7.1.3", "7.3.4"]
    trouble.rules = {(s, "7.3.4"): "kill" for s in labels}
    summary = run_matrix(planner(trouble, releases=labels), store, jobs=2)
    assert summary.statuses == {"DONE": 12, "ERROR": 4}
    assert {c.target for c in summary.failures} == {"7.3.4"}


def test_a_hang_is_a_timeout(store: Store, planner: Planner, trouble: Any) -> None:
    trouble.rules = {BAD: "hang"}
    bad, others = _run(store, planner(trouble, releases=THREE), jobs=2, timeout=0.3)
    assert (bad.status, bad.verdict, bad.detail) == (Status.TIMEOUT, None, "the cell took longer than 0.3 s")
    assert others == {Status.DONE}


def test_a_backend_that_catches_everything_still_times_out(store: Store, planner: Planner, trouble: Any) -> None:
    trouble.rules = {BAD: "swallow"}
    bad, others = _run(store, planner(trouble, releases=THREE), jobs=2, timeout=0.3)
    assert (bad.status, others) == (Status.TIMEOUT, {Status.DONE})


def test_a_hang_in_native_code_is_a_timeout(
    store: Store, planner: Planner, trouble: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "GRACE", 0.2)
    trouble.rules = {BAD: "stuck"}
    bad, others = _run(store, planner(trouble, releases=THREE), jobs=2, timeout=0.5)
    assert (bad.status, bad.verdict, bad.detail) == (Status.TIMEOUT, None, "the cell did not stop after 0.5 s")
    assert others == {Status.DONE}


def test_a_timeout_is_tried_again(store: Store, planner: Planner, trouble: Any) -> None:
    trouble.rules = {BAD: "hang"}
    planned = planner(trouble, releases=THREE)
    assert run_matrix(planned, store, jobs=2, timeout=0.3).statuses == {"DONE": 8, "TIMEOUT": 1}
    trouble.rules = {}
    assert run_matrix(planned, store, jobs=2).statuses == {"DONE": 9}


def test_an_interrupt_ends_the_workers_at_once_and_keeps_what_had_ended(
    store: Store, planner: Planner, trouble: Any
) -> None:
    trouble.rules = {("7.3.4", "7.3.4"): "hang"}
    planned = planner(trouble, releases=THREE)

    def interrupt(done: int, _total: int) -> None:
        if done == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_matrix(planned, store, jobs=2, timeout=3600, progress=interrupt)  # who waited for the cell would hang here
    assert multiprocessing.active_children() == []
    trouble.rules = {}
    summary = run_matrix(planned, store, jobs=2)
    assert (summary.kept, summary.executed) == (8, 1)


@pytest.mark.parametrize("rule", ["", "hang", "kill", "stuck", "interrupt"])
def test_however_a_run_ends_its_workers_folders_go_with_it(
    store: Store, planner: Planner, trouble: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rule: str
) -> None:
    (tmp_path / "t").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "t"))
    monkeypatch.setattr(watch, "GRACE", 0.2)
    trouble.rules = {BAD: rule.replace("interrupt", "hang"), ("7.3.4", "7.3.4"): "files"}
    planned = planner(trouble, releases=THREE)

    def interrupt(done: int, _total: int) -> None:
        if rule == "interrupt" and done == 8:
            assert list((tmp_path / "t").iterdir())
            raise KeyboardInterrupt

    with nullcontext() if rule != "interrupt" else pytest.raises(KeyboardInterrupt):
        run_matrix(planned, store, jobs=2, timeout=60 if rule == "interrupt" else 0.5, progress=interrupt)
    assert list((tmp_path / "t").iterdir()) == []


def test_what_the_dead_left_does_not_pile_up_during_a_run(
    store: Store, planner: Planner, trouble: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "t").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "t"))
    trouble.rules = dict.fromkeys(product(THREE, THREE), "kill")
    most = 0

    def count(*_: int) -> None:
        nonlocal most
        most = max(most, len(list((tmp_path / "t").glob("*/*"))))

    run_matrix(planner(trouble, releases=THREE), store, jobs=1, progress=count)
    assert most == 1


def test_a_database_that_stops_working_ends_the_run(
    store: Store, planner: Planner, trouble: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qualify.store import RunWriter

    def full(*_: Any) -> None:
        raise StoreError("database or disk is full")

    monkeypatch.setattr(RunWriter, "record", full)
    with pytest.raises(StoreError, match="disk is full"):
        run_matrix(planner(trouble, releases=THREE), store, jobs=2)
    assert multiprocessing.active_children() == []
