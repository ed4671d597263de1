# SPDX-License-Identifier: Apache-2.0
"""What may be under way at a time."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from qualify.backends import Needs
from qualify.engine import Limits, available_memory, default_jobs

GIB = 1 << 30


@pytest.mark.parametrize(
    ("limits", "running", "more", "allowed"),
    [
        (Limits(2), [], Needs(9), True),
        (Limits(2), [Needs()], Needs(), True),
        (Limits(2), [Needs(), Needs()], Needs(), False),
        (Limits(2), [Needs()], Needs(2), False),
        (Limits(2), [Needs(memory=GIB)], Needs(memory=9 * GIB), True),
        (Limits(2, 2 * GIB), [Needs(memory=GIB)], Needs(memory=GIB), True),
        (Limits(2, 2 * GIB), [Needs(memory=GIB)], Needs(memory=GIB + 1), False),
        (Limits(2, 2 * GIB), [], Needs(memory=9 * GIB), True),
    ],
)
def test_a_boot_begins_where_there_is_room(limits: Limits, running: list[Needs], more: Needs, allowed: bool) -> None:
    assert limits.allow(running, more) is allowed


def test_what_is_larger_than_all_there_is_is_told() -> None:
    limits = Limits(2, GIB)
    assert limits.exceeded(Needs(2, GIB)) == ""
    assert limits.exceeded(Needs(3)).startswith("a boot takes 3 cores, --jobs allows 2: ")
    assert limits.exceeded(Needs(1, 2 * GIB)).startswith("a boot takes 2 GiB, --memory allows 1 GiB: ")
    assert Limits(2).exceeded(Needs(1, 1 << 50)) == ""


def test_the_memory_that_is_free_is_asked_of_linux(tmp_path: Path) -> None:
    file = tmp_path / "meminfo"
    file.write_text("MemTotal:       24683764 kB\nMemFree: 1 kB\nMemAvailable:   10485760 kB\n")
    assert available_memory(file) == 8 * GIB
    file.write_text("MemTotal:       24683764 kB\n")
    assert available_memory(file) is None
    assert available_memory(tmp_path / "none") is None


def test_as_many_jobs_as_we_may_use_processors() -> None:
    assert default_jobs() == len(os.sched_getaffinity(0))
