# SPDX-License-Identifier: Apache-2.0
"""Cells of real kernels: what stands beside them, what contradicts them, and that nothing weaker hides them."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest

from qualify.model import Direction, Evidence, Status, Verdict
from qualify.report import CellRow, ObjectDifference, ObjectRow, PairRow, ReportData
from qualify.report.export import as_dict
from qualify.report.html import render as html
from qualify.report.junit import render as junit
from qualify.report.real import failures, real_kernels, with_simulated
from qualify.report.terminal import render as terminal
from qualify.report.wording import state
from qualify.store import open_store
from tests.report.real_sample import Ran, cell_of, fill, page_data, report_of
from tests.report.sample import build
from tests.report.test_html import Outline


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> ReportData:
    return page_data(tmp_path_factory.mktemp("real"))


def said(page: str) -> str:
    return " ".join(" ".join(Outline(page).text).split())


def cell(data: ReportData, source: str, target: str, scenario: str = "baseline", backend: str = "qemu") -> CellRow:
    pair = data.pair(source, target)
    assert pair is not None
    (found,) = (c for c in pair.cells if (c.scenario, c.backend) == (scenario, backend))
    return found


def row(backend: str, verdict: Verdict | None, *objects: tuple[str, Verdict], evidence: Evidence) -> CellRow:
    status = Status.ERROR if verdict is None else Status.DONE
    seen = tuple(ObjectRow(i, "memfd", v, "") for i, v in objects)
    kind = evidence if verdict is None else None
    return CellRow(
        "a", "b", "baseline", backend, status, verdict, None if kind else evidence, objects=seen, kind=evidence
    )


def test_object_by_object() -> None:
    model = row("simulator", Verdict.LOST, ("x", Verdict.LOST), ("y", Verdict.LOST), evidence=Evidence.SIMULATED)
    kernel = row("qemu", Verdict.LOST, ("x", Verdict.LOST), ("z", Verdict.LOST), evidence=Evidence.VM)
    _, beside = with_simulated([model, kernel])
    assert beside.simulated is Verdict.LOST
    assert beside.differences == (
        ObjectDifference("y", "memfd", Verdict.LOST, None),
        ObjectDifference("z", "memfd", None, Verdict.LOST),
    )
    (group,) = real_kernels([model, beside]).groups
    assert (group.observed, group.simulated, group.agrees) == (Verdict.LOST, Verdict.LOST, None)


def test_equal_objects_are_no_difference_and_the_simulator_is_held_to_no_simulator() -> None:
    model = row("simulator", Verdict.LOST, ("x", Verdict.LOST), evidence=Evidence.SIMULATED)
    other = row("second", Verdict.PANIC, ("x", Verdict.PANIC), evidence=Evidence.SIMULATED)
    kernel = row("qemu", Verdict.LOST, ("x", Verdict.LOST), evidence=Evidence.HARDWARE)
    rows = with_simulated([model, kernel])
    assert not any(c.differences for c in rows)
    real = real_kernels(rows)
    assert (real.cells, real.modelled, real.alike, real.groups) == (1, 1, 1, ())
    assert not any(c.differences or c.simulated for c in with_simulated([model, other]))


def test_what_failed_is_counted_and_grouped_and_never_compared() -> None:
    model = row("simulator", Verdict.LOST, ("x", Verdict.LOST), evidence=Evidence.SIMULATED)
    broken = row("qemu", None, evidence=Evidence.VM)
    missing = replace(broken, scenario="other", status=Status.MISSING, kind=None)
    rows = with_simulated([model, broken, missing])
    real = real_kernels(rows)
    assert (real.cells, real.failed, real.missing, real.modelled, real.groups) == (0, 1, 1, 0, ())
    (group,) = failures(rows)
    assert (group.status, [c.backend for c in group.cells]) == (Status.ERROR, ["qemu"])


def test_the_square_is_of_the_strongest_evidence(data: ReportData) -> None:
    pair = data.pair("7.1.13", "7.3.4")
    assert pair is not None
    assert pair.baseline is not None
    assert (pair.baseline.verdict, pair.baseline.evidence, pair.verdict) == (Verdict.PANIC, Evidence.VM, Verdict.PANIC)
    assert pair.evidence is Evidence.VM
    # no verdict of the real kernel: the simulator's stands, and the square says whose it is
    fallen = data.pair("6.18.15", "7.3.4")
    assert fallen is not None
    assert fallen.baseline is not None
    assert fallen.baseline.evidence is Evidence.SIMULATED
    assert fallen.count(Status.TIMEOUT) == 1


def test_a_stale_real_cell_does_not_hide_a_current_simulated_one() -> None:
    model = row("simulator", Verdict.LOST, evidence=Evidence.SIMULATED)
    kernel = replace(row("qemu", Verdict.RESTORED, evidence=Evidence.VM), stale=True)
    pair = PairRow("a", "b", Direction.UPGRADE, (kernel, model))
    assert pair.chiefs == (model,)
    assert replace(pair, cells=(replace(kernel, stale=False), model)).chiefs[0].evidence is Evidence.VM


def test_contradictions_come_with_their_objects(data: ReportData) -> None:
    assert (data.real.agreeing, data.real.compared, data.real.alike, data.real.modelled) == (28, 30, 27, 30)
    assert [g.observed for g in data.real.groups] == [Verdict.CORRUPT, Verdict.PANIC, Verdict.LOST]
    first = data.real.groups[0]
    assert (first.scenario, first.agrees) == ("memfd-dense", True)  # the prediction holds; only the simulator errs
    assert first.differences == (ObjectDifference("memfd/qual/0x1a", "memfd", Verdict.RESTORED, Verdict.CORRUPT),)


def test_repeats_come_from_the_history_oldest_first(data: ReportData) -> None:
    shaky = cell(data, "7.3.4", "7.3.4")
    assert shaky.unstable
    assert (shaky.verdict, shaky.agrees) == (Verdict.LOST, False)  # the worst counts, for the prediction as well
    assert [r.verdict for r in shaky.repeats] == [Verdict.LOST, Verdict.RESTORED]
    assert len({r.files for r in shaky.repeats}) == 2
    assert not cell(data, "7.1.13", "7.1.13").repeats


def test_the_page_says_what_breaks_first(data: ReportData) -> None:
    text = said(html(data))
    start = text.index("Model and kernel disagree in 3 cells")
    assert "Agreement with the prediction: 28 of 30; with the simulator: 27 of 30; 2 without a verdict." in text
    assert "predicted ✓ RESTORED simulated ✓ RESTORED vm ✱ PANIC baseline 7.1.13 → 7.3.4 log" in text
    assert "memfd/qual/0x1a RESTORED there, CORRUPT here" in text
    assert start < text.index("2 cells without a verdict") < text.index("target →")
    assert "1 cell: TIMEOUT: no answer within 60 s; the control run did not answer either : 6.18.15 → 7.3.4" in text
    assert "1 cell UNSTABLE: repeats differ; the worst verdict is shown: 7.3.4 → 7.3.4 baseline (qemu)" in text
    assert "Prediction and observation disagree" not in text  # all of them are on real kernels


def test_an_empty_section_says_why(tmp_path: Path) -> None:
    assert "no cell was run on a real kernel; qualify run real --backend qemu does that" in said(html(build()))
    assert "no cell was run on a real kernel; 'qualify run real" in terminal(build(), width=200)
    with open_store(tmp_path / "db.sqlite") as store:
        fill(store, [(cell_of("7.1.13", "7.1.13", backend=b), Ran(Verdict.RESTORED)) for b in ("simulator", "qemu")])
        good = report_of(store, "simulator", "qemu")
    text = said(html(good))
    assert "Model and kernel disagree nowhere: 1 of 1 cells on real kernels agree with the prediction, 1 of 1" in text
    assert "1/1 cells on real kernels agree with the prediction, 1/1 with the simulator" in terminal(good, width=200)
    with open_store(tmp_path / "broken.sqlite") as store:
        fill(store, [(cell_of("7.1.13", "7.1.13"), Ran(None, status=Status.ERROR, detail="disk full"))])
        bad = report_of(store, "qemu")
    assert "no cell on a real kernel gave a verdict: 1 failed, 31 not run" in said(html(bad))
    assert "no cell on a real kernel gave a verdict (1 failed, 31 not run)" in terminal(bad, width=200)


def test_the_simulator_stands_beside_although_the_matrix_does_not_ask_it(tmp_path: Path) -> None:
    with_it = page_data(tmp_path)
    with open_store(tmp_path / "real.sqlite") as store:
        without = report_of(store, "qemu")
    assert without.real == replace(with_it.real, groups=without.real.groups)
    assert without.totals.cells == 32
    beside = cell(without, "7.1.13", "7.3.4", backend="simulator")
    assert not beside.planned
    pair = without.pair("6.18.15", "7.3.4")
    assert pair is not None
    assert state(pair.baseline) is Status.TIMEOUT  # what is not planned never fills a square
    assert len(ET.fromstring(junit(without)).findall("testsuite/testcase[@name='baseline']")) == 16


def test_terminal_table(data: ReportData) -> None:
    lines = terminal(data).splitlines()
    rows = {tuple(line.split()[:2]): line.split()[2:] for line in lines if " vm  " in line}
    assert rows["7.1.13", "7.3.4"] == ["vm", "2", "RESTORED", "PANIC", "1/2", "1/2"]
    assert rows["6.19.11", "7.1.13"] == ["vm", "2", "CORRUPT", "CORRUPT", "2/2", "1/2"]
    assert rows["6.18.15", "7.3.4"] == ["vm", "2", "RESTORED", "RESTORED", "1/1", "1/1", "1", "TIMEOUT"]
    assert "total: 28/30 cells on real kernels agree with the prediction, 27/30 with the simulator" in lines
    text = "\n".join(lines)
    assert text.index("MODEL AND KERNEL DISAGREE in 3 cells") < text.index("\nbaseline\n")
    assert "6.18.15 → 7.3.4 baseline (qemu); its log: qualify db artefact " in text
    assert "real kernels" not in terminal(build()).replace("no cell was run on a real kernel", "")


def test_junit_names_evidence_and_artefacts(data: ReportData) -> None:
    root = ET.fromstring(junit(data))
    suite = root.find("testsuite[@name='7.1.13 → 7.3.4']")
    assert suite is not None
    found = {
        case.get("classname"): [(p.get("name"), p.get("value")) for p in case.iterfind("properties/property")]
        for case in suite.iterfind("testcase[@name='baseline']")
    }
    assert found["7.1.13 → 7.3.4.simulator"] == [("evidence", "simulated")]
    qemu = found["7.1.13 → 7.3.4.qemu"]
    assert ("evidence", "vm") in qemu
    assert ("simulated", "RESTORED") in qemu
    assert [v.split()[0] for n, v in qemu if n == "artefact" and v] == ["serial.log", "source/out/fdt"]
    third = suite.find("testcase[@name='baseline: simulator']/failure")
    assert third is not None
    assert third.get("type") == "disagreement"
    assert "memfd/qual/0x1a: RESTORED, PANIC" in str(third.text)
    shaky = root.findall("testsuite[@name='7.3.4 → 7.3.4']/testcase/properties/property[@name='repeat']")
    assert [str(p.get("value")).split()[1] for p in shaky] == ["LOST", "RESTORED"]


def test_json(data: ReportData) -> None:
    plain = json.loads(json.dumps(as_dict(data)))
    assert plain["real_kernels"]["alike"] == 27
    assert plain["real_kernels"]["disagreements"][0]["differences"][0]["object_id"] == "memfd/qual/0x1a"
    assert {f["status"] for f in plain["failures"]} == {"ERROR", "TIMEOUT"}
    (pair,) = (p for p in plain["pairs"] if (p["source"], p["target"]) == ("7.3.4", "7.3.4"))
    (qemu,) = (c for c in pair["cells"] if (c["scenario"], c["backend"]) == ("baseline", "qemu"))
    assert [r["verdict"] for r in qemu["repeats"]] == ["LOST", "RESTORED"]
    assert "serial.log" in [f["name"] for f in qemu["artefacts"]]
