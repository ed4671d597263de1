# SPDX-License-Identifier: Apache-2.0
"""What is a finding about kernels and what is ours: the two never mix."""

from __future__ import annotations

from typing import Any

import pytest

from qualify.agent import Record
from qualify.backends.qemu.answers import Answers
from qualify.backends.qemu.backend import _keep
from qualify.backends.qemu.outcome import Control, blame, check_harness, check_made, check_release, is_suspect
from qualify.errors import CellTimeoutError, HarnessError
from qualify.machine.vm import Boot, End, Ending, Phase
from qualify.machine.vm.console import Line

DEADLY = {End.PANIC, End.RESET, End.HANG, End.OUT_OF_MEMORY}


def booted(end: End, phase: Phase, *records: tuple[str, dict[str, Any]], **more: Any) -> Boot:
    said = tuple(Record(n, kind, 0.0, fields) for n, (kind, fields) in enumerate([("hello", {}), *records]))
    parts = {"damage": (), "lines": (Line("x", 1.0),), "times": {}, **more}
    return Boot(Ending(end, phase, "its words"), said, **parts)


@pytest.mark.parametrize("phase", list(Phase), ids=str)
@pytest.mark.parametrize("end", list(End), ids=str)
def test_each_end_in_each_phase(end: End, phase: Phase) -> None:
    boot = booted(end, phase)
    finding = end is End.FINISHED or (phase.after_jump and end in DEADLY)
    assert is_suspect(boot.ending) == (finding and end is not End.FINISHED)
    if finding:
        check_harness(boot, "A", "B")
        return
    with pytest.raises(CellTimeoutError if end is End.HANG else HarnessError) as caught:
        check_harness(boot, "A", "B")
    text = str(caught.value)
    assert end is End.QEMU_DIED or ("target B" if phase.after_jump else "source A") in text
    assert end in (End.SILENT, End.STAYED) or "its words" in text


@pytest.mark.parametrize("refusal", [("load", {"errno": "EINVAL"}), ("jump-failed", {"errno": "EBUSY"})])
def test_a_source_that_says_why_it_stays_is_a_finding(refusal: tuple[str, dict[str, Any]]) -> None:
    check_harness(booted(End.STAYED, Phase.WORK, refusal), "A", "B")
    with pytest.raises(HarnessError, match="without a jump"):
        check_harness(booted(End.STAYED, Phase.WORK, ("load", {"errno": ""})), "A", "B")


def test_damage() -> None:
    with pytest.raises(HarnessError, match="2 records of the agent were damaged on their way: a"):
        check_harness(booted(End.FINISHED, Phase.TARGET_WORK, damage=("a", "b")), "A", "B")
    check_harness(booted(End.PANIC, Phase.TARGET_WORK, damage=("cut",), cut=True), "A", "B")
    with pytest.raises(HarnessError, match="1 records of the agent were damaged on their way: a"):
        check_harness(booted(End.PANIC, Phase.TARGET_WORK, damage=("a", "cut"), cut=True), "A", "B")


def test_records_and_no_console() -> None:
    with pytest.raises(HarnessError, match="wrote nothing to its serial console"):
        check_harness(booted(End.FINISHED, Phase.TARGET_WORK, lines=(Line("x", None),)), "A", "B")


@pytest.mark.parametrize("end", sorted(DEADLY), ids=str)
def test_blame(end: End) -> None:
    died, well = Ending(end, Phase.TARGET_BOOT, "its words"), Control(Ending(End.FINISHED, Phase.WORK))
    assert "its words" in blame(died, well, "B") or end is End.RESET
    assert ("without a handover" in blame(died, well, "B")) == (end in (End.RESET, End.HANG))
    for control in (Ending(e, Phase.BOOT, "alone") for e in End if e is not End.FINISHED):
        with pytest.raises(
            CellTimeoutError if end is End.HANG else HarnessError, match=r"without any handover .*alone"
        ):
            blame(died, Control(control), "B")


