# SPDX-License-Identifier: Apache-2.0
"""Words that every report shares."""

from __future__ import annotations

from datetime import timedelta, timezone

import pytest

from qualify.model import Consequence, Finding, Status, Verdict
from qualify.report.wording import (
    CONSEQUENCES,
    FINDINGS,
    MEANINGS,
    STATUSES,
    SYMBOLS,
    WORDS,
    brief,
    in_runs,
    moment,
    pairs_in_words,
    plural,
)
from tests.report.sample import NOW


def test_a_moment_is_a_date_in_utc() -> None:
    """A report is read later than it is made: an age in it would be wrong by then."""
    assert moment(NOW) == "2026-12-01 12:00 UTC"
    assert moment(NOW.astimezone(timezone(timedelta(hours=9)))) == "2026-12-01 12:00 UTC"
    assert moment(None) == ""


@pytest.mark.parametrize(
    ("text", "short"),
    [
        (
            "the target reads 512 of 4096 bytes of every bitmap: blocks behind",
            "reads 512 of 4096 bytes of every bitmap",
        ),
        ("the target accepts; where a check happens to fail it panics", "accepts"),
        ("Cold boot.", "Cold boot."),
        ("", ""),
    ],
)
def test_the_first_clause_says_it_in_short(text: str, short: str) -> None:
    assert brief(text) == short


@pytest.mark.parametrize(
    ("labels", "text"),
    [("abc", "a … c"), ("ab", "a, b"), ("acde", "a, c … e"), ("eab", "e, a, b"), ("", ""), ("xyab", "x, y, a, b")],
)
def test_neighbours_become_runs(labels: str, text: str) -> None:
    assert in_runs(labels, "abcdef") == text


def test_a_rectangle_of_pairs_is_one_block() -> None:
    pairs = [(s, t) for s in "cab" for t in "yx"]
    assert pairs_in_words(pairs, ["a", "b", "c", "x", "y"]) == [(("a", "b", "c"), ("x", "y"))]


def test_blocks_cover_exactly_the_pairs() -> None:
    pairs = {("a", "x"), ("a", "y"), ("b", "x"), ("c", "y"), ("d", "y")}
    blocks = pairs_in_words(sorted(pairs), list("abcdxy"))
    covered = [(s, t) for sources, targets in blocks for s in sources for t in targets]
    assert set(covered) == pairs
    assert len(covered) == len(pairs)
    assert len(blocks) == 3


def test_every_word_has_a_sign_and_a_meaning() -> None:
    shown = {*Verdict, *Status} - {Status.DONE}
    assert set(SYMBOLS) == set(MEANINGS) == set(WORDS) == shown
    assert set(STATUSES) == set(Status) - {Status.DONE}
    assert len(set(SYMBOLS.values())) == len(SYMBOLS)
    assert set(CONSEQUENCES) == set(Consequence)
    assert len({letter for letter, _ in CONSEQUENCES.values()}) == len(CONSEQUENCES)
    assert set(FINDINGS) == set(Finding)


def test_plural() -> None:
    assert [plural(n, "cell") for n in (0, 1, 2, 8640)] == ["0 cells", "1 cell", "2 cells", "8,640 cells"]
