# SPDX-License-Identifier: Apache-2.0
"""`qualify scenario` from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from qualify.cli.main import app
from qualify.cli.scenario import lines
from qualify.scenario import Scenario, library


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["scenario", *map(str, arguments)])


def test_every_scenario_is_listed_once() -> None:
    listed = [line.split()[0] for line in run("list").stdout.splitlines()[2:]]
    assert listed == list(library())
    plain = json.loads(run("list", "--json").stdout)
    assert [s["id"] for s in plain] == listed
    assert plain[0]["object_ids"] == ["reserve_mem/alpha", "session/qual", "memfd/qual/0x1a"]
    assert plain[0]["touched_bytes"] == 8 << 20


def test_tags_select_scenarios_that_have_all_of_them() -> None:
    listed = json.loads(run("list", "--tag", "boundary", "--tag", "kho-test", "--json").stdout)
    assert listed
    assert all({"boundary", "kho-test"} <= set(s["tags"]) for s in listed)


def test_tags_that_nothing_has_together_are_unknown() -> None:
    result = run("list", "--tag", "seals", "--tag", "operator")
    assert result.exit_code == 3
    assert "qualify: no scenario has all of the tags seals, operator" in result.stderr


def test_show_describes_what_is_not_left_to_the_kernel() -> None:
    assert run("show", "operator-page-size-16k").stdout == (
        "operator-page-size-16k: The target has pages of 16 KiB\n"
        "  Nothing on the wire says how large a page is.\n"
        "  tags: operator, page-size\n"
        "  host: 1 GiB of RAM; touches 128 KiB; seed 1\n"
        "  target: page_size = 16 KiB\n"
        "  objects:\n"
        "    reserve_mem/alpha: 64 KiB at 0x3f9dd000, align 4 KiB\n"
        "    session/qual\n"
        "      memfd/qual/0x1a: 64 KiB at 0x31777000, folios of order 0\n"
        "    kexec-metadata: written by every release that has it\n"
    )


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("handler-missing", "  target: without = memfd"),
        ("operator-target-without-kho", "  target: kho = no"),
        ("kho-test-tables-in-reach", "  placement: metadata = 0x80000000"),
        ("kexec-metadata-third", "    kexec-metadata: written by every release that has it, kexec 3 in a row"),
        ("kho-test-two", "    kho_test: 2 folios of orders 2, 3"),
        (
            "flb-renamed",
            "    flb/liveupdate-test-flb-v0: data 0x1122334455667788, the target looks for liveupdate-test-flb-v9",
        ),
        (
            "reserve-mem-size-differs",
            "    reserve_mem/alpha: 64 KiB at 0x3f9dd000, align 4 KiB, the target asks for 128 KiB",
        ),
        (
            "reserve-mem-not-asked",
            "    reserve_mem/alpha: 64 KiB at 0x3f9dd000, align 4 KiB, the target does not ask for it",
        ),
        (
            "memfd-noexec-seal",
            "      memfd/qual/0x1a: 64 KiB at 0x31777000, folios of order 0, made with MFD_NOEXEC_SEAL",
        ),
        ("memfd-position", "      memfd/qual/0x1a: 64 KiB at 0x31777000, folios of order 0, position 12345"),
    ],
)
def test_show_names_what_is_special(name: str, line: str) -> None:
    assert line in run("show", name).stdout.splitlines()


@pytest.mark.parametrize("known", library().values(), ids=lambda s: s.id)
def test_every_object_of_every_scenario_is_described(known: Scenario) -> None:
    shown = [line.strip() for line in lines(known)]
    for name in known.object_ids:
        assert any(line == name or line.startswith(f"{name}: ") for line in shown)


def test_show_as_json_is_the_whole_scenario() -> None:
    plain = json.loads(run("show", "mixed", "--json").stdout)
    assert plain["objects"][0]["kind"] == "reserve-mem"
    assert plain["digest"] == library()["mixed"].digest


def test_unknown_names_come_with_suggestions() -> None:
    result = run("show", "baselin")
    assert result.exit_code == 2
    assert "qualify: unknown scenario 'baselin'; did you mean baseline" in result.stderr
    result = run("list", "--tag", "boundry")
    assert result.exit_code == 2
    assert "qualify: no scenario has the tag 'boundry'; did you mean boundary?" in result.stderr


def test_scenarios_of_ones_own_are_listed_too(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "{id: mine, title: t, purpose: p, tags: [x], objects: [{kind: kexec-metadata}]}"
    )
    listed = json.loads(run("list", "--scenarios", tmp_path, "--tag", "x", "--json").stdout)
    assert [s["id"] for s in listed] == ["mine"]
    (tmp_path / "empty").mkdir()
    result = run("list", "--scenarios", tmp_path / "empty")
    assert result.exit_code == 2
    assert (
        result.stderr == f"qualify: {tmp_path / 'empty'}: holds no scenario files\n    expected *.yaml in this folder\n"
    )
    (tmp_path / "bad.yaml").write_text("id: bad\n")
    result = run("list", "--scenarios", tmp_path)
    assert result.exit_code == 2
    assert f"{tmp_path / 'bad.yaml'}:1:1: 'title' is missing" in result.stderr
