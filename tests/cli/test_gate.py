# SPDX-License-Identifier: Apache-2.0
"""`qualify gate` and `qualify policy` from the command line: the exit status is the answer."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from qualify.cli.main import app
from qualify.model import Consequence, Evidence, Status, Verdict
from tests.cli.filled import Said, fill, selection, shipped

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "policy-window.yaml"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


def gate(folder: Path, said: Said | None, policy: Path = EXAMPLE, *more: str) -> Result:
    return run("gate", "run", "--policy", policy, "--db", fill(folder / "db.sqlite", lambda _: said), *more)


def write(folder: Path, text: str) -> Path:
    path = folder / "policy.yaml"
    path.write_text("name: p\nrequired_pairs: [{matrix: window}]\n" + text, encoding="utf-8")
    return path


OLD = datetime.now(UTC) - timedelta(days=31)


@pytest.mark.parametrize(
    ("said", "status", "answer", "cls"),
    [
        (Said(), 0, "yes", None),
        (Said(Verdict.LOST), 1, "no", "forbidden-verdict"),
        (Said(consequences=frozenset({Consequence.LEAKED})), 1, "no", "forbidden-consequence"),
        (Said(agrees=False), 1, "no", "disagreement"),
        (Said(Verdict.UNSUPPORTED), 3, "unknown", "nothing-applicable"),
        (None, 3, "unknown", "evidence-missing"),
        (Said(evidence=Evidence.STATIC), 3, "unknown", "evidence-too-weak"),
        (Said(measured=OLD), 3, "unknown", "evidence-too-old"),
        (Said(fingerprint="f" * 64), 3, "unknown", "evidence-too-old"),
        (Said(None, Status.ERROR), 4, "harness-failed", "harness-failed"),
        (Said(None, Status.TIMEOUT), 4, "harness-failed", "harness-failed"),
    ],
)
def test_answers(tmp_path: Path, said: Said | None, status: int, answer: str, cls: str | None) -> None:
    result = gate(tmp_path, said, EXAMPLE, "--json")
    told = json.loads(result.stdout)
    assert (result.exit_code, told["exit_status"], told["answer"]) == (status, status, answer)
    assert told["classes"] == ([cls] if cls else [])
    assert told["demanded"] == 6


def test_a_yes_says_what_it_rests_on(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    first = selection().cells[0]

    def say(cell: object) -> Said:
        return Said(evidence=Evidence.VM, measured=now - timedelta(days=2)) if cell == first else Said(measured=now)

    db = fill(tmp_path / "db.sqlite", say)
    digest = shipped().digest
    assert run("gate", "run", "--policy", EXAMPLE, "--db", db).stdout == (
        "window-updates: YES (6 cells demanded, 0 reasons against)\n"
        f"evidence: simulated, vm, by simulator, measured from {now - timedelta(days=2):%Y-%m-%d} to {now:%Y-%m-%d}; "
        f"schema {digest[:12]}\n"
    )
    told = json.loads(run("gate", "run", "--policy", EXAMPLE, "--db", db, "--json").stdout)
    assert told["evidence"] == {
        "weakest": "simulated",
        "levels": ["simulated", "vm"],
        "oldest": (now - timedelta(days=2)).isoformat(),
        "newest": now.isoformat(),
        "backends": ["simulator"],
        "cells": 6,
    }
    assert (told["database"], told["schema_digest"]) == (str(db), digest)


def test_evidence_for_some_cells_is_no_evidence_for_all(tmp_path: Path) -> None:
    pairs = [(p.source, p.target) for p in selection().pairs[:1]]
    db = fill(tmp_path / "db.sqlite", lambda c: Said() if (c.source, c.target) in pairs else None)
    result = run("gate", "run", "--policy", EXAMPLE, "--db", db)
    assert result.exit_code == 3
    assert "\nevidence: simulated for 1 of them, by simulator, measured on " in result.stdout


def test_a_future_date_is_no_age(tmp_path: Path) -> None:
    result = gate(tmp_path, Said(measured=datetime.now(UTC) + timedelta(days=400)))
    assert result.exit_code == 3
    assert "which is in the future, so its age is unknown" in result.stdout


def test_a_no_says_where_why_and_what_to_do(tmp_path: Path) -> None:
    first = selection().pairs[1]

    def say(cell: object) -> Said:
        bad = (cell.source, cell.target) == (first.source, first.target)  # type: ignore[attr-defined]
        return Said(Verdict.CORRUPT) if bad else Said()

    result = run("gate", "run", "--policy", EXAMPLE, "--db", fill(tmp_path / "db.sqlite", say))
    assert result.exit_code == 1
    assert "window-updates: NO (6 cells demanded, 1 reason against)" in result.stdout
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("forbidden-verdict ")]
    assert line.split("  ")[0] == "forbidden-verdict"
    assert f"{first.source} → {first.target}" in line
    assert "CORRUPT; allowed is RESTORED [simulator]" in line
    advice = "do not take these pairs with state preserved; "
    advice += f"`qualify explain {first.source} {first.target}` says why"
    assert f"  forbidden-verdict: {advice}" in result.stdout


def test_advice_names_the_command_with_its_files(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text('label: mine\nversion: "7.4"\ninherits: 7.3.4\nprovenance: {kind: proposed}\n')
    policy = write(tmp_path, "scenarios: [mixed]\n")
    db = fill(tmp_path / "db.sqlite", lambda _: Said(Verdict.LOST))
    told = json.loads(run("gate", "run", "--policy", policy, "--db", db, "--schema", mine, "--json").stdout)
    first = next(r for r in told["reasons"] if r["class"] == "forbidden-verdict")
    command = f"qualify explain {first['source']} {first['target']} --scenario mixed --schema {mine}"
    assert f"`{command}`" in first["advice"]
    assert run(*command.split()[1:]).exit_code == 0


def test_precedence(tmp_path: Path) -> None:
    labels = {pair.source: n for n, pair in enumerate(selection().pairs)}
    order = sorted(labels, key=labels.__getitem__)
    by_source = {order[0]: Said(None, Status.ERROR), order[1]: Said(Verdict.LOST)}
    result = run(
        "gate",
        "run",
        "--policy",
        EXAMPLE,
        "--db",
        fill(tmp_path / "db.sqlite", lambda cell: by_source.get(cell.source)),
        "--json",
    )
    told = json.loads(result.stdout)
    assert set(told["classes"]) == {"harness-failed", "forbidden-verdict", "evidence-missing"}
    assert result.exit_code == 4


def test_repeats_that_differ_are_unknown_and_the_worst_counts(tmp_path: Path) -> None:
    db = tmp_path / "db.sqlite"
    fill(db, lambda _: Said(Verdict.DEGRADED))
    fill(db, lambda _: Said(Verdict.RESTORED))
    lenient = write(tmp_path, "allowed_verdicts: [RESTORED, DEGRADED]\n")
    told = run("gate", "run", "--policy", lenient, "--db", db, "--json")
    assert (told.exit_code, json.loads(told.stdout)["classes"]) == (3, ["unstable"])
    strict = run("gate", "run", "--policy", write(tmp_path, ""), "--db", db, "--json")
    assert (strict.exit_code, set(json.loads(strict.stdout)["classes"])) == (1, {"forbidden-verdict", "unstable"})


def test_a_repeat_with_another_input_does_not_make_it_unstable(tmp_path: Path) -> None:
    db = tmp_path / "db.sqlite"
    fill(db, lambda _: Said(Verdict.PANIC), inputs="2")
    fill(db, lambda _: Said(Verdict.RESTORED))
    assert run("gate", "run", "--policy", EXAMPLE, "--db", db).exit_code == 0


def test_many_reasons_are_cut_with_a_hint(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("name: p\nrequired_pairs: [{matrix: upstream}]\n", encoding="utf-8")
    result = run("gate", "run", "--policy", policy, "--db", fill(tmp_path / "db.sqlite", lambda _: None))
    assert result.exit_code == 3
    assert f"… and {len(selection('upstream').pairs) - 25} more lines; --json has them all" in result.stdout


def test_an_empty_selection_is_unknown(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("name: p\nrequired_pairs: []\n", encoding="utf-8")
    result = gate(tmp_path, Said(), policy)
    assert result.exit_code == 3
    assert "the policy selects no pair or no scenario" in result.stdout
    assert run("policy", "check", policy).exit_code == 3
    assert "nothing; a gate with this policy answers unknown" in run("policy", "explain", policy).stdout


def test_a_broken_policy_is_bad_input(tmp_path: Path) -> None:
    policy = write(tmp_path, "maximum_age: soon\nallowed_verdicts: [RESTORD]\n")
    for command in (("gate", "run", "--policy"), ("policy", "check"), ("policy", "explain")):
        result = run(*command, policy)
        assert result.exit_code == 2
        assert f"{policy}:3:1: 'maximum_age': expected a number of hours, days or weeks" in result.stderr
        assert f"{policy}:4:20: 'allowed_verdicts.0': input should be" in result.stderr


@pytest.mark.parametrize("empty", [False, True])
def test_no_database_is_no_evidence(tmp_path: Path, empty: bool) -> None:
    path = tmp_path / "absent.sqlite"
    if empty:
        path.touch()
    what = "is an empty file and no database yet" if empty else "there is no such database"
    result = run("gate", "run", "--policy", EXAMPLE, "--db", path)
    assert (result.exit_code, result.stderr) == (3, "")
    assert f"\nevidence: none in {path}\n" in result.stdout
    assert f"never run: {path}: {what}; 'qualify run MATRIX --db {path}' makes one" in result.stdout
    told = json.loads(run("gate", "run", "--policy", EXAMPLE, "--db", path, "--json").stdout)
    assert (told["answer"], told["classes"], told["evidence"]) == ("unknown", ["evidence-missing"], None)
    assert path.exists() == empty


def test_a_database_that_cannot_be_read_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("dear diary " * 200)
    for path in (tmp_path / "notes.txt", tmp_path):
        assert run("gate", "run", "--policy", EXAMPLE, "--db", path).exit_code == 2


def test_an_empty_name_is_not_the_default(tmp_path: Path) -> None:
    """As a variable that is not set gives."""
    database = (["prune", "--older-than=0d"], ["export", "-"], ["upgrade"], ["merge", "a"])
    commands = [["gate", "run", "--policy", EXAMPLE], ["report", "html", "window"], *(["db", *c] for c in database)]
    for command in commands:
        for nothing in ("", " "):
            result = run(*command, "--db", nothing)
            assert result.exit_code == 2
            assert "qualify: --db is empty (a variable that is not set?); name a database" in result.stderr


def test_mistakes_in_a_policy_and_names_that_do_not_exist_are_told_in_one_go(tmp_path: Path) -> None:
    policy = write(tmp_path, "maximum_age: soon\nscenarios: [basline]\n")
    for command in (("gate", "run", "--policy"), ("policy", "check")):
        said = run(*command, policy).stderr.replace(str(policy), "F")
        assert "F:3:1: 'maximum_age': expected a number of hours, days or weeks" in said
        assert "F:4:13: there is no scenario 'basline'" in said
        assert "required_pairs" not in said


@pytest.mark.parametrize(("age", "words"), [("1h", "1 hour"), ("1d", "1 day"), ("36h", "36 hours"), ("2w", "14 days")])
def test_one_is_no_plural(tmp_path: Path, age: str, words: str) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(f"name: p\nrequired_pairs: [{{source: '7.2', target: '7.3'}}]\nmaximum_age: {age}\n")
    told = run("policy", "explain", policy).stdout
    assert f"at most {words} old" in told
    assert "demanded today (1 cell):" in told
    assert "it demands 1 cell of 1 pair" in run("policy", "check", policy).stdout
    asked = run("gate", "run", "--policy", policy, "--db", tmp_path / "none.sqlite").stdout
    assert asked.startswith("p: UNKNOWN (1 cell demanded, 1 reason against)\n")


def test_policy_check_and_explain() -> None:
    checked = run("policy", "check", EXAMPLE)
    assert checked.exit_code == 0
    assert "policy 'window-updates' is right; it demands 6 cells of 6 pairs" in checked.stdout
    assert json.loads(run("policy", "check", EXAMPLE, "--json").stdout)["demands"] == 6
    explained = run("policy", "explain", EXAMPLE)
    assert explained.exit_code == 0
    for sentence in (
        "pairs: upgrade, same pairs of matrix 'window'",
        "every demanded cell must be RESTORED, or UNSUPPORTED",
        "evidence must be simulated or stronger, and at most 30 days old",
        "no cell may come with leaked or blast-radius or not-retryable",
        "no observation may contradict its prediction",
        "demanded today (6 cells):",
    ):
        assert sentence in explained.stdout
    told = json.loads(run("policy", "explain", EXAMPLE, "--json").stdout)
    assert told["policy"]["minimum_evidence"] == "simulated"
    assert len(told["demands"]) == 6
