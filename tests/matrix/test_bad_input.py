# SPDX-License-Identifier: Apache-2.0
"""Every mistake a matrix file can hold is told with its place and what to do, all of them in one go."""

from __future__ import annotations

from pathlib import Path

import pytest

from qualify.errors import MatrixError, UsageError
from qualify.matrix import find_matrix, load_matrix, select
from qualify.scenario import Scenario
from qualify.schema import load

GOOD = "name: m\ntitle: T\nreleases: all\nscenarios: all\n"


def _problems(path: Path, text: str | bytes) -> list[str]:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(MatrixError) as caught:
        load_matrix(path)
    assert caught.value.exit_status == 2
    return [str(p).replace(str(path), "F") for p in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "F:1:1: expected a mapping with name, title, releases, …; found nothing"),
        ("- a\n", "F:1:1: expected a mapping with name, title, releases, …; found a list"),
        ("name: [\n", "F:2:1: is not valid YAML"),
        (b"name: \xff\n", "F: is not UTF-8 text"),
        (GOOD + "name: n\n", "is not valid YAML: while constructing a mapping found duplicate key"),
        (GOOD.replace("name: m\n", ""), "'name' is missing"),
        (GOOD.replace("scenarios: all\n", ""), "'scenarios' is missing"),
        (GOOD.replace("name: m", "name: My Matrix"), "F:1:1: 'name': string should match pattern"),
        (GOOD + "pears: all\n", "F:5:1: unknown key 'pears'\n    did you mean pairs"),
        (GOOD.replace("releases: all", "releases: some"), "F:3:1: 'releases': expected 'all', a list of labels"),
        (
            GOOD.replace("releases: all", "releases: [7.1]"),
            "F:3:12: 'releases.0': expected text, got 7.1",
        ),
        (
            GOOD.replace("releases: all", "releases: {series: 6.17}"),
            "F:3:12: 'releases.series': expected text, got 6.17",
        ),
        (GOOD.replace("releases: all", "releases: {window: {last: 0}}"), "greater than or equal to 1, got 0"),
        (GOOD.replace("releases: all", "releases: {window: {last: many}}"), "valid integer, got 'many'"),
        (
            GOOD.replace("releases: all", "releases: {series: '6.17', window: {last: 1}}"),
            "F:3:1: 'releases': choose one of",
        ),
        (
            GOOD.replace("releases: all", "releases: {exclude: [7.3.4, 7.3.4]}"),
            "F:3:12: 'releases.exclude': lists something twice",
        ),
        (GOOD.replace("releases: all", "releases: {exclude: 7.3.4}"), "F:3:12: 'releases.exclude'"),
        (
            GOOD.replace("releases: all", "releases: {labels: [7.3.4], exclude: [7.2.13]}"),
            "F:3:1: 'releases': a list of labels needs no 'exclude'",
        ),
        (GOOD.replace("releases: all", "releases: {window: {first: 1}}"), "unknown key 'releases.window.first'"),
        (
            GOOD + "pairs: every\n",
            "F:5:1: 'pairs': expected 'all', 'neighbours', 'same', 'same-and-neighbours', or a list",
        ),
        (GOOD + "pairs: [{source: a}]\n", "F:5:9: 'pairs.0.target' is missing"),
        (GOOD + "pairs: [{source: a, target: b, via: c}]\n", "unknown key 'pairs.0.via'"),
        (GOOD + "directions: [sideways]\n", "F:5:14: 'directions.0': input should be 'upgrade', 'rollback' or 'same'"),
        (GOOD + "directions: []\n", "F:5:1: 'directions'"),
        (GOOD + "directions: [same, same]\n", "'directions': lists something twice"),
        (GOOD.replace("scenarios: all", "scenarios: none"), "F:4:1: 'scenarios': expected 'all', a list of ids"),
        (GOOD.replace("scenarios: all", "scenarios: {tags: {only: [a]}}"), "unknown key 'scenarios.tags.only'"),
        (GOOD + "backends: []\n", "F:5:1: 'backends'"),
        (GOOD + "max_touched_bytes: plenty\n", "'max_touched_bytes': expected a number of bytes, or a number with KiB"),
        (GOOD + "max_touched_bytes: -1\n", "'max_touched_bytes': input should be greater than or equal to 0"),
        (GOOD + "seed: now\n", "'seed': input should be a valid integer, got 'now'"),
        (GOOD + "seed: 99999999999999999999\n", "'seed'"),
    ],
)
def test_message(text: str | bytes, expected: str, tmp_path: Path) -> None:
    assert expected in "\n".join(_problems(tmp_path / "m.yaml", text))


