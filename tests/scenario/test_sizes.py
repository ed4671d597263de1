# SPDX-License-Identifier: Apache-2.0
"""Sizes: written alike in every kind of file, and shown as they are written."""

from __future__ import annotations

import json
import re

import pytest
from pydantic import ValidationError

from qualify.cli.editor import editor_schema
from qualify.matrix import Matrix
from qualify.scenario import Memfd
from qualify.scenario.sizes import SIZE, UNITS, parse_size, show_size

GOOD = {"0": 0, "4096": 4096, "7 B": 7, "4KiB": 4096, "4 KiB": 4096, "4  KiB": 4096, "3MiB": 3 << 20, "1 TiB": 1 << 40}
BAD = ["", "KiB", "4K", "4kib", "-1", "1.5MiB", "four", "4KiBB", "4 KiB\n", "\u0664KiB"]


@pytest.mark.parametrize("written", GOOD)
def test_scenarios_and_matrices_read_them_alike(written: str) -> None:
    assert parse_size(written) == GOOD[written]
    assert Memfd.model_validate({"token": 1, "size": written, "at": 0}).size == GOOD[written]
    matrix = {"name": "m", "title": "M", "scenarios": "all", "max_touched_bytes": written}
    assert Matrix.model_validate(matrix).max_touched_bytes == GOOD[written]


@pytest.mark.parametrize("written", BAD)
def test_anything_else_is_refused(written: str) -> None:
    assert parse_size(written) is None
    with pytest.raises(ValidationError, match="expected a number of bytes"):
        Memfd.model_validate({"token": 1, "size": written, "at": 0})


def test_editors_are_told_the_same() -> None:
    assert all(re.fullmatch(SIZE, written) for written in GOOD)
    assert not any(re.fullmatch(SIZE, written) for written in BAD)
    for kind in ("scenario", "matrix"):
        assert json.dumps(SIZE)[1:-1] in editor_schema(kind)


def test_what_is_shown_can_be_read_again() -> None:
    for number in (0, 1, 1023, 1024, 1536, 1 << 20, 3 << 40, (1 << 40) + 1):
        assert parse_size(show_size(number)) == number
    assert [show_size(4 * factor) for factor in UNITS.values()] == [f"4 {unit}" for unit in UNITS]
