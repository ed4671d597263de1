# SPDX-License-Identifier: Apache-2.0
"""Running a matrix: what is run, what is shared, what is kept, what is tried again."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from qualify.engine import Plan, plan, run_matrix
from qualify.engine.interrupt import to_the_end
from qualify.errors import MatrixError
from qualify.matrix import Cell, Matrix
from qualify.model import Evidence, Status, Verdict
from qualify.scenario import library
from qualify.schema import Schema
from qualify.store import Store, StoredResult, load_artefacts, load_latest, load_objects
from qualify.store.models import ResultRow, RunEndRow, RunRow

Planner = Callable[..., Plan]
THREE = ["7.1.3", "7.2.13", "7.3.4"]


def _latest(store: Store, planned: Plan) -> dict[Cell, StoredResult]:
    with store.session() as session:
        return load_latest(session, {keys.cell for keys in planned.cells})


def _rows(store: Store) -> list[tuple[Any, ...]]:
    with store.session() as session:
        return [tuple(row) for row in session.execute(select(ResultRow.id, ResultRow.created, ResultRow.shared_from))]


def test_every_cell_gets_its_outcome(store: Store, planner: Planner, trouble: Any) -> None:
    planned = planner(trouble, releases=THREE, scenarios="all")
    summary = run_matrix(planned, store, jobs=2)
    latest = _latest(store, planned)
    assert set(latest) == {keys.cell for keys in planned.cells}
    assert len(latest) == 18
    assert {(r.status, r.verdict, r.evidence) for r in latest.values()} == {
        (Status.DONE, Verdict.RESTORED, Evidence.VM)
    }
    assert (summary.cells, summary.kept, summary.reused) == (18, 0, 0)
    assert summary.executed + summary.shared == 18
    assert summary.verdicts == {"RESTORED": 18}
    assert summary.as_dict()["cells_per_second"] > 0


def test_equal_fingerprints_share_one_run(store: Store, planner: Planner, trouble: Any, schema: Schema) -> None:
    planned = planner(trouble)
    kinds = len({schema.fingerprint(r) for r in schema.releases})
    assert kinds < len(schema.releases)
    summary = run_matrix(planned, store, jobs=2)
    assert len(trouble.runs) == summary.executed == kinds**2
    assert summary.shared == len(schema.releases) ** 2 - kinds**2
    latest = _latest(store, planned)
    ran = {r.result_id: r for r in latest.values() if r.shared_from is None}
    sharing = [r for r in latest.values() if r.shared_from is not None]
    assert len(sharing) == summary.shared
    assert {ran[r.shared_from].input_digest == r.input_digest for r in sharing if r.shared_from} == {True}


def test_without_sharing_every_cell_runs(store: Store, planner: Planner, trouble: Any, schema: Schema) -> None:
    summary = run_matrix(planner(trouble), store, jobs=2, share=False)
    assert (summary.executed, summary.shared) == (len(schema.releases) ** 2, 0)
    assert len(trouble.runs) == len(schema.releases) ** 2


def test_a_backend_that_does_not_share_runs_every_cell(
    store: Store, planner: Planner, trouble: Any, schema: Schema
) -> None:
    trouble.shareable = False
    summary = run_matrix(planner(trouble), store, jobs=2)
    assert (len(trouble.runs), summary.shared) == (len(schema.releases) ** 2, 0)


def test_a_second_run_has_nothing_to_do(store: Store, planner: Planner, trouble: Any) -> None:
    planned = planner(trouble, releases=THREE)
    run_matrix(planned, store, jobs=1)
    before, runs = _rows(store), len(trouble.runs)
    summary = run_matrix(planned, store, jobs=1)
    assert (summary.executed, summary.shared, summary.kept) == (0, 0, 9)
    assert (_rows(store), len(trouble.runs)) == (before, runs)


def test_fresh_runs_everything_and_keeps_the_history(store: Store, planner: Planner, trouble: Any) -> None:
    planned = planner(trouble, releases=THREE)
    run_matrix(planned, store, jobs=1)
    before = _rows(store)
    summary = run_matrix(planned, store, jobs=1, fresh=True)
    assert (summary.kept, summary.executed) == (0, 9)
    assert _rows(store)[: len(before)] == before
    assert len(_rows(store)) == 2 * len(before)


def test_a_larger_matrix_runs_only_what_is_new(store: Store, planner: Planner, trouble: Any) -> None:
    run_matrix(planner(trouble, releases=THREE), store, jobs=1)
    done = len(trouble.runs)
    summary = run_matrix(planner(trouble, releases=[*THREE, "6.19.11"]), store, jobs=1)
    assert (summary.kept, summary.executed) == (9, 7)
    assert {("6.19.11" in words[:2]) for words in trouble.runs[done:]} == {True}


def test_an_equal_cell_of_an_earlier_run_is_reused(
    store: Store, planner: Planner, trouble: Any, schema: Schema
) -> None:
    one, other = _twins(schema)
    run_matrix(planner(trouble, releases=[one]), store, jobs=1)
    planned = planner(trouble, releases=[other])
    summary = run_matrix(planned, store, jobs=1)
    assert (summary.executed, summary.reused, len(trouble.runs)) == (0, 1, 1)
    (found,) = _latest(store, planned).values()
    assert found.shared_from == 1


def test_equal_cells_of_a_backend_that_does_not_share_are_run(
    store: Store, planner: Planner, trouble: Any, schema: Schema
) -> None:
    one, other = _twins(schema)
    trouble.shareable = False
    run_matrix(planner(trouble, releases=[one]), store, jobs=1)
    assert run_matrix(planner(trouble, releases=[other]), store, jobs=1).executed == 1


def test_another_seed_or_backend_version_is_another_input(store: Store, planner: Planner, trouble: Any) -> None:
    one = {"releases": THREE[:1]}
    run_matrix(planner(trouble, **one), store, jobs=1)
    assert run_matrix(planner(trouble, seed=7, **one), store, jobs=1).executed == 1
    assert run_matrix(planner(trouble, seed=7, **one), store, jobs=1).executed == 0
    trouble.version = "2"
    assert run_matrix(planner(trouble, seed=7, **one), store, jobs=1).executed == 1
    assert [words[3] for words in trouble.runs] == ["0", "7", "7"]


def test_going_back_to_an_earlier_input_makes_its_result_the_latest(
    store: Store, planner: Planner, trouble: Any
) -> None:
    first, second = planner(trouble, releases=THREE[:1], seed=1), planner(trouble, releases=THREE[:1], seed=2)
    run_matrix(first, store, jobs=1)
    run_matrix(second, store, jobs=1)
    summary = run_matrix(first, store, jobs=1)
    assert (summary.executed, summary.reused) == (0, 1)
    assert _latest(store, first)[first.cells[0].cell].input_digest == first.cells[0].input_digest


@pytest.mark.parametrize(("matrix", "given", "used"), [(None, None, {"0", "1"}), (5, None, {"5"}), (5, 9, {"9"})])
def test_which_seed_counts(
    store: Store, planner: Planner, trouble: Any, matrix: int | None, given: int | None, used: set[str]
) -> None:
    changes = {} if matrix is None else {"matrix_seed": matrix}
    run_matrix(planner(trouble, releases=THREE[:1], scenarios="all", seed=given, **changes), store, jobs=1)
    assert {words[3] for words in trouble.runs} == used


def test_errors_are_tried_again_and_only_they(store: Store, planner: Planner, trouble: Any) -> None:
    planned = planner(trouble, releases=THREE)
    trouble.rules = {("7.1.3", "7.2.13"): "raise"}
    assert run_matrix(planned, store, jobs=2).statuses == {"DONE": 8, "ERROR": 1}
    done = len(trouble.runs)
    trouble.rules = {}
    summary = run_matrix(planned, store, jobs=2)
    assert (summary.executed, summary.kept, summary.statuses) == (1, 8, {"DONE": 9})
    assert [words[:2] for words in trouble.runs[done:]] == [["7.1.3", "7.2.13"]]


def test_an_error_is_not_papered_over_with_an_older_result(store: Store, planner: Planner, trouble: Any) -> None:
    planned = planner(trouble, releases=THREE[:1])
    run_matrix(planned, store, jobs=1)
    trouble.rules = {("7.1.3", "7.1.3"): "raise"}
    run_matrix(planned, store, jobs=1, fresh=True)
    assert run_matrix(planned, store, jobs=1).executed == 1


def test_files_become_artefacts_of_the_result_that_ran(store: Store, planner: Planner, trouble: Any) -> None:
    trouble.rules = {("7.1.3", "7.2.13"): "files"}
    planned = planner(trouble, releases=THREE)
    run_matrix(planned, store, jobs=2)
    found = _latest(store, planned)[Cell("7.1.3", "7.2.13", "one", "trouble")]
    with store.session() as session:
        files = load_artefacts(session, [r.result_id for r in _latest(store, planned).values()])
    assert list(files) == [found.result_id]
    assert {a.name: store.artefacts.read(a.sha256) for a in files[found.result_id]} == {
        "deep/console.log": b"7.1.3 to 7.2.13",
        "empty": b"",
    }


def test_a_run_uses_the_artefacts_until_its_last_row(store: Store, planner: Planner, trouble: Any) -> None:
    """Also once its workers are gone: they had the lock with them when they were forked."""
    free: list[bool] = []

    def look(*_: int) -> None:
        with store.artefacts.unused() as unused:
            free.append(unused)

    run_matrix(planner(trouble, releases=THREE), store, jobs=2, progress=look)
    assert len(free) > 1
    assert not any(free)
    look()
    assert free[-1]


def test_a_run_tells_about_itself(store: Store, planner: Planner, trouble: Any, schema: Schema) -> None:
    planned = planner(trouble, releases=THREE, seed=3)
    run_matrix(planned, store, jobs=1)
    with store.session() as session:
        run = session.scalars(select(RunRow)).one()
        end = session.scalars(select(RunEndRow)).one()
    assert (run.matrix, run.matrix_digest, run.schema_digest, run.seed) == (
        "m",
        planned.matrix.digest,
        schema.digest,
        3,
    )
    assert run.tool_version.startswith("0.1.0+")
    assert {"node", "cpus", "python"} <= set(run.host)
    assert end.finished >= run.started
    assert end.summary == {"executed": 9, "cells": 9}


def test_an_interrupt_strikes_after_the_commit() -> None:
    through = []

    def commit() -> None:
        with to_the_end():
            signal.raise_signal(signal.SIGINT)
            through.append(True)

    with pytest.raises(KeyboardInterrupt):
        commit()
    assert through
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("handler", [signal.SIG_IGN, lambda *_: None], ids=["ignored", "somebody else's"])
def test_an_interrupt_that_is_ignored_stays_so(handler: Any) -> None:
    before = signal.signal(signal.SIGINT, handler)
    try:
        with to_the_end():
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_progress_counts_cells_up_to_all_of_them(store: Store, planner: Planner, trouble: Any, schema: Any) -> None:
    cells = len(schema.releases) ** 2
    seen: list[tuple[int, int]] = []
    run_matrix(planner(trouble), store, jobs=2, progress=lambda done, total: seen.append((done, total)))
    assert seen[0] == (0, cells)
    assert seen[-1] == (cells, cells)
    assert seen == sorted(seen)


def _previous_releases(store: Store, planned: Plan) -> dict[Cell, tuple[str, str]]:
    """Cell -> (the release that the target should be told, what it was told)."""
    latest = _latest(store, planned)
    with store.session() as session:
        objects = load_objects(session, {r.outcome_id for r in latest.values() if r.outcome_id is not None})
    return {
        cell: (told.expected, told.observed)
        for cell, result in latest.items()
        for seen in objects[result.outcome_id or 0]
        for told in seen.properties
        if told.name == "previous-release"
    }


@pytest.mark.parametrize("first", [["7.1.3", "7.1.13"], ["7.1.3"], ["7.1.13"]], ids=" ".join)
def test_cells_share_no_run_that_shows_what_they_differ_in(store: Store, schema: Schema, first: list[str]) -> None:
    """Releases that behave alike write their own version into kexec-metadata."""

    def planned(releases: list[str]) -> Plan:
        plain = {"name": "m", "title": "M", "releases": releases, "scenarios": ["kexec-metadata", "baseline"]}
        return plan(Matrix.model_validate(plain), schema, library())

    both = planned(["7.1.3", "7.1.13"])
    run_matrix(planned(first), store, jobs=1)
    run_matrix(both, store, jobs=1)
    found = _previous_releases(store, both)
    assert found == {c.cell: (c.cell.source,) * 2 for c in both.cells if c.cell.scenario == "kexec-metadata"}
    again = run_matrix(both, store, jobs=1)
    assert (again.kept, again.executed) == (8, 0)
    assert _previous_releases(store, both) == found
    fresh = run_matrix(both, store, jobs=1, fresh=True)
    assert (fresh.executed, fresh.shared) == (3, 5)  # baseline once, kexec-metadata once for each source
    assert _previous_releases(store, both) == found


def test_a_backend_that_is_not_there_is_told_with_its_place(planner: Planner, trouble: Any) -> None:
    with pytest.raises(MatrixError, match="there is no backend 'qemo'"):
        planner(trouble, backends=["trouble", "qemo"])


def _twins(schema: Schema) -> tuple[str, str]:
    """Two releases that behave alike."""
    seen: dict[str, str] = {}
    for release in schema.releases:
        if (known := seen.setdefault(schema.fingerprint(release), release.label)) != release.label:
            return known, release.label
    raise AssertionError("the shipped schema has no two releases with equal fingerprints")