@pytest.mark.parametrize(
    ("called", "version", "right"),
    [
        ("7.1.13", "7.1.13", True),
        ("7.1.13-drift", "7.1.13", True),
        ("7.1.13+", "7.1.13", True),
        ("7.1.130", "7.1.13", False),
        ("7.1.13.1", "7.1.13", False),
        ("7.1.1", "7.1.13", False),
        ("7.1.13rc1", "7.1.13", False),
        ("7.1.13", "7.1", False),
        ("7a1a13", "7.1.13", False),
        ("", "7.1.13", False),
    ],
)
def test_check_release(called: str, version: str, right: bool) -> None:
    if right:
        check_release(called, version, "label", "/k")
    else:
        with pytest.raises(HarnessError, match=r"calls itself .*, and stands for release label"):
            check_release(called, version, "label", "/k")


@pytest.mark.parametrize(("made", "ours"), [("ENOMEM", True), ("ENOSPC", True), ("EINVAL", False), ("", False)])
def test_a_file_that_did_not_fit_into_the_machine(made: str, ours: bool) -> None:
    fields = {"session": 0, "token": "0x1a", "errno": made or "ENOSPC", "made": made, "step": "write" if made else ""}
    side = Answers.of([Record(0, "hello", 0.0, {}), Record(1, "preserve", 0.0, fields)]).source
    if not ours:
        check_made(side, "7.1.13")
        return
    with pytest.raises(HarnessError, match=rf"source 7\.1\.13 has no memory for the file 0x1a \(write: {made}\)"):
        check_made(side, "7.1.13")


def test_answers_are_split_at_the_second_hello() -> None:
    kinds = [
        ("hello", {"stage": "source"}), ("open", {"errno": "ENOENT"}), ("open", {"errno": "EIO", "again": True}),
        ("blob", {"name": "out/sub_fdts/LUO"}), ("blob", {"name": "out/sub_fdts/x", "errno": "EIO"}), ("jump", {}),
        ("hello", {"stage": "target"}), ("system", {"in": ["LUO"]}), ("open", {"errno": ""}),
    ]  # fmt: skip
    answers = Answers.of([Record(n, k, 0.0, f) for n, (k, f) in enumerate(kinds)])
    assert (answers.source.hello, answers.target.hello) == ({"stage": "source"}, {"stage": "target"})
    assert [len(side.opens) for side in (answers.source, answers.target)] == [2, 1]
    assert answers.source.handed == {"LUO"}  # one that could not be read was not handed over, as far as anybody knows
    assert answers.target.received == {"LUO"}
    alone = Answers.of([Record(0, "hello", 0.0, {"stage": "target"}), Record(1, "open", 0.0, {"errno": ""})])
    assert (len(alone.source.opens), alone.target.hello, alone.target.opens) == (1, None, ())
    assert Answers.of([]).source.hello is None


def test_what_a_guest_calls_its_blobs_names_no_file_of_ours(tmp_path: Any) -> None:
    work = tmp_path / "work"
    work.mkdir()
    blob = {"size": 1, "offset": 0, "data": "QQ=="}
    hostile = [
        "../../evil",
        "/etc/evil",
        "out/sub_fdts/..",
        "out/sub_fdts/../../../evil",
        "out",
        "",
        "in/x",
        "serial.log",
    ]
    records = [("blob", {"name": n, **blob}) for n in [*hostile, "out/fdt", "out/sub_fdts/LUO"]]
    records.append(("blob", {"name": "out/sub_fdts/half", "size": 9, "offset": 0, "data": "QQ=="}))
    _keep(booted(End.FINISHED, Phase.TARGET_WORK, *records), work)
    kept = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}
    assert kept == {
        f"work/{name}" for name in ("results.ktap", "source-not-read.json", "source/out/fdt", "source/out/sub_fdts/LUO")
    }
    told = (work / "source-not-read.json").read_text()
    assert "1 of 9 bytes" in told
    assert all(name in told for name in hostile)
