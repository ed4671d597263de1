# SPDX-License-Identifier: Apache-2.0
"""What is derived from rows: squares, totals, groups. A square must never look better than its cells."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from qualify.compat import Comparison
from qualify.model import Consequence, Direction, Evidence, Finding, Reason, Status, Verdict
from qualify.report import CellRow, FindingGroup, PairRow, ReleaseRow, ReportData, ScenarioRow, assemble
from qualify.report.squares import Band, Role, bands
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


def kept(scenario: str, verdict: Verdict, same: Verdict | None) -> CellRow:
    return replace(row(scenario, verdict), same_verdict=same)


def test_the_worst_is_the_worst_whoever_is_to_blame() -> None:
    """What the source does to itself as well is shown all the same, and told apart; a mistake does not count."""
    fine = kept("baseline", Verdict.RESTORED, Verdict.RESTORED)
    itself = kept("own-fault", Verdict.CORRUPT, Verdict.CORRUPT)
    mistake = kept("mistake", Verdict.PANIC, Verdict.RESTORED)
    pair = replace(square(fine, itself, mistake), unusual=frozenset({"mistake"}))
    assert (pair.worst_cell, pair.added_cell) == (itself, None)
    assert itself.same_as_itself
    real = kept("real", Verdict.LOST, Verdict.RESTORED)
    assert (square(fine, itself, real).worst_cell, square(fine, itself, real).added_cell) == (itself, real)
    same = replace(square(fine, itself), direction=Direction.SAME)
    assert (same.worst_cell, same.added_cell) == (itself, None)


def test_of_equally_bad_cells_the_one_that_the_pair_adds_is_named() -> None:
    itself, added = kept("x", Verdict.CORRUPT, Verdict.CORRUPT), kept("y", Verdict.CORRUPT, Verdict.RESTORED)
    for pair in (square(itself, added), square(added, itself)):
        assert pair.worst_cell == pair.added_cell == added


def test_without_source_to_source_nothing_is_excused() -> None:
    alone = kept("x", Verdict.CORRUPT, None)
    assert not alone.same_as_itself
    assert square(alone).added_cell == alone
    assert not row("x", None).same_as_itself


def test_a_square_holds_its_worst_verdict_and_no_verdict_twice() -> None:
    fine = kept("baseline", Verdict.RESTORED, Verdict.RESTORED)
    itself = kept("own-fault", Verdict.CORRUPT, Verdict.CORRUPT)
    real = kept("real", Verdict.LOST, Verdict.RESTORED)
    assert bands(square(fine, itself, real)) == (
        Band(Role.BASELINE, fine),
        Band(Role.WORST, real),
        Band(Role.ITSELF, itself),
    )
    assert bands(square(fine)) == (Band(Role.BASELINE, fine),)
    assert bands(square(replace(real, scenario="baseline"), real)) == (
        Band(Role.BASELINE, replace(real, scenario="baseline")),
    )
    assert [b.role for b in bands(square(row("baseline", None), itself))] == [Role.BASELINE, Role.ITSELF]
    assert bands(square()) == (Band(Role.BASELINE, None),)


@pytest.mark.parametrize("accidents", [True, False])
def test_no_square_of_a_matrix_looks_better_than_its_cells(accidents: bool) -> None:
    for pair in build(accidents=accidents).pairs:
        shown = [b.cell.verdict for b in bands(pair) if b.cell is not None]
        assert pair.verdict in shown
        assert len(set(shown)) == len(shown)


def test_totals_count_the_worst_and_who_is_to_blame(data: ReportData) -> None:
    worst = {(verdict, own): count for verdict, own, count in data.totals.worst}
    assert sum(worst.values()) == len(data.pairs)
    assert worst[Verdict.CORRUPT, False] == 10
    assert worst[Verdict.CORRUPT, True] == 2 * 2 + 2 * 5 + 5 * 5 + 3 * 3  # wherever a region arrives at all


# --- what a finding does --------------------------------------------------------------------------------------------


def blamed(scenario: str, verdict: Verdict, *reasons: Reason, same: Verdict = Verdict.RESTORED) -> CellRow:
    return replace(kept(scenario, verdict, same), reasons=reasons)


KHO, RSV = Reason("KHO003", "kho", "m", "avoid"), Reason("RSV001", "reserve-mem", "m", "move")
SRC, TST = Reason("SRC001", "kho", "m", "none"), Reason("TST001", "kho-test", "m", "it is a test")


def impact(*cells: CellRow, itself: tuple[CellRow, ...] = (), more: tuple[Comparison, ...] = ()) -> FindingGroup:
    found = Comparison("kho", Finding.FALSE_ACCEPT, "v1", ("v1",), (), "Reads.", "general", "CMP001")
    data = assemble(
        title="t",
        generated=NOW,
        tool_version="0",
        schema_digest="0",
        releases=[ReleaseRow("a"), ReleaseRow("b")],
        scenarios=[ScenarioRow(c.scenario, tags=("operator",) * (c.scenario == "mistake")) for c in cells],
        directions={("a", "b"): Direction.UPGRADE, ("a", "a"): Direction.SAME},
        cells=[*cells, *(replace(c, target="a") for c in itself)],
        comparisons={("a", "b"): (found, *more)},
    )
    return next(g for g in data.findings if g.component == "kho")


def test_a_finding_knows_its_verdicts_and_the_advice_of_its_own_rule() -> None:
    group = impact(
        blamed("x", Verdict.CORRUPT, KHO, RSV),
        blamed("y", Verdict.CORRUPT, KHO, SRC),
        blamed("z", Verdict.LOST, KHO),
        blamed("fine", Verdict.RESTORED, KHO),
        blamed("other", Verdict.PANIC, RSV),
        blamed("mistake", Verdict.PANIC, KHO),
    )
    assert group.verdicts == ((Verdict.CORRUPT, 2), (Verdict.LOST, 1))
    assert group.advice == (("KHO003", "avoid"),)


def test_a_finding_is_not_blamed_for_what_the_source_does_to_itself() -> None:
    group = impact(
        blamed("x", Verdict.CORRUPT, KHO, same=Verdict.CORRUPT),
        blamed("y", Verdict.LOST, KHO),
        itself=(blamed("y", Verdict.RESTORED, KHO),),
    )
    assert group.verdicts == ()
    assert group.advice == (("CMP001", "general"),)


def test_where_two_findings_meet_neither_is_blamed() -> None:
    test = Comparison("kho-test", Finding.FALSE_ACCEPT, "t1", ("t1",), (), "Reads.", "general", "CMP001")
    group = impact(blamed("x", Verdict.PANIC, KHO, TST), blamed("y", Verdict.LOST, KHO), more=(test,))
    assert group.verdicts == ((Verdict.LOST, 1),)


def test_a_side_effect_is_no_advice() -> None:
    rare = Reason("KHO012", "kho", "m", "rare")
    cells = [blamed(f"c{n}", Verdict.LOST, KHO, *([rare] if n == 0 else [])) for n in range(3)]
    assert impact(*cells).advice == (("KHO003", "avoid"),)
