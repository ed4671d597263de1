# SPDX-License-Identifier: Apache-2.0
"""The terminal report: fits, names everything it shows, and never paints unasked."""

from __future__ import annotations

import json
import re

import pytest

from qualify.model import Status, Verdict
from qualify.report import ReportData, ScenarioRow
from qualify.report.export import as_dict
from qualify.report.terminal import render
from qualify.report.wording import WORDS
from tests.report.sample import RELEASES, SCENARIOS, build


@pytest.fixture(scope="module")
def data() -> ReportData:
    return build()


def grid_row(text: str, label: str, grid: int = 0) -> list[str]:
    lines = [line for line in text.splitlines() if re.match(rf"{re.escape(label)}\s", line)]
    return lines[grid].split()[1:]


def test_twelve_releases_fit_120_columns(data: ReportData) -> None:
    lines = render(data, width=120).splitlines()
    assert max(map(len, lines)) <= 120
    assert sum(line.startswith("source \\") for line in lines) == 2


@pytest.mark.parametrize("width", [40, 60, 80, 100])
def test_a_narrow_terminal_gets_several_pieces(data: ReportData, width: int) -> None:
    lines = render(data, width=width).splitlines()
    start, end = lines.index("baseline"), lines.index("legend")
    assert max(map(len, lines[start:end])) <= width
    heads = " ".join(lines)
    assert all(label.split("-")[0] in heads for label, _, _ in RELEASES)


def test_words_of_a_row(data: ReportData) -> None:
    text = render(data)
    expected = [*["CORR"] * 2, "LOST↓*", "LOST↓*", "ok↓", "ok↓", "PANIC↓", *["LOST*"] * 5]
    assert grid_row(text, "6.19.11") == expected
    assert grid_row(text, "6.16.12")[-1] == "?"
    assert grid_row(text, "7.3.4")[0] == "time"
    assert grid_row(text, "7.2.13", grid=1)[-1] == "degr!"


def test_the_worst_grid_never_hides_what_the_source_does_to_itself(data: ReportData) -> None:
    """`ok` stands for pairs without anything worse; what source to source does as well is shown, and marked."""
    lines = render(data).splitlines()
    start = lines.index("worst of 40 usual scenarios")
    assert lines[start + 1].startswith("= same as itself, no worse than source → source")
    assert grid_row("\n".join(lines[start:]), "6.18.15")[2:5] == ["CORR=", "CORR=", "CORR="]
    row = next(n for n, line in enumerate(lines) if n > start and line.startswith("6.19.11"))
    # below it what only the update does
    assert lines[row + 1].split() == ["LOST*", "LOST*", "PANIC"]
    legend = "\n".join(lines[lines.index("legend") :])
    assert "\n  =       same as itself: " in legend
    assert "\n  ↓       another usual scenario ends worse" in legend
    for label, _, _ in RELEASES:
        for target, word in zip(
            RELEASES, grid_row("\n".join(lines[start:]), label.removesuffix("nomemfd")), strict=True
        ):
            pair = data.pair(label, target[0])
            assert pair is not None
            assert (word.rstrip("=!~*") == "ok") == (pair.verdict is Verdict.RESTORED)


def test_the_heading_says_what_usual_leaves_out() -> None:
    scenarios = (*SCENARIOS[:2], ScenarioRow("mistake", "", "", ("operator",)))
    text = " ".join(render(build(scenarios=scenarios)).split())
    left_out = "(1 left out: operator mistakes and differently configured targets)"
    assert f"worst of 2 usual scenarios {left_out} ---" in text


def test_without_a_baseline_there_is_only_the_worst() -> None:
    text = render(build(releases=6, scenarios=(SCENARIOS[0],), accidents=False))
    assert "\nbaseline\n" not in text
    assert "worst of 1 usual scenario\n" in text
    assert grid_row(text, "6.19.11") == [*["CORR"] * 2, "LOST*", "LOST*", "ok", "ok"]


def test_it_names_dates_and_no_ages(data: ReportData) -> None:
    assert "evidence: simulated, oldest 2026-11-20 12:00 UTC" in render(data)


