# SPDX-License-Identifier: Apache-2.0
"""Policy files: the example that ships, and everything that can be wrong with one, with its message."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from qualify.errors import PolicyError, Problem
from qualify.gate import Policy, demands, load_policy
from qualify.model import Consequence, Evidence, Verdict
from qualify.scenario import library
from qualify.schema import load

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "policy-window.yaml"

GOOD = """\
name: p
required_pairs:
  - {source: A, target: B}
"""


@pytest.fixture(scope="module")
def schema():  # type: ignore[no-untyped-def]
    return load()


def write(folder: Path, text: str) -> Path:
    path = folder / "policy.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def problems(folder: Path, text: str) -> list[Problem]:
    with pytest.raises(PolicyError) as caught:
        load_policy(write(folder, text))
    assert caught.value.exit_status == 2
    return list(caught.value.problems)


def test_the_example_that_ships_loads_and_selects(schema) -> None:  # type: ignore[no-untyped-def]
    policy = load_policy(EXAMPLE)
    assert policy.maximum_age == timedelta(days=30)
    found = demands(policy, schema, library())
    assert {d.scenario for d in found} == {"baseline"}
    order = {r.label: n for n, r in enumerate(schema.releases)}
    assert all(order[d.source] <= order[d.target] for d in found)
    assert len(found) == 6  # three upgrades and three same; the spelt-out pair is one of them and counts once


def test_defaults(tmp_path: Path) -> None:
    policy = load_policy(write(tmp_path, GOOD))
    assert policy.scenarios.ids == ("baseline",)
    assert policy.allowed_verdicts == (Verdict.RESTORED,)
    assert policy.forbidden_consequences == ()
    assert policy.minimum_evidence is Evidence.SIMULATED
    assert policy.maximum_age is None
    assert policy.allow_unsupported
    assert not policy.allow_disagreement


@pytest.mark.parametrize(("text", "hours"), [("12h", 12), ("30d", 720), ("2w", 336), ("1 d", 24)])
def test_ages(tmp_path: Path, text: str, hours: int) -> None:
    assert load_policy(write(tmp_path, f"{GOOD}maximum_age: {text}\n")).maximum_age == timedelta(hours=hours)


def test_consequences_are_words(tmp_path: Path) -> None:
    policy = load_policy(write(tmp_path, f"{GOOD}forbidden_consequences: [leaked, not-retryable]\n"))
    assert policy.forbidden_consequences == (Consequence.LEAKED, Consequence.NOT_RETRYABLE)


BROKEN = [
    ("", 1, 1, "expected a mapping with name, required_pairs, …; found nothing", "policy-window.yaml"),
    ("- a\n", 1, 1, "expected a mapping with name, required_pairs, …; found a list", "policy-window.yaml"),
    ("name: [\n", 2, 1, "is not valid YAML", ""),
    ("name: p\nname: q\n", 2, 1, "is not valid YAML", ""),
    ("required_pairs: []\n", 1, 1, "'name' is missing", "add it; it has no default"),
    ("name: p\n", 1, 1, "'required_pairs' is missing", "add it; it has no default"),
    ("name: Not A Name\nrequired_pairs: []\n", 1, 1, "'name': string should match pattern", "policy-window.yaml"),
    (GOOD + "required_pair: []\n", 4, 1, "unknown key 'required_pair'", "did you mean required_pairs"),
    (GOOD + "minimum_evidence: vn\n", 4, 1, "'minimum_evidence': input should be 'static'", "did you mean vm"),
    (GOOD + "allowed_verdicts: [RESTORD]\n", 4, 20, "'allowed_verdicts.0': input should be", "did you mean RESTORED"),
    (
        GOOD + "allowed_verdicts: []\n",
        4,
        1,
        "'allowed_verdicts': expected at least 1 entry",
        "leave the key out",
    ),
    (
        GOOD + "allowed_verdicts: RESTORED\n",
        4,
        1,
        "'allowed_verdicts': expected a list, got 'RESTORED'",
        "write a list",
    ),
    (
        GOOD + "allowed_verdicts: [LOST, LOST]\n",
        4,
        1,
        "'allowed_verdicts': lists something twice",
        "policy-window.yaml",
    ),
    (GOOD + "allowed_verdicts: [UNSUPPORTED]\n", 1, 1, "say 'allow_unsupported: true' instead", "policy-window.yaml"),
    (
        GOOD + "forbidden_consequences: [leak]\n",
        4,
        26,
        "'forbidden_consequences.0': input should",
        "did you mean leaked",
    ),
    (GOOD + "maximum_age: 30\n", 4, 1, "expected a number of hours, days or weeks, such as '12h', '30d' or '2w'", ""),
    (GOOD + "maximum_age: 0d\n", 4, 1, "expected a number of hours, days or weeks", ""),
    (GOOD + "maximum_age: soon\n", 4, 1, "expected a number of hours, days or weeks", "for example maximum_age: 30d"),
    (
        GOOD + "allow_unsupported: 'yes'\n",
        4,
        1,
        "'allow_unsupported': input should be a valid boolean",
        "true or false",
    ),
    (GOOD + "scenarios: 3\n", 4, 1, "expected 'all', a list of ids, or 'tags:", "policy-window.yaml"),
    ("name: p\nrequired_pairs:\n  - {source: A}\n", 3, 5, "expected either 'source' and 'target', or 'matrix'", ""),
    ("name: p\nrequired_pairs:\n  - {source: 7.0, target: B}\n", 3, 6, "expected text, got 7.0", "put it in quotes"),
    ("name: p\nrequired_pairs:\n  - {matrix: m, source: A, target: B}\n", 3, 5, "expected either 'source' and", ""),
    ("name: p\nrequired_pairs:\n  - {matrix: m, directions: [up]}\n", 3, 30, "input should be 'upgrade'", "upgrade"),
    ("name: p\nrequired_pairs:\n  - {matrix: m, directions: []}\n", 3, 17, "at least 1 entry", "leave the key out"),
    ("name: p\nrequired_pairs:\n  - {matrix: m, direction: up}\n", 3, 17, "unknown key", "directions"),
    (
        "name: p\nrequired_pairs:\n  - {source: A, target: B, directions: [same]}\n",
        3,
        5,
        "'directions' goes with 'matrix'",
        "",
    ),
]


@pytest.mark.parametrize(("text", "line", "column", "message", "hint"), BROKEN)
def test_broken_policies(tmp_path: Path, text: str, line: int, column: int, message: str, hint: str) -> None:
    (problem,) = problems(tmp_path, text)
    assert message in problem.message
    assert hint in problem.hint
    assert (problem.line, problem.column) == (line, column)
    assert problem.file.endswith("policy.yaml")


def test_every_mistake_in_one_go(tmp_path: Path) -> None:
    found = problems(tmp_path, "nam: p\nrequired_pairs: []\nmaximum_age: x\nminimum_evidence: vn\n")
    assert [p.line for p in found] == [1, 1, 3, 4]
    assert all(p.hint for p in found)


@pytest.mark.parametrize("levels", [4, 5, 8])
def test_a_small_file_never_makes_a_large_message(tmp_path: Path, levels: int) -> None:
    """Values that stand for 9 ** levels others, by way of aliases."""
    lines = ["l0: &l0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, levels)]
    text = "\n".join([*lines, f"name: *l{levels - 1}", f"required_pairs: [*l{levels - 1}]", ""])
    assert len(text) < 500
    assert all(len(str(problem)) < 500 for problem in problems(tmp_path, text))


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="no such file"):
        load_policy(tmp_path / "absent.yaml")


UNKNOWN = [
    ("  - {source: 6.17.88, target: 7.3.4}\n", "there is no release '6.17.88'", "6.17.8", 6),
    ("  - {matrix: windw}\n", "matrix 'windw' cannot be used: there is no matrix 'windw'", "did you mean window", 6),
]


@pytest.mark.parametrize(("entry", "message", "hint", "column"), UNKNOWN)
def test_unknown_pairs(tmp_path: Path, schema, entry: str, message: str, hint: str, column: int) -> None:  # type: ignore[no-untyped-def]
    policy = load_policy(write(tmp_path, "name: p\nrequired_pairs:\n" + entry))
    with pytest.raises(PolicyError) as caught:
        demands(policy, schema, library())
    (problem,) = caught.value.problems
    assert (problem.message, problem.line, problem.column) == (message, 3, column)
    assert hint in problem.hint


def test_unknown_scenarios_and_tags(tmp_path: Path, schema) -> None:  # type: ignore[no-untyped-def]
    pair = "name: p\nrequired_pairs:\n  - {source: 6.17.8, target: 7.3.4}\n"
    for text, message in (
        ("scenarios: [basline]\n", "there is no scenario 'basline'"),
        ("scenarios: {tags: {include: [nosuch]}}\n", "no scenario has the tag 'nosuch'"),
    ):
        with pytest.raises(PolicyError) as caught:
            demands(load_policy(write(tmp_path, pair + text)), schema, library())
        assert caught.value.problems[0].message == message
        assert caught.value.problems[0].line == 4


def test_aliases_and_matrices_name_the_same_pair_once(tmp_path: Path, schema) -> None:  # type: ignore[no-untyped-def]
    release = next(r for r in schema.releases if r.aliases)
    text = (
        "name: p\nrequired_pairs:\n"
        f"  - {{source: '{release.aliases[0]}', target: {release.label}}}\n"
        f"  - {{source: {release.label}, target: {release.label}}}\n"
    )
    found = demands(load_policy(write(tmp_path, text)), schema, library())
    assert [(d.source, d.target) for d in found] == [(release.label, release.label)]


def test_directions_choose_from_a_matrix(tmp_path: Path, schema) -> None:  # type: ignore[no-untyped-def]
    order = {r.label: n for n, r in enumerate(schema.releases)}
    text = "name: p\nrequired_pairs:\n  - {matrix: upstream, directions: [rollback]}\n"
    found = demands(load_policy(write(tmp_path, text)), schema, library())
    assert found
    assert all(order[d.source] > order[d.target] for d in found)


def test_a_policy_made_in_code_needs_no_file() -> None:
    assert Policy(name="p", required_pairs=()).document.name == "p"
