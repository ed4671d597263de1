# SPDX-License-Identifier: Apache-2.0
"""`qualify check` and `qualify explain` from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from qualify.cli import style
from qualify.cli.main import app
from qualify.compat import RULES
from qualify.model import Finding, Verdict


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


def as_json(*arguments: object) -> Any:
    return json.loads(run(*arguments, "--json").stdout)


@pytest.mark.parametrize(
    ("source", "target", "more", "verdict", "status"),
    [
        ("7.2", "7.3", [], "RESTORED", 0),
        ("7.1.13", "7.1.13", [], "RESTORED", 0),
        ("6.19", "6.19", ["--scenario", "memfd-sealed"], "DEGRADED", 1),
        ("7.1.13", "7.1.13-nomemfd", [], "REFUSED", 1),
        ("7.1", "7.2", [], "LOST", 1),
        ("6.19", "7.0", [], "PANIC", 1),
        ("6.17.8", "6.17.9+", [], "PANIC", 1),
        ("6.18", "6.17.8", ["--scenario", "window-16m-next-page"], "CORRUPT", 1),
        ("7.1", "7.1", ["--scenario", "operator-source-without-kho"], "UNSUPPORTED", 3),
        ("6.16", "7.3", ["--scenario", "session-empty"], "UNSUPPORTED", 3),
    ],
)
def test_the_exit_status_is_the_answer(source: str, target: str, more: list[str], verdict: str, status: int) -> None:
    result = run("check", source, target, *more)
    assert result.exit_code == status
    assert result.stdout.splitlines()[0].endswith(f": {verdict}")
    assert result.stdout.splitlines()[-1].startswith({0: "yes: ", 1: "no: ", 3: "unknown: "}[status])
    answer = as_json("check", source, target, *more)
    assert (answer["verdict"], answer["exit_status"]) == (verdict, status)
    assert answer["answer"] == {0: "yes", 1: "no", 3: "unknown"}[status]


def test_check_says_which_objects_and_why() -> None:
    text = run("check", "7.1.13", "7.1.13-nomemfd").stdout
    assert text == (
        "7.1.13 → 7.1.13-nomemfd (upgrade), scenario baseline: REFUSED\n"
        "  7.1.13 → itself: RESTORED\n"
        "\n"
        "object             verdict    comes with\n"
        "-----------------  ---------  -----------------------------------\n"
        "reserve_mem/alpha  RESTORED\n"
        "session/qual       REFUSED    blast-radius, leaked, not-retryable\n"
        "memfd/qual/0x1a    REFUSED    blast-radius, leaked, not-retryable\n"
        "\n"
        "LUO008 No handler for a file: every open fails\n"
        "  luo-file: nobody registered for 'memfd-v2': every open answers EIO\n"
        "  what to do: Build the target with the handler before you jump: "
        "one such file costs every session on the host.\n"
        "\n"
        "evidence: static, from the schema alone; nothing was run\n"
        "no: 'qualify explain 7.1.13 7.1.13-nomemfd' says why\n"
    )


def test_check_shows_conditions_where_more_than_one_verdict_can_happen() -> None:
    lines = run("check", "6.17.8", "6.17.9+").stdout.splitlines()
    assert lines[1] == "  PANIC when the neighbouring bytes name a page beyond RAM"
    assert lines[2].startswith("  RESTORED when the neighbouring bytes name pages in RAM")
    answer = as_json("check", "6.17.8", "6.17.9+")
    assert [a["verdict"] for a in answer["alternatives"]] == ["PANIC", "RESTORED"]
    assert answer["alternatives"][1]["consequences"] == ["spurious-reservation"]
    assert all(a["condition"] for a in answer["alternatives"])


def test_check_as_json_has_everything() -> None:
    answer = as_json("check", "6.19", "7.0")
    assert {k: answer[k] for k in ("source", "target", "direction", "scenario", "evidence")} == {
        "source": "6.19.11",
        "target": "7.0.13",
        "direction": "upgrade",
        "scenario": "baseline",
        "evidence": "static",
    }
    assert [o["object"] for o in answer["objects"]] == ["reserve_mem/alpha", "session/qual", "memfd/qual/0x1a"]
    assert {r["rule"] for r in answer["reasons"]} == {"LUO002"}
    assert all(r["advice"] for r in answer["reasons"])


def test_check_names_the_scenario_in_what_to_ask_next() -> None:
    text = run("check", "6.18", "6.17.8", "--scenario", "window-16m-next-page").stdout
    assert "'qualify explain 6.18.15 6.17.8 --scenario window-16m-next-page' says why" in text


@pytest.mark.parametrize("command", ["check", "explain"])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["6.19", "7.O"], "unknown release '7.O'; did you mean 7.3 or 7.2 or 7.1?"),
        (["linux", "7.0"], "unknown release 'linux'; known: 6.16, 6.16.12"),
        (["6.19", "7.0", "--scenario", "basline"], "unknown scenario 'basline'; did you mean baseline?"),
    ],
)
def test_unknown_names_come_with_suggestions(command: str, arguments: list[str], message: str) -> None:
    result = run(command, *arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert message in result.stderr


@pytest.mark.parametrize("command", ["check", "explain"])
def test_a_scenario_that_names_an_unknown_component_is_refused(command: str, tmp_path: Path) -> None:
    text = "{id: mine, title: t, purpose: p, target: {without: [memdf]}, objects: [{kind: kexec-metadata}]}"
    (tmp_path / "mine.yaml").write_text(text)
    result = run(command, "7.1", "7.1", "--scenario", "mine", "--scenarios", tmp_path)
    assert result.exit_code == 2
    message = (
        "scenario 'mine': target.without names nothing that a kernel can be built without: 'memdf'; did you mean memfd?"
    )
    assert message in result.stderr


def test_a_release_of_ones_own_can_be_checked(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text('label: mine\nversion: "7.1.14"\ninherits: 7.1.13\nprovenance: {kind: proposed}\n')
    assert run("check", "7.1.13", "mine", "--schema", mine).exit_code == 0
    assert run("check", "7.1.13", "mine").exit_code == 2


def test_a_broken_schema_file_is_reported_with_its_place(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text('label: mine\nversion: "7.1.14"\ninherits: 7.1.31\nprovenance: {kind: proposed}\n')
    result = run("check", "7.1.13", "mine", "--schema", mine)
    assert result.exit_code == 2
    assert f"{mine}:3:1: no release '7.1.31' to inherit from" in result.stderr


def test_the_next_command_sees_the_same_files(tmp_path: Path) -> None:
    mine = tmp_path / "my tree.yaml"
    mine.write_text('label: mine\nversion: "7.0"\ninherits: "7.0.13"\nprovenance: {kind: proposed}\n')
    result = run("check", "6.19", "mine", "--schema", mine, "--scenario", "memfd-dense")
    assert result.exit_code == 1
    command = f"qualify explain 6.19.11 mine --scenario memfd-dense --schema '{mine}'"
    assert result.stdout.splitlines()[-1] == f"no: '{command}' says why"


@pytest.mark.parametrize("command", ["check", "explain"])
def test_an_answer_says_that_nothing_was_run(command: str) -> None:
    assert "\nevidence: static, from the schema alone; nothing was run\n" in run(command, "7.2", "7.3").stdout


def test_every_unknown_name_is_told_at_once() -> None:
    result = run("check", "6.99", "7.99", "--scenario", "baselin")
    assert result.exit_code == 2
    lines = result.stderr.splitlines()
    assert [line.partition(";")[0] for line in lines] == [
        "qualify: unknown release '6.99'",
        "unknown release '7.99'",
        "unknown scenario 'baselin'",
    ]


@pytest.mark.parametrize("name", ["6.17", "6.17.10"])
def test_a_release_that_there_is_not_is_sought_in_its_series(name: str) -> None:
    """A label that looks alike may lie beyond a change of formats: it is not to be suggested alone."""
    said = run("check", name, "7.1").stderr
    series = "the 6.17 series has 6.17.8 (also 6.17.0-6.17.8) and 6.17.13 (also 6.17.9+)"
    assert said == (
        f"qualify: unknown release '{name}'; {series}; "
        "labels and aliases are literal names, a version number never selects a format ('qualify schema list')\n"
    )
    assert said == run("schema", "show", name).stderr.replace("no release and no format", "unknown release")


# --- explain ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "target", "component", "words"),
    [
        ("6.17.8", "6.17.9+", "kho", "FALSE ACCEPT"),
        ("6.19", "7.0", "luo", "FALSE ACCEPT"),
        ("6.17.9+", "6.18", "kho-test", "FALSE ACCEPT"),
        ("7.0", "7.1", "kho", "TRUE REFUSAL"),
        ("7.1", "7.2", "kho", "OVER-STRICT REFUSAL"),
        ("7.2", "7.1", "kho", "OVER-STRICT REFUSAL"),
    ],
)
def test_the_three_findings_stand_out_on_top(source: str, target: str, component: str, words: str) -> None:
    result = run("explain", source, target)
    assert result.exit_code == 0
    first = result.stdout.split("\n\n")[1].splitlines()
    headlines = [line for line in result.stdout.splitlines() if line.startswith(f"{words}: {component} - ")]
    assert headlines
    assert first[1].startswith("  what the target will do: ")
    assert first[2].startswith("  what to do about it: ")
    finding = words.lower().replace(" ", "-")
    found = {c["component"]: c for c in as_json("explain", source, target)["components"]}
    assert (found[component]["finding"], found[component]["reached"]) == (finding, True)


def test_pairs_that_agree_have_no_headline() -> None:
    text = run("explain", "7.2", "7.3").stdout
    assert text.splitlines()[2] == "setup"
    assert "REFUSAL" not in text
    assert as_json("explain", "7.2", "7.3")["headlines"] == []


def test_explain_goes_field_by_field_with_offsets() -> None:
    lines = run("explain", "7.0", "7.1").stdout.splitlines()
    start = lines.index("    writes memfd-v1, reads memfd-v2: true refusal, not reached")
    assert lines[start + 1 : start + 5] == [
        "      string: 'memfd-v1' vs 'memfd-v2'",
        "      memfd_luo_ser.seals: none vs u32@16",
        "      memfd_luo_ser.flags: none vs u32@20",
        "      memfd_luo_ser.nr_folios: u64@16 vs u64@24",
    ]


def test_explain_follows_the_target_through_its_boot() -> None:
    lines = run("explain", "7.1", "7.1").stdout.splitlines()
    stages = [line for line in lines if line in ("setup", "early", "initcall", "user", "objects")]
    assert stages == ["setup", "early", "initcall", "user", "objects"]
    assert "  memfd/qual/0x1a (kho > luo > luo-session > luo-file > kho-vmalloc > memfd)" in lines


def test_nothing_is_read_after_a_certain_panic() -> None:
    text = run("explain", "6.19", "7.0").stdout
    _, _, after = text.partition("FALSE ACCEPT\n")
    assert "the target reads what the source writes" not in after
    assert after.count("    the bytes agree; not reached: the target has panicked\n") == 5
    reached = {c["component"]: c["reached"] for c in as_json("explain", "6.19", "7.0")["components"]}
    assert (reached["reserve-mem"], reached["luo"]) == (True, True)
    assert (reached["kho-test"], reached["luo-session"], reached["memfd"]) == (False, False, False)


@pytest.mark.parametrize("scenario", ["operator-scratch-too-small", "operator-page-size-16k"])
def test_a_panic_in_early_boot_leaves_nothing_to_read(scenario: str) -> None:
    found = as_json("explain", "7.1", "7.1", "--scenario", scenario)
    assert [c["component"] for c in found["components"] if c["reached"]] == ["kho"]
    assert all("not reached: the target has panicked" in c["what_happens"] for c in found["components"][1:])


def test_a_panic_that_may_not_happen_keeps_nothing_from_being_read() -> None:
    """6.17.8 to 6.18: whether it panics depends on the neighbouring bytes."""
    text = run("explain", "6.17.8", "6.18").stdout
    assert "the target has panicked" not in text
    assert "    the target reads what the source writes\n" in text


@pytest.mark.parametrize(
    ("source", "target", "component", "rule", "finding_rule"),
    [
        ("6.19", "7.0", "luo", "LUO002", "CMP001"),
        ("6.18", "6.17.8", "kho", "KHO003", "CMP001"),
        ("6.17.8", "6.18", "kho", "KHO002", "CMP001"),
        ("7.0", "7.1", "kho", "KHO001", "CMP002"),
        ("7.1", "7.2", "kho", "KHO001", "CMP003"),
        # nothing of this component in the scenario: the finding's own advice
        ("6.17.9+", "6.18", "kho-test", "CMP001", "CMP001"),
    ],
)
def test_a_fault_has_one_rule_and_one_advice(
    source: str, target: str, component: str, rule: str, finding_rule: str
) -> None:
    """In the text, in the components of the JSON and among its reasons."""
    answer = as_json("explain", source, target)
    (found,) = (c for c in answer["components"] if c["component"] == component)
    assert (found["rule"], found["finding_rule"]) == (rule, finding_rule)
    assert found["advice"] == RULES[rule].advice
    text = run("explain", source, target).stdout
    assert f"  what to do about it: {found['advice']} ({rule})\n" in text
    if rule != finding_rule:
        assert found["advice"] in [r["advice"] for r in answer["reasons"] if r["rule"] == rule]


def test_what_the_source_does_to_itself_is_no_fault_of_a_format() -> None:
    """Every release before 7.2 frees such a region (KHO010), whatever the other side reads."""
    (kho,) = (
        c
        for c in as_json("explain", "6.17.8", "6.18", "--scenario", "reserve-mem-4g")["components"]
        if c["component"] == "kho"
    )
    assert (kho["rule"], kho["finding"]) == ("KHO002", "false-accept")


def test_explain_gives_each_rule_in_full() -> None:
    text = run("explain", "6.18", "6.17.8", "--scenario", "window-16m-next-page").stdout
    assert "\nKHO003 The target reads only the first part of the source's bitmaps\n" in text
    assert "(docs/rules.md#kho003)\n" in text
    assert "  what to do: Treat this pair as incompatible." in text


# --- colour ----------------------------------------------------------------------------------------------------


def test_there_is_no_colour_in_a_file() -> None:
    assert "\x1b" not in run("check", "6.19", "7.0").stdout
    assert "\x1b" not in run("explain", "6.19", "7.0").stdout


def test_colour_is_for_terminals_that_want_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert style.paint(Verdict.PANIC) == "\x1b[31m\x1b[1mPANIC\x1b[0m"
    assert "FALSE ACCEPT" in style.paint(Finding.FALSE_ACCEPT, "FALSE ACCEPT")
    monkeypatch.setenv("NO_COLOR", "1")
    assert style.paint(Verdict.PANIC) == "PANIC"


def test_tables_leave_out_empty_columns() -> None:
    assert list(style.table([("a", "", "1"), ("b", "", "")], ["x", "y", "z"])) == [
        "x    z",
        "---  ---",
        "a    1",
        "b",
    ]
