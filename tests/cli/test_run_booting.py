# SPDX-License-Identifier: Apache-2.0
"""`qualify run` on a backend that boots machines: what is left out, what is tried again, how much may be under way."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from qualify.backends import Needs
from qualify.model import Verdict
from tests.engine.bench import Bench

Cli = Callable[..., Result]

MATRIX = """\
name: small
title: Two releases
releases: ["7.2.13", "7.3.4"]
directions: [same]
scenarios: [reserve-mem-page, kexec-metadata]
backends: [bench]
"""


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Installed as another package's would be."""
    made = Bench(tmp_path / "notes")
    info = tmp_path / "lab-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lab\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[qualify.backends]\nbench = tests.cli.test_run_booting:make\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("tests.cli.test_run_booting.make", lambda: made)
    return made


def make() -> Bench:
    raise NotImplementedError  # the fixture knows where notes go


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(MATRIX)
    return path


def test_what_a_backend_cannot_run_is_told(cli: Cli, small: Path, bench: Bench) -> None:
    bench.misfits = {"kexec-metadata": "the agent has no words for it"}
    result = cli("run", small, "--db", "q.sqlite")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    at = lines.index("left out, for their backend cannot run them: 2 cells")
    assert lines[at + 1] == ("  2: the agent has no words for it (such as 7.2.13 → 7.2.13, kexec-metadata on bench)")
    assert "2 cells: 2 run, 0 shared, 0 from earlier runs, 0 known before" in lines
    assert "2 boots; 0 results of cells that were run again" in lines
    told = json.loads(cli("run", small, "--db", "q.sqlite", "--json").stdout)
    assert told["left_out"][0] == {
        "source": "7.2.13",
        "target": "7.2.13",
        "scenario": "kexec-metadata",
        "backend": "bench",
        "reason": "the agent has no words for it",
    }
    assert (len(told["left_out"]), told["cells"], told["kept"]) == (2, 2, 2)


def test_where_nothing_is_left_it_is_3_with_the_reason(cli: Cli, small: Path, bench: Bench, tmp_path: Path) -> None:
    bench.misfits = dict.fromkeys(["reserve-mem-page", "kexec-metadata"], "there is no QEMU")
    result = cli("run", small, "--db", "q.sqlite")
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr == (
        "qualify: matrix 'small': none of its 4 cells can be run; "
        "7.2.13 → 7.2.13, kexec-metadata on bench: there is no QEMU\n"
    )
    assert not (tmp_path / "q.sqlite").exists()


def test_retries_and_repeats(cli: Cli, small: Path, bench: Bench) -> None:
    bench.rules = {"shared reserve-mem-page": ["raise"], "alone reserve-mem-page": ["raise"]}
    result = cli("run", small, "--db", "q.sqlite", "--jobs", "1", "--retries", "2", "--json")
    told = json.loads(result.stdout)
    assert (result.exit_code, told["statuses"]) == (4, {"DONE": 2, "ERROR": 2})
    assert (told["boots"], told["again"]) == (2 + 2 * 3 + 2, 4)
    bench.rules = {}
    told = json.loads(cli("run", small, "--db", "q.sqlite", "--repeat", "3", "--fresh", "--json").stdout)
    assert (told["boots"], told["again"], told["verdicts"]) == (6, 8, {Verdict.RESTORED.value: 4})


def test_memory_limits_boots(cli: Cli, small: Path, bench: Bench) -> None:
    bench.cost = Needs(memory=2 << 30)
    result = cli("run", small, "--db", "q.sqlite", "--memory", "1 GiB")
    assert result.exit_code == 0
    note = "note: a boot takes 2 GiB, --memory allows 1 GiB: it ran with no other beside it"
    assert result.stdout.splitlines().count(note) == 1


@pytest.mark.parametrize("size", ["", "0", "much", "-1GiB", "8GB"])
def test_a_size_that_is_none_is_2(cli: Cli, small: Path, bench: Bench, size: str) -> None:
    result = cli("run", small, "--db", "q.sqlite", "--memory", size)
    assert result.exit_code == 2
    assert f"--memory {size}: expected a size such as 8GiB" in result.stderr
