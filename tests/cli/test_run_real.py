# SPDX-License-Identifier: Apache-2.0
"""`qualify run --backend qemu` from end to end: real kernels boot, and without any the reason is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from qualify.matrix import Cell
from qualify.model import Evidence, Status
from qualify.store import load_artefacts, load_latest, load_logs, open_store
from tests.agent.machines import kernel, need_vm

Cli = Callable[..., Result]

RELEASE = "7.3.4"
SCENARIOS = ("baseline", "memfd-sealed")
# on a backend that needs no machine, so that --backend is what decides
MATRIX = f"""\
name: pair
title: One kernel into itself
releases: ["{RELEASE}"]
directions: [same]
scenarios: [{", ".join(SCENARIOS)}]
backends: [simulator]
"""
CELLS = [Cell(RELEASE, RELEASE, scenario, "qemu") for scenario in SCENARIOS]


@pytest.fixture
def matrix(tmp_path: Path) -> Path:
    path = tmp_path / "pair.yaml"
    path.write_text(MATRIX)
    return path


@pytest.mark.vm
@pytest.mark.slow
def test_real_kernels(cli: Cli, matrix: Path, tmp_path: Path) -> None:
    need_vm()
    kernel(RELEASE)
    result = cli("run", matrix, "--backend", "qemu", "--db", "q.sqlite", "--report", "r.html", "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert (told["cells"], told["boots"], told["again"]) == (len(CELLS), 1, 0)
    assert (told["verdicts"], told["disagreements"], told["left_out"]) == ({"RESTORED": len(CELLS)}, [], [])
    page = (tmp_path / "r.html").read_text()
    assert all(scenario in page for scenario in SCENARIOS)
    with open_store("q.sqlite", create=False) as store, store.session() as session:
        latest = load_latest(session, set(CELLS))
        assert set(latest) == set(CELLS)
        kept = load_artefacts(session, [r.result_id for r in latest.values()])
        logs = load_logs(session, [r.log_id for r in latest.values() if r.log_id is not None])
        for stored in latest.values():
            assert (stored.status, stored.evidence, stored.agrees) == (Status.DONE, Evidence.VM, True)
            assert {"source boot", "preserve", "blackout", "restore", "total"} <= set(stored.timings)
            files = {a.name: a for a in kept[stored.result_id]}
            assert {"serial.log", "records.log", "machine.json", "results.ktap", "source/out/fdt"} <= set(files)
            assert stored.log_id is not None
            assert f"one boot answered {' and '.join(SCENARIOS)}" in "\n".join(logs[stored.log_id])
    serial = cli("db", "artefact", f"{RELEASE}->{RELEASE}/baseline", "serial.log", "--db", "q.sqlite", "-o", "serial")
    assert serial.exit_code == 0, serial.output
    text = (tmp_path / "serial").read_text(errors="replace")
    assert text.count(f"Linux version {RELEASE}") == 2, "both kernels said what they are"


def test_without_kernels_it_is_3_with_the_reason(
    cli: Cli, matrix: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "none").mkdir()
    monkeypatch.setenv("QUALIFY_KERNELS", str(tmp_path / "none"))
    result = cli("run", matrix, "--backend", "qemu", "--db", "q.sqlite", "--report", "r.html")
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr == (
        f"qualify: matrix 'pair': none of its 2 cells can be run; {RELEASE} → {RELEASE}, baseline on qemu: "
        f"there is no kernel for release {RELEASE}; see: qualify kernel list\n"
    )
    assert not (tmp_path / "r.html").exists()
    assert not (tmp_path / "q.sqlite").exists()
