# SPDX-License-Identifier: Apache-2.0
"""The page as text: self-contained, escaped, small, complete without scripts."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from qualify.compat import Comparison
from qualify.model import Evidence, Finding, Reason, Verdict
from qualify.report import CellRow, ReleaseRow, ReportData, ScenarioRow, assemble
from qualify.report.html import render
from tests.report.sample import DIGEST, NOW, RELEASES, SCENARIOS, build, cell, directions, with_stale

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>&amp;\"'<!--\u2028{{7*7}}"


@pytest.fixture(scope="module")
def page() -> str:
    return render(build())


def embedded(page: str) -> dict[str, object]:
    (found,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    loaded: dict[str, object] = json.loads(found)
    return loaded


class Outline(HTMLParser):
    """What a browser would build: elements with attributes, and text outside of scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self._raw = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._raw = tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._raw = False

    def handle_data(self, data: str) -> None:
        if not self._raw:
            self.text.append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def test_self_contained(page: str) -> None:
    outline = Outline(page)
    assert "://" not in re.sub(r'<script type="application/json".*?</script>', "", page, flags=re.DOTALL)
    assert all("src" not in attributes for _, attributes in outline.elements)
    assert [link["href"] for link in outline.named("link")] == ["data:,"]
    assert "default-src 'none'" in page
    assert "@import" not in page
    assert "url(" not in page


def test_readable_without_scripts(page: str) -> None:
    text = " ".join(" ".join(Outline(page).text).split())
    assert "Prediction and observation disagree in 1 cell" in text
    assert "memfd-dense (simulator): predicted RESTORED, observed DEGRADED" in text
    assert "Pages beyond 16 MiB of each 128 MiB window are not reserved and get overwritten." in text
    assert text.count("CORRUPT") > 10
    assert "1 cell: TIMEOUT: no answer within 60 s" in text
    assert "3 cells without a verdict: 1 never run (MISSING), 1 where the harness broke (ERROR)" in text


def test_the_grid_is_a_table_with_scoped_headers(page: str) -> None:
    outline = Outline(page)
    scopes = [th.get("scope") for th in outline.named("th")]
    assert scopes.count("col") == len(RELEASES)
    assert scopes.count("row") == len(RELEASES)
    squares = [td for td in outline.named("td") if "data-pair" in td]
    assert [int(td["data-pair"] or -1) for td in squares] == list(range(len(RELEASES) ** 2))


def test_a_missing_cell_is_never_green(page: str) -> None:
    (first, rest) = stripes(page, "6.16.12", "7.3.4")
    assert "v-MISSING" in first
    assert "v-LOST" in rest


def stripes(page: str, source: str, target: str) -> list[str]:
    """The bands of a square, as they stand in the page."""
    (square,) = re.findall(rf'<a href="#{re.escape(source)}→{re.escape(target)}">(.*?)</a>', page, re.DOTALL)
    return [f'<span class="band{part}' for part in square.split('<span class="band')[1:]]


def test_a_square_shows_baseline_and_worst_with_equal_honesty(page: str) -> None:
    """The worst is in the square, with its own colour, and says whether the source does that to itself."""
    baseline, itself = stripes(page, "6.18.15", "6.19.8")
    assert baseline.startswith('<span class="band v-RESTORED"')
    assert itself.startswith('<span class="band v-CORRUPT hollow"')
    assert "same as itself" in itself
    baseline, itself = stripes(page, "7.1.3", "7.1.13-nomemfd")
    assert baseline.startswith('<span class="band v-REFUSED"')
    assert itself.startswith('<span class="band v-CORRUPT hollow"')
    (only,) = stripes(page, "6.18.15", "6.17.8")
    assert 'v-CORRUPT"' in only


def test_the_verdict_of_source_to_source_stands_beside(page: str) -> None:
    (only,) = stripes(page, "6.18.15", "6.17.8")
    assert "source to source RESTORED" in only
    baseline, _ = stripes(page, "6.18.15", "6.19.8")
    assert "source to source" not in baseline