def test_all_mistakes_of_a_file_are_reported_at_once(tmp_path: Path) -> None:
    text = "title: ''\nreleases: 3\npairs: x\nscenarios: all\nextra: 1\n"
    places = [line.split(" ")[0] for line in _problems(tmp_path / "m.yaml", text)]
    assert places == ["F:1:1:", "F:1:1:", "F:2:1:", "F:3:1:", "F:5:1:"]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MatrixError, match="no such file"):
        load_matrix(tmp_path / "none.yaml")


def test_a_folder_is_no_matrix(tmp_path: Path) -> None:
    with pytest.raises(MatrixError, match="is a directory; expected a YAML file"):
        load_matrix(f"{tmp_path}/")


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(UsageError, match="there is no matrix 'upstraem'\n    did you mean upstream"):
        find_matrix("upstraem")


def test_a_name_is_never_taken_for_a_file_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "upstream").mkdir()
    monkeypatch.chdir(tmp_path)
    assert find_matrix("upstream").is_file()


def test_sizes_are_read_with_their_unit(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    for text, expected in (("65536", 65536), ("64 MiB", 64 << 20), ("1TiB", 1 << 40), ("7 B", 7)):
        path.write_text(GOOD + f"max_touched_bytes: {text}\n")
        assert load_matrix(path).max_touched_bytes == expected


NAMES = """\
name: m
title: T
releases: ["7.3.4", "7.33.4", "6.17"]
pairs:
  - {source: "7.3.4", target: "9.9"}
scenarios:
  - basline
  - baseline
max_touched_bytes: 1 KiB
"""


def test_names_that_do_not_exist_are_told_with_their_places(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(NAMES)
    with pytest.raises(MatrixError) as caught:
        select(load_matrix(path), load(), _library())
    problems = [str(p).replace(str(path), "F").split("\n") for p in caught.value.problems]
    assert [p[0] for p in problems] == [
        "F:3:21: there is no release '7.33.4'",
        "F:3:31: there is no release '6.17'",
        "F:5:23: there is no release '9.9'",
        "F:7:5: there is no scenario 'basline'",
        "F:8:5: scenario 'baseline' touches 1048576 bytes; this matrix allows 1024",
    ]
    assert "7.3.4" in problems[0][1]
    assert problems[3][1].strip() == "did you mean baseline?"
    assert problems[4][1].strip() == "exclude it (by id or tag) or raise max_touched_bytes"


def test_a_tag_that_no_scenario_has(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text("name: m\ntitle: T\nscenarios:\n  tags:\n    include: [memfd]\n    exclude: [larg]\n")
    with pytest.raises(MatrixError) as caught:
        select(load_matrix(path), load(), _library())
    text = str(caught.value).replace(str(path), "F")
    assert text == "F:6:15: no scenario has the tag 'larg'\n    did you mean large?"


def test_pairs_outside_the_chosen_releases(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(
        'name: m\ntitle: T\nreleases: ["7.3.4"]\nscenarios: all\npairs: [{source: "7.2.13", target: "7.3.4"}]\n'
    )
    with pytest.raises(MatrixError, match=r":5:10: release '7.2.13' is not among 'releases'"):
        select(load_matrix(path), load(), _library())


def test_what_is_excluded_must_exist_and_must_have_been_chosen(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text('name: m\ntitle: T\nreleases: {series: "6.17", exclude: [6.17.88, 7.3.4]}\nscenarios: [baseline]\n')
    with pytest.raises(MatrixError) as caught:
        select(load_matrix(path), load(), _library())
    problems = [str(p).replace(str(path), "F").split("\n") for p in caught.value.problems]
    assert [p[0] for p in problems] == [
        "F:3:38: there is no release '6.17.88'",
        "F:3:47: release '7.3.4' is not among 'releases'",
    ]
    assert problems[1][1].strip() == "it leaves out nothing; take it out of 'exclude'"


def _library() -> dict[str, Scenario]:
    region = {"kind": "reserve-mem", "name": "r", "size": "1MiB", "at": "0x30000000"}
    plain = {"id": "baseline", "title": "t", "purpose": "p", "tags": ["memfd", "large"], "objects": [region]}
    return {"baseline": Scenario.model_validate(plain)}
