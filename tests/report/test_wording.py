# SPDX-License-Identifier: Apache-2.0
"""Words that every report shares."""

from __future__ import annotations

from datetime import timedelta

import pytest

from qualify.model import Consequence, Finding, Status, Verdict
from qualify.report.wording import CONSEQUENCES, FINDINGS, MEANINGS, STATUSES, SYMBOLS, age, pairs_in_words, plural
from tests.report.sample import NOW


@pytest.mark.parametrize(
    ("passed", "text"),
    [
        (timedelta(seconds=59), "now"),
        (timedelta(minutes=1), "1 min"),
        (timedelta(minutes=59, seconds=59), "59 min"),
        (timedelta(hours=47), "47 h"),
        (timedelta(days=2), "2 d"),
        (timedelta(days=400), "400 d"),
        (timedelta(days=-1), "now"),
    ],
)
def test_age(passed: timedelta, text: str) -> None:
    assert age(NOW - passed, NOW) == text
    assert age(None, NOW) == ""


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
    assert set(SYMBOLS) == set(MEANINGS) == shown
    assert set(STATUSES) == set(Status) - {Status.DONE}
    assert len(set(SYMBOLS.values())) == len(SYMBOLS)
    assert set(CONSEQUENCES) == set(Consequence)
    assert len({letter for letter, _ in CONSEQUENCES.values()}) == len(CONSEQUENCES)
    assert set(FINDINGS) == set(Finding)


def test_plural() -> None:
    assert [plural(n, "cell") for n in (0, 1, 2, 8640)] == ["0 cells", "1 cell", "2 cells", "8,640 cells"]