def test_a_pair_with_a_corrupt_cell_never_looks_fine(page: str) -> None:
    for pair in build().pairs:
        if pair.verdict is Verdict.CORRUPT:
            assert any("v-CORRUPT" in band for band in stripes(page, pair.source, pair.target))


def test_ages_do_not_freeze(page: str) -> None:
    """What was now when the page was made is not now when it is read."""
    text = " ".join(" ".join(Outline(page).text).split())
    assert "oldest 2026-11-20 12:00 UTC" in text
    assert not re.search(r"\b(now|\d+ (min|h|d))\b", text)


def test_without_a_baseline_nothing_is_called_one() -> None:
    page = " ".join(Outline(render(build(releases=6, scenarios=(SCENARIOS[0],), accidents=False))).text)
    text = " ".join(page.split())
    assert "Worst of 1 scenario ✗ CORRUPT 4" in text
    assert "the matrix plans no baseline" in text
    assert "Baseline" not in text


def test_every_stripe_says_whether_a_real_kernel_did_it() -> None:
    data = build(releases=2, scenarios=SCENARIOS[:2], accidents=False)
    assert 'class="m ev"' not in render(data)
    assert 'class="m sim"' not in render(data)
    cells = [c for p in data.pairs for c in p.cells]
    cells = [replace(c, evidence=Evidence.VM if c.target == "6.17.8" else c.evidence) for c in cells]
    page = render(rebuilt(data, cells))
    for target, mark in (("6.17.8", 'class="m ev" title="seen on a real kernel: vm'), ("6.16.12", 'class="m sim"')):
        for source in ("6.16.12", "6.17.8"):
            assert all(mark in band for band in stripes(page, source, target))
    assert 'class="m sim"' not in "".join(stripes(page, "6.16.12", "6.17.8"))


def test_false_accepts_carry_a_verdict_in_one_line_each(page: str) -> None:
    (lines,) = re.findall(r'<ul class="lines">(.*?)</ul>', page, re.DOTALL)
    text = " ".join(" ".join(Outline(lines).text).split())
    assert text == (
        "✗ CORRUPT kho Pages beyond 16 MiB of each 128 MiB window are not reserved and get overwritten. "
        "6.17.13 … 7.0.13 → 6.16.12, 6.17.8"
    )
    (card,) = re.findall(r'<article id="finding-0".*?</article>', page, re.DOTALL)
    assert "CORRUPT" in card
    assert "Load the target with kho=off and drain the host." in card
    assert '<a href="#finding-0"' in lines


def test_one_advice_for_all_is_said_once() -> None:
    found = Comparison("kho", Finding.TRUE_REFUSAL, "v1", ("v2",), (), "Boots cold.", "Drain.", "CMP002")
    data = build(releases=2, scenarios=SCENARIOS[:2], accidents=False)
    cells = [replace(c, reasons=()) for p in data.pairs for c in p.cells]
    pairs = [(p.source, p.target) for p in data.pairs]
    both = {pairs[1]: (found,), pairs[2]: (replace(found, source_format="v3"),)}
    assert render(rebuilt(data, cells, both)).count("<b>What to do:</b> Drain.") == 1


def test_many_disagreements_leave_the_grid_in_sight() -> None:
    data = build(releases=6, scenarios=SCENARIOS[:20], accidents=False)
    cells = [replace(c, agrees=False) if c.scenario != "baseline" else c for p in data.pairs for c in p.cells]
    text = render(rebuilt(data, cells))
    box = text[text.index('<div class="box bad"') : text.index("<table")]
    shown, folded = box.split("<details>")
    assert shown.count("<li>") - shown.count('<li class="') == 6
    assert f"<summary>{len(rebuilt(data, cells).disagreements) - 6} more</summary>" in folded


def test_findings_stand_above_the_grid_and_disagreements_first(page: str) -> None:
    texts = ("disagree in 1 cell", "over-strict", "true refusals", "False accepts", "<table", "Findings in detail")
    places = [page.index(text) for text in texts]
    assert places == sorted(places)


