# SPDX-License-Identifier: Apache-2.0
"""What the newest results are about, and whether repeats agreed."""

from __future__ import annotations

from pathlib import Path

from qualify.matrix import Cell
from qualify.model import Status, Verdict
from qualify.schema import load
from qualify.store import load_last_done, open_store
from qualify.store.history import Subject, load_repeats, load_subjects, load_unstable
from tests.cli.filled import Said, fill, selection


def unstable(path: Path) -> dict[Cell, frozenset[Verdict]]:
    with open_store(str(path)) as store, store.session() as session:
        return load_unstable(session)


def subjects(path: Path) -> dict[Cell, Subject]:
    with open_store(str(path)) as store, store.session() as session:
        return load_subjects(session)


def test_subjects_are_those_of_the_newest_result(tmp_path: Path) -> None:
    db, chosen, schema = tmp_path / "db.sqlite", selection(), load()
    fill(db, lambda _: Said(fingerprint="f" * 64))
    assert {s.source_fingerprint for s in subjects(db).values()} == {"f" * 64}
    fill(db, lambda _: Said())
    found = subjects(db)
    assert set(found) == set(chosen.cells)
    for cell, subject in found.items():
        assert subject.source_fingerprint == schema.fingerprint(schema.release(cell.source))
        assert subject.target_fingerprint == schema.fingerprint(schema.release(cell.target))
        assert subject.scenario_digest in {s.digest for s in chosen.scenarios}


def test_only_cells_whose_repeats_differ_are_unstable(tmp_path: Path) -> None:
    db, first = tmp_path / "db.sqlite", selection().cells[0]
    fill(db, lambda _: Said(Verdict.RESTORED))
    assert unstable(db) == {}
    fill(db, lambda cell: Said(Verdict.LOST if cell == first else Verdict.RESTORED))
    assert unstable(db) == {first: frozenset({Verdict.LOST, Verdict.RESTORED})}


def test_other_inputs_and_failures_are_no_repeats(tmp_path: Path) -> None:
    db = tmp_path / "db.sqlite"
    fill(db, lambda _: Said(Verdict.PANIC), inputs="2")
    fill(db, lambda _: Said(None, Status.ERROR))
    fill(db, lambda _: Said(Verdict.RESTORED))
    assert unstable(db) == {}


def test_what_a_failure_hides_is_the_newest_done_of_the_same_input(tmp_path: Path) -> None:
    db, first = tmp_path / "db.sqlite", selection().cells[0]

    def hidden() -> set[Verdict | None]:
        with open_store(str(db)) as store, store.session() as session:
            return {r.verdict for r in load_last_done(session, {first}).values()}

    fill(db, lambda _: Said(Verdict.PANIC), inputs="2")
    fill(db, lambda _: Said(None, Status.ERROR))
    assert hidden() == set()
    fill(db, lambda _: Said(Verdict.LOST))
    fill(db, lambda _: Said(Verdict.DEGRADED))
    assert hidden() == set()
    fill(db, lambda _: Said(None, Status.TIMEOUT))
    assert hidden() == {Verdict.DEGRADED}


def test_an_old_instability_is_forgotten_with_its_input(tmp_path: Path) -> None:
    db = tmp_path / "db.sqlite"
    fill(db, lambda _: Said(Verdict.PANIC), inputs="2")
    fill(db, lambda _: Said(Verdict.LOST), inputs="2")
    assert unstable(db)
    fill(db, lambda _: Said(Verdict.RESTORED))
    assert unstable(db) == {}


def test_repeats_are_those_of_the_newest_input_oldest_first(tmp_path: Path) -> None:
    db, first = tmp_path / "db.sqlite", selection().cells[0]
    for said, inputs in (
        (Said(Verdict.PANIC), "2"),
        (Said(Verdict.LOST), ""),
        (Said(None, Status.TIMEOUT, detail="slow"), ""),
        (Said(Verdict.RESTORED), ""),
    ):
        fill(db, lambda _, said=said: said, inputs=inputs)  # type: ignore[misc]
    with open_store(str(db)) as store, store.session() as session:
        found = load_repeats(session, {first})
        assert load_repeats(session, set()) == {}
    assert list(found) == [first]
    assert [(r.status, r.verdict) for r in found[first]] == [
        (Status.DONE, Verdict.LOST),
        (Status.TIMEOUT, None),
        (Status.DONE, Verdict.RESTORED),
    ]
    assert found[first][1].detail == "slow"
    assert len({r.ran for r in found[first]}) == 3
