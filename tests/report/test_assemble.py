# SPDX-License-Identifier: Apache-2.0
"""What is derived from rows: squares, totals, groups. A square must never look better than its cells."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from qualify.compat import Comparison
from qualify.model import Consequence, Direction, Evidence, Finding, Status, Verdict
from qualify.report import CellRow, PairRow, ReportData, assemble
from qualify.report.wording import state
from tests.report.sample import NOW, RELEASES, SCENARIOS, build, directions


@pytest.fixture(scope="module")
def data() -> ReportData:
    return build()


def row(scenario: str, verdict: Verdict | None, **more: object) -> CellRow:
    status = Status.MISSING if verdict is None else Status.DONE
    return CellRow("a", "b", scenario, "simulator", status, verdict, **more)  # type: ignore[arg-type]


def square(*cells: CellRow) -> PairRow:
    return PairRow("a", "b", Direction.UPGRADE, cells)


def test_worst_of_a_square_and_unsupported_only_alone() -> None:
    unsupported, restored = row("x", Verdict.UNSUPPORTED), row("baseline", Verdict.RESTORED)
    assert square(unsupported).verdict is Verdict.UNSUPPORTED
    assert square(unsupported, restored).verdict is Verdict.RESTORED
    assert square(restored, row("y", Verdict.CORRUPT), row("z", Verdict.PANIC)).verdict is Verdict.CORRUPT
    assert square(row("baseline", None)).verdict is None
    assert square().verdict is None


def test_missing_is_missing_never_green() -> None:
    missing = square(row("baseline", None), row("x", Verdict.RESTORED))
    assert state(missing.headline) is Status.MISSING
    assert missing.count(Status.MISSING) == 1
    assert state(square().headline) is Status.MISSING


def test_headline_without_a_baseline_is_the_worst() -> None:
    assert state(square(row("x", Verdict.RESTORED), row("y", Verdict.LOST)).headline) is Verdict.LOST


def test_a_measured_backend_goes_before_one_that_was_not() -> None:
    two = square(replace(row("baseline", None), backend="qemu"), row("baseline", Verdict.RESTORED))
    assert state(two.headline) is Verdict.RESTORED


def test_a_square_claims_the_weakest_and_oldest_evidence() -> None:
    weak = row("x", Verdict.RESTORED, evidence=Evidence.SIMULATED, created=NOW)
    strong = row("baseline", Verdict.RESTORED, evidence=Evidence.VM, created=NOW - timedelta(days=9))
    assert square(weak, strong).evidence is Evidence.SIMULATED
    assert square(weak, strong).oldest == NOW - timedelta(days=9)
    assert square(row("x", None)).evidence is None
    assert square(row("x", None)).oldest is None


def test_consequences_of_a_square_in_the_order_of_the_vocabulary() -> None:
    cells = (
        row("x", Verdict.LOST, consequences=(Consequence.WARNED,)),
        row("y", Verdict.LOST, consequences=(Consequence.LEAKED, Consequence.WARNED)),
    )
    assert square(*cells).consequences == (Consequence.LEAKED, Consequence.WARNED)


def test_every_pair_and_baseline_first(data: ReportData) -> None:
    assert len(data.pairs) == len(RELEASES) ** 2
    assert data.scenarios[0].id == "baseline"
    assert all(p.cells[0].scenario == "baseline" for p in data.pairs)
    assert {p.direction for p in data.pairs} == set(Direction)


def test_totals(data: ReportData) -> None:
    t = data.totals
    assert t.cells == len(RELEASES) ** 2 * len(SCENARIOS) == t.done + 3
    assert (t.missing, t.errors, t.timeouts, t.unstable, t.disagreements, t.vague) == (1, 1, 1, 1, 1, 1)
    assert t.compared == t.done
    assert sum(n for _, n in t.verdicts) == len(data.pairs) - 2  # a baseline is MISSING, another TIMEOUT


def test_findings_are_grouped_by_cause(data: ReportData) -> None:
    (group,) = data.groups(Finding.FALSE_ACCEPT)
    assert len(group.pairs) == 10
    assert len(data.findings) == 3
    assert not data.groups(Finding.AGREE)


def test_findings_that_differ_stay_apart() -> None:
    assert len(build(releases=7).findings) == 1
    assert len(build(releases=8).findings) == 2


def test_disagreements_are_grouped(data: ReportData) -> None:
    (group,) = data.disagreements
    assert (group.scenario, group.predicted, group.observed) == (
        "memfd-dense",
        (Verdict.RESTORED,),
        Verdict.DEGRADED,
    )
    assert group.pairs == (("7.2.13", "7.3.4"),)
    assert build(accidents=False).disagreements == ()


def test_source_to_source_stands_beside_every_cell(data: ReportData) -> None:
    pair = data.pair("6.18.15", "6.17.8")
    assert pair is not None
    cell = pair.cells[0]
    assert (cell.verdict, cell.same_verdict) == (Verdict.CORRUPT, Verdict.RESTORED)
    assert data.pair("6.18.15", "nosuch") is None


def test_what_no_target_gets_to_meet_stays_with_its_pair() -> None:
    behind = Comparison("luo", Finding.TRUE_REFUSAL, "luo-v1", ("luo-v5",), (), "Panics.", "", "CMP002", reached=False)
    base = build(releases=2, scenarios=SCENARIOS[:2])
    pair = base.pairs[1]
    data = assemble(
        title="t",
        generated=NOW,
        tool_version="0",
        schema_digest="0",
        releases=base.releases,
        scenarios=base.scenarios,
        directions=directions(),
        cells=pair.cells,
        comparisons={(pair.source, pair.target): (behind,)},
    )
    assert [(f.component, f.reached) for f in data.findings] == [("luo", False)]
    assert not data.groups(Finding.TRUE_REFUSAL)


def test_the_worst_cell_is_about_the_pair() -> None:
    """Neither an operator's mistake nor what the source does to itself counts against a pair."""
    fine = row("baseline", Verdict.RESTORED)
    itself = replace(row("own-fault", Verdict.CORRUPT), same_verdict=Verdict.CORRUPT)
    mistake = replace(row("mistake", Verdict.PANIC), same_verdict=Verdict.RESTORED)
    pair = replace(square(fine, itself, mistake), direction=Direction.UPGRADE, unusual=frozenset({"mistake"}))
    assert pair.worst_cell == fine
    real = replace(row("real", Verdict.LOST), same_verdict=Verdict.RESTORED)
    worse = replace(square(fine, itself, real), direction=Direction.UPGRADE)
    assert worse.worst_cell == real
    assert replace(worse, direction=Direction.SAME).worst_cell == itself