def test_no_disagreement_says_how_much_was_compared() -> None:
    text = " ".join(" ".join(Outline(render(build(accidents=False))).text).split())
    assert (
        "Predictions and observations disagree nowhere. 5,760 cells compared, 0 prediction sets of more than two"
        in text
    )
    assert "without a verdict" not in text


def test_stale_results_are_counted_and_marked() -> None:
    page = render(with_stale(2))
    text = " ".join(" ".join(Outline(page).text).split())
    assert "2 results were measured with another version of schema, scenario or tool; run the matrix again." in text
    cells, pairs = embedded(page)["cells"], embedded(page)["pairs"]
    marked = [cells[n][-1] for p in pairs for n in p[4][1::3]]  # type: ignore[index,attr-defined]
    assert marked.count(1) == 2
    assert "another version" not in " ".join(Outline(render(build(accidents=False))).text)


def test_nothing_compared_is_not_called_agreement() -> None:
    data = build(releases=1, scenarios=SCENARIOS[:2])
    blank = [replace(c, agrees=None) for p in data.pairs for c in p.cells]
    text = render(rebuilt(data, blank))
    assert "No prediction was compared with an observation." in text
    assert "disagree nowhere" not in text


def rebuilt(
    data: ReportData, cells: list[CellRow], comparisons: dict[tuple[str, str], tuple[Comparison, ...]] | None = None
) -> ReportData:
    return assemble(
        title=data.title,
        generated=NOW,
        tool_version=data.tool_version,
        schema_digest=DIGEST,
        releases=data.releases,
        scenarios=data.scenarios,
        directions=directions(),
        cells=cells,
        comparisons=comparisons or {},
    )


def hostile_page() -> str:
    """Every text that a report shows, replaced by something that wants to be markup."""
    base = build(releases=1, scenarios=SCENARIOS[:2])
    (first, *_) = base.pairs[0].cells
    objects = tuple(
        replace(o, object_id=HOSTILE, why=HOSTILE, interface=HOSTILE, errno=HOSTILE, notes=(HOSTILE,))
        for o in cell(RELEASES[4], RELEASES[0], "baseline", NOW).objects
    )
    bad = replace(
        first,
        source=HOSTILE,
        target=HOSTILE,
        scenario=HOSTILE,
        backend=HOSTILE,
        detail=HOSTILE,
        agrees=False,
        objects=objects,
        reasons=(Reason(HOSTILE, HOSTILE, HOSTILE, HOSTILE),),
        log=(HOSTILE,),
    )
    one, many = HOSTILE, (HOSTILE,)
    compared = Comparison(one, Finding.FALSE_ACCEPT, one, many, many, one, one, one)
    named = replace(
        base,
        title=HOSTILE,
        tool_version=HOSTILE,
        releases=(ReleaseRow(HOSTILE),),
        scenarios=(ScenarioRow(HOSTILE, HOSTILE, HOSTILE, (HOSTILE,)),),
    )
    return render(rebuilt(named, [bad], {(HOSTILE, HOSTILE): (compared,)}))


def test_hostile_names_stay_text() -> None:
    page = hostile_page()
    outline = Outline(page)
    assert len(outline.named("script")) == 7
    assert not outline.named("img")
    assert not [a for _, attributes in outline.elements for a in attributes if a.startswith("on")]
    assert "<!--" not in page
    assert "{{7*7}}" in html.unescape(page)
    assert HOSTILE in embedded(page)["strings"]  # type: ignore[operator]


def test_a_real_sized_report_stays_small() -> None:
    scenarios = (*SCENARIOS, *(ScenarioRow(f"more-{n:02}", "", "") for n in range(20)))
    page = render(build(scenarios=scenarios))
    assert len(RELEASES) ** 2 * len(scenarios) == 8640
    assert len(page.encode()) < 1_000_000


def test_equal_cells_are_stored_once(page: str) -> None:
    data = embedded(page)
    assert len(data["cells"]) < 1000  # type: ignore[arg-type]
    assert len(data["pairs"]) == 144  # type: ignore[arg-type]


def test_the_same_data_gives_the_same_page() -> None:
    assert render(build()) == render(build())
