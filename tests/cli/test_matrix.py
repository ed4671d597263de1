# SPDX-License-Identifier: Apache-2.0
"""`qualify matrix list|show|pairs`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from typer.testing import Result

Cli = Callable[..., Result]


def _matrix(folder: Path, **lines: str) -> Path:
    plain = {"name": "mine", "title": "Mine", "releases": '["7.2.13", "7.3.4"]', "scenarios": "[baseline]", **lines}
    path = folder / "mine.yaml"
    path.write_text("".join(f"{key}: {value}\n" for key, value in plain.items()))
    return path


def test_list_names_what_ships(cli: Cli) -> None:
    result = cli("matrix", "list")
    assert result.exit_code == 0
    rows = result.stdout.splitlines()[2:]
    assert [row.split()[0] for row in rows] == ["large", "real", "stable-6.17", "upstream", "window"]
    assert next(r for r in rows if r.startswith("upstream")).endswith("Every release into every release")


def test_list_as_json(cli: Cli) -> None:
    found = {m["name"]: m for m in json.loads(cli("matrix", "list", "--json").stdout)}
    upstream = found["upstream"]
    assert upstream["pairs"] == len(upstream["releases"]) ** 2
    assert upstream["cells"] == upstream["pairs"] * len(upstream["scenarios"])


def test_show(cli: Cli, tmp_path: Path) -> None:
    result = cli("matrix", "show", _matrix(tmp_path))
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "mine: Mine",
        "releases   7.2.13 7.3.4",
        "scenarios  baseline",
        "backends   simulator",
        "pairs      4",
        "cells      4",
    ]


def test_show_as_json(cli: Cli, tmp_path: Path) -> None:
    shown = json.loads(cli("matrix", "show", _matrix(tmp_path), "--json").stdout)
    assert (shown["name"], shown["releases"], shown["pairs"], shown["cells"]) == ("mine", ["7.2.13", "7.3.4"], 4, 4)
    assert len(shown["digest"]) == 64


def test_pairs_come_in_the_order_in_which_they_run(cli: Cli, tmp_path: Path) -> None:
    result = cli("matrix", "pairs", _matrix(tmp_path))
    assert [line.split() for line in result.stdout.splitlines()[2:]] == [
        ["7.2.13", "7.2.13", "same"],
        ["7.2.13", "7.3.4", "upgrade"],
        ["7.3.4", "7.2.13", "rollback"],
        ["7.3.4", "7.3.4", "same"],
    ]


def test_pairs_as_json(cli: Cli, tmp_path: Path) -> None:
    pairs = json.loads(cli("matrix", "pairs", _matrix(tmp_path, pairs="neighbours"), "--json").stdout)
    assert pairs == [
        {"source": "7.2.13", "target": "7.3.4", "direction": "upgrade"},
        {"source": "7.3.4", "target": "7.2.13", "direction": "rollback"},
    ]


def test_scenarios_of_ones_own(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "own.yaml").write_text(
        "id: own\ntitle: t\npurpose: p\nobjects:\n  - {kind: reserve-mem, name: r, size: 4KiB, at: 0x30000000}\n"
    )
    result = cli("matrix", "show", _matrix(tmp_path, scenarios="[own]"), "--scenarios", tmp_path / "s")
    assert "scenarios  own" in result.stdout.splitlines()


def test_an_empty_selection_is_unknown_not_yes(cli: Cli, tmp_path: Path) -> None:
    path = _matrix(tmp_path, releases="{series: '5.4'}")
    for command in ("show", "pairs"):
        result = cli("matrix", command, path)
        assert result.exit_code == 3
        assert "matrix 'mine' selects no release: nothing in the schema fits 'releases'" in result.stderr


def test_mistakes_come_with_their_places(cli: Cli, tmp_path: Path) -> None:
    path = _matrix(tmp_path, scenarios="[basline]", backends="[]", pears="all")
    result = cli("matrix", "show", path)
    assert result.exit_code == 2
    assert result.stderr.splitlines() == [
        f"qualify: {path}:4:13: there is no scenario 'basline'",
        "    did you mean baseline?",
        f"{path}:5:1: 'backends': expected at least 1 entry",
        f"{path}:6:1: unknown key 'pears'",
        "    did you mean pairs or scenarios?",
    ]


def test_mistakes_of_all_files_are_told_in_one_go(cli: Cli, tmp_path: Path) -> None:
    path = _matrix(tmp_path, scenarios="[basline]", pears="all")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "bad.yaml").write_text("id: bad\n")
    (tmp_path / "schema.yaml").write_text("structs: 5\n")
    result = cli("matrix", "show", path, "--scenarios", tmp_path / "mine", "--schema", tmp_path / "schema.yaml")
    assert result.exit_code == 2
    said = result.stderr.replace(str(tmp_path), "T")
    for line in ("T/mine.yaml:5:1: unknown key 'pears'", "T/mine/bad.yaml:1:1: 'title' is missing",
                 "T/schema.yaml:1:1: 'structs' must be a list"):  # fmt: skip
        assert line in said
    assert "basline" not in said  # what the scenarios are is not known


def test_an_unknown_matrix(cli: Cli) -> None:
    result = cli("matrix", "show", "upsteam")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[0] == "qualify: there is no matrix 'upsteam'"
    assert "did you mean upstream" in result.stderr
