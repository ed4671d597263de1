# SPDX-License-Identifier: Apache-2.0
"""`qualify check A.json B.json` from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from qualify.compat import RULES
from tests.cli.conftest import Cli


def dump(*fields: tuple[str, int], machine: str = "m", section: str = "dev") -> str:
    plain: dict[str, Any] = {"name": "d", "version_id": 1, "minimum_version_id": 1}
    plain["Fields"] = [{"field": name, "version_id": 0, "size": size} for name, size in fields]
    top = {"Name": section, "version_id": 1, "minimum_version_id": 1, "Description": plain}
    return json.dumps({"vmschkmachine": {"Name": machine}, section: top})


OLD = dump(("a", 4), ("b", 2))


@pytest.fixture
def old(cli: Cli) -> Path:
    """In the folder that `cli` runs in."""
    Path("old.json").write_text(OLD)
    return Path("old.json")


def test_warnings_alone_are_yes(cli: Cli, old: Path) -> None:
    Path("new.json").write_text(dump(("a", 4), ("b", 2), ("c", 8), machine="n"))
    result = cli("check", old, "new.json")
    assert result.exit_code == 0
    assert result.stdout.startswith("old.json → new.json: 0 errors, 1 warning\n")
    assert "VMS002  warning  vmschkmachine  machine type 'm', in the target 'n'\n" in result.stdout
    assert result.stdout.endswith("yes: no difference that B would refuse\n")


def test_errors_are_no_with_rule_path_and_text(cli: Cli, old: Path) -> None:
    Path("new.json").write_text(dump(("a", 8), ("q", 2)))
    result = cli("check", old, "new.json")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[0] == "old.json → new.json: 2 errors, 0 warnings"
    assert [line.split() for line in lines[2:3]] == [["rule", "level", "path", "what"]]
    assert lines[4].split(maxsplit=3) == ["VMS010", "error", "dev/d/b", "the target has field 'q' here"]
    assert lines[5].split(maxsplit=3) == ["VMS011", "error", "dev/d/a", "4 bytes, in the target 8"]
    assert f"VMS011 {RULES['VMS011'].purpose}" in lines


def test_json_says_the_same(cli: Cli, old: Path) -> None:
    Path("new.json").write_text(dump(("a", 8), ("b", 2)))
    result = cli("check", old, "new.json", "--json")
    assert result.exit_code == 1
    found = {
        "rule": "VMS011",
        "path": "dev/d/a",
        "level": "error",
        "text": "4 bytes, in the target 8",
        "peer": True,
    }
    assert json.loads(result.stdout) == {
        "kind": "vmstate",
        "source": "old.json",
        "target": "new.json",
        "evidence": "static",
        "answer": "no",
        "exit_status": 1,
        "findings": [found],
        "accepted": [],
        "unused": [],
    }


def test_accepted_differences_do_not_count_and_unused_entries_are_told(cli: Cli, old: Path) -> None:
    Path("new.json").write_text(dump(("a", 8), ("q", 2)))
    Path("ok.yaml").write_text(
        "accepted:\n"
        "  - {where: d, names: [q, b], reason: renamed}\n"
        "  - {rule: VMS011, path: dev/d/a, reason: both are padded}\n"
        "  - {where: x, names: [u, v], reason: left over}\n"
    )
    result = cli("check", old, "new.json", "--accepted", "ok.yaml")
    assert result.exit_code == 0
    assert "accepted: VMS011 dev/d/a: both are padded\n" in result.stdout
    assert "ok.yaml: unused: u and v in x\n" in result.stdout
    plain = json.loads(cli("check", old, "new.json", "--accepted", "ok.yaml", "--json").stdout)
    assert plain["findings"] == []
    assert [(f["rule"], f["reason"]) for f in plain["accepted"]] == [("VMS011", "both are padded")]
    assert plain["unused"] == [{"where": "x", "names": ["u", "v"], "reason": "left over"}]


@pytest.mark.parametrize(("one", "other"), [("ICH9 LPC", "ICH9-LPC"), ("e1000", "e1000-82540em")])
def test_the_shipped_renames_hold_both_ways(cli: Cli, one: str, other: str) -> None:
    for source, target in ((one, other), (other, one)):
        Path("a.json").write_text(dump(("a", 4), section=source))
        Path("b.json").write_text(dump(("a", 4), section=target))
        result = cli("check", "a.json", "b.json", "--json")
        assert (result.exit_code, json.loads(result.stdout)["findings"]) == (0, [])


def test_bad_files_are_all_told(cli: Cli, old: Path) -> None:
    Path("bad.json").write_text('{"dev": ')
    Path("ok.yaml").write_text("accepted:\n  - {where: d, names: [q], reason: renamed}\n")
    result = cli("check", "bad.json", "gone.json", "--accepted", "ok.yaml")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "bad.json:1:9: not JSON" in result.stderr
    assert "gone.json: cannot be read" in result.stderr
    assert "ok.yaml:2:" in result.stderr
    assert "-dump-vmstate FILE" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("old.json", "7.2"), "'old.json' is a VMState dump and '7.2' is none"),
        (("7.2", "old.json"), "'old.json' is a VMState dump and '7.2' is none"),
        (("old.json", "old.json", "--scenario", "x"), "say nothing about VMState dumps"),
        (("7.2", "7.3", "--accepted", "ok.yaml"), "--accepted is for VMState dumps only"),
    ],
)
def test_what_does_not_go_together_is_refused(cli: Cli, old: Path, arguments: tuple[str, ...], message: str) -> None:
    result = cli("check", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr


def test_an_own_entry_for_a_shipped_rename_is_used(cli: Cli) -> None:
    Path("a.json").write_text(dump(("a", 4), section="e1000"))
    Path("b.json").write_text(dump(("a", 4), section="e1000-82540em"))
    Path("ok.yaml").write_text('accepted: [{where: "", names: [e1000, e1000-82540em], reason: our words}]\n')
    assert json.loads(cli("check", "a.json", "b.json", "--accepted", "ok.yaml", "--json").stdout)["unused"] == []
