# SPDX-License-Identifier: Apache-2.0
"""KTAP text of records."""

from __future__ import annotations

from qualify.agent import Record, ktap

RECORDS = [
    Record(0, "hello", 0.1, {"stage": "source", "release": "7.1.13"}),
    Record(1, "system", 0.1, {"kho": True, "memtotal": 1}),
    Record(2, "open", 0.1, {"errno": ""}),
    Record(3, "create-session", 0.1, {"id": 0, "errno": ""}),
    Record(4, "preserve", 0.1, {"session": 0, "token": "0x1a", "errno": "", "made": ""}),
    Record(5, "load", 0.1, {"errno": ""}),
    Record(6, "jump", 0.1),
    Record(0, "hello", 0.1, {"stage": "target", "release": "7.1.13\n# x"}),
    Record(1, "target-region", 0.1, {"name": "a#b", "in": False, "bad": -1, "errno": ""}),
    Record(2, "retrieve", 0.1, {"session": 0, "token": "0x1a", "errno": "", "bad": 3, "first_bad": 8, "size": 1}),
    Record(3, "retrieve", 0.1, {"session": 0, "token": "0x1b", "errno": "", "bad": -1, "first_bad": -1, "size": 0}),
    Record(4, "retrieve", 0.1, {"session": 0, "token": "0x1c", "errno": "ENOENT", "bad": -1, "size": -1}),
    Record(5, "finish", 0.1, {"session": 0, "errno": ""}),
    Record(6, "end", 0.1),
]


def test_golden() -> None:
    assert ktap(RECORDS) == (
        "KTAP version 1\n"
        "1..2\n"
        "  # Subtest: source 7.1.13\n"
        "  1..4\n"
        "  # system: kho=True memtotal=1\n"
        "  ok 1 open\n"
        "  ok 2 create-session 0\n"
        "  ok 3 preserve 0 0x1a\n"
        "  ok 4 load\n"
        "ok 1 source 7.1.13\n"
        "  # Subtest: target 7.1.13?? x\n"
        "  1..5\n"
        "  not ok 1 target-region a?b # not handed over\n"
        "  not ok 2 retrieve 0 0x1a # 3 words differ, the first at 8\n"
        "  not ok 3 retrieve 0 0x1b # not compared, size 0\n"
        "  not ok 4 retrieve 0 0x1c # ENOENT\n"
        "  ok 5 finish 0\n"
        "not ok 2 target 7.1.13?? x\n"
    )


def test_a_boot_that_ends_early_is_not_ok() -> None:
    assert ktap(RECORDS[:3]).endswith("not ok 1 source 7.1.13\n")
    assert ktap(RECORDS[1:3]).endswith("not ok 1 without a hello\n")
    assert ktap([]) == "KTAP version 1\n1..0\n"