def test_every_word_shown_is_in_the_legend(data: ReportData) -> None:
    text = render(data)
    legend = text[text.index("legend\n") :]
    for key in (Verdict.RESTORED, Verdict.CORRUPT, Verdict.PANIC, Status.MISSING, Status.TIMEOUT):
        assert f"  {WORDS[key]:<6}  {key.value}: " in legend
    assert "UNSUPPORTED" not in legend  # shown nowhere in these grids
    assert "leaked (memory stays held" in legend


def test_words_are_short_and_differ() -> None:
    assert len(set(WORDS.values())) == len(WORDS)
    assert max(map(len, WORDS.values())) <= 5


def test_disagreements_come_before_the_grid(data: ReportData) -> None:
    text = render(data)
    assert text.index("PREDICTION AND OBSERVATION DISAGREE in 1 cell (5,757 cells compared") < text.index(
        "\nbaseline\n"
    )
    assert "memfd-dense (simulator): predicted RESTORED, observed DEGRADED: 7.2.13 → 7.3.4" in text
    clean = render(build(accidents=False))
    assert "disagreements: none (5,760 cells compared, 0 prediction sets of more than two verdicts)" in clean


def test_trouble_is_counted(data: ReportData) -> None:
    assert "5,757 done, 1,680 of them shared, 1 of them unstable, 1 error, 1 timeout, 1 missing" in render(
        data, width=200
    )


def test_what_broke_is_named(data: ReportData) -> None:
    text = render(data)
    assert "Not measured; says nothing about the kernels:\n  1 cell: " in text
    assert "  1 cell: TIMEOUT: no answer within 60 s" in text
    assert "Not measured" not in render(build(accidents=False))


def test_findings_name_every_pair_once(data: ReportData) -> None:
    text = " ".join(render(data).split())
    assert "False accepts (1)" in text
    assert "[6.17.13, 6.18.15, 6.19.8, 6.19.11, 7.0.13 → 6.16.12, 6.17.8]" in text


def test_colour_only_when_asked(data: ReportData) -> None:
    assert "\x1b" not in render(data)
    painted = render(data, colour=True)
    assert "\x1b[1;37;41mCORR\x1b[0m" in painted
    assert re.sub(r"\x1b\[[0-9;]*m", "", painted).split() == render(data).split()


def test_nothing_planned_is_no_error() -> None:
    empty = render(build(releases=0))
    assert "0 pairs" in empty
    assert "nothing compared" in empty


def test_json_says_the_same(data: ReportData) -> None:
    plain = json.loads(json.dumps(as_dict(data)))
    pair = next(p for p in plain["pairs"] if (p["source"], p["target"]) == ("6.18.15", "6.17.8"))
    assert (pair["baseline"], pair["verdict"], pair["evidence"]) == ("CORRUPT", "CORRUPT", "simulated")
    assert pair["cells"][0]["predicted"] == ["CORRUPT", "RESTORED"]
    missing = next(p for p in plain["pairs"] if (p["source"], p["target"]) == ("6.16.12", "7.3.4"))
    assert (missing["baseline"], missing["missing"]) == ("MISSING", 1)
    kept = next(p for p in plain["pairs"] if (p["source"], p["target"]) == ("6.18.15", "6.19.8"))
    assert kept["worst"] == {"scenario": "regions-37", "verdict": "CORRUPT", "same_as_itself": True}
    assert kept["worst_beyond_same"] is None
    assert {"verdict": "CORRUPT", "same_as_itself": True, "pairs": 48} in plain["totals"]["worst"]
    (accept,) = (f for f in plain["findings"] if f["finding"] == "false-accept")
    assert accept["verdicts"] == {"CORRUPT": 382}
    assert accept["advice"] == [{"rule": "KHO002", "advice": "Load the target with kho=off and drain the host."}]
    assert accept["layout"][1]["lines"][0]["read_span"] == [0, 512]
    assert plain["totals"]["disagreements"] == 1
    assert plain["disagreements"][0]["observed"] == "DEGRADED"
