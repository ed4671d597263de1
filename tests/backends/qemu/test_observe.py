# SPDX-License-Identifier: Apache-2.0
"""What the agent and the logs say -> what is told of each object, and the verdict that comes of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from qualify.model import Consequence, Interface, Reply, Verdict
from qualify.scenario import Scenario, SourceActions
from tests.backends.qemu.said import Said, cell, of, verdicts
from tests.machine.bench import ALPHA, BETA, FLB, KHO_TEST, METADATA, memfd, scenario, session

R, D, X, L, P, C, U = (
    Verdict.RESTORED, Verdict.DEGRADED, Verdict.REFUSED, Verdict.LOST, Verdict.PANIC, Verdict.CORRUPT,
    Verdict.UNSUPPORTED,
)  # fmt: skip
FILE, SESSION, REGION = "memfd/qual/0x1a", "session/qual", "reserve_mem/alpha"
BOTH = scenario(ALPHA, session(memfd()))
Edit = Callable[[Said], None]


def said(plan: Scenario = BOTH, *edits: Edit, pair: tuple[str, str] = ("7.1.13", "7.1.13")) -> Said:
    made = Said([cell(plan, *pair)])
    for edit in edits:
        edit(made)
    return made


def test_all_is_well() -> None:
    (outcome,) = said().outcomes()
    assert verdicts(outcome) == [R, R, R]
    assert (outcome.consequences, outcome.timings) == (frozenset(), {"blackout": 1.0})
    assert {p.name: p.state.value for p in of(outcome, FILE).observation.properties} == {
        "size": "equal", "contents": "equal", "position": "equal", "seals": "equal", "close-on-exec": "not-carried",
    }  # fmt: skip


# --- the device, sessions, files


def opened(*errnos: str) -> Edit:
    def edit(made: Said) -> None:
        made.drop("open")
        made.target[2:2] = [("open", {"errno": e, **({"again": True} if n else {})}) for n, e in enumerate(errnos)]

    return edit


@pytest.mark.parametrize(
    ("errnos", "verdict", "interface", "errno", "once"),
    [
        (("EIO", "EIO"), X, Interface.DEVICE_OPEN, "EIO", True),
        (("EIO", ""), X, Interface.DEVICE_OPEN, "EIO", False),
        (("ENOENT", "ENOENT"), L, Interface.DEVICE_OPEN, "", False),
        (("ENODEV", "ENODEV"), X, Interface.DEVICE_OPEN, "ENODEV", True),
    ],
)
def test_open(errnos: tuple[str, ...], verdict: Verdict, interface: Interface, errno: str, once: bool) -> None:
    (outcome,) = said(BOTH, opened(*errnos)).outcomes()
    assert verdicts(outcome) == [R, verdict, verdict]
    for object_id in (SESSION, FILE):
        seen = of(outcome, object_id).observation
        assert (seen.interface, seen.errno) == (interface, errno)
        assert (Consequence.NOT_RETRYABLE in seen.consequences) == once
        assert (Consequence.BLAST_RADIUS in seen.consequences) == (verdict is X)


def test_a_failing_open_hits_one_empty_session_alone() -> None:
    (outcome,) = said(scenario(session()), opened("EIO", "EIO")).outcomes()
    assert of(outcome, SESSION).observation.consequences == {Consequence.NOT_RETRYABLE}


def test_a_failing_open_does_not_hit_what_was_never_taken() -> None:
    made = said(BOTH, opened("EIO", "EIO"))
    made.change("preserve", errno="ENOENT", step="")
    (outcome,) = made.outcomes()
    assert verdicts(outcome) == [R, X, U]


@pytest.mark.parametrize(("errno", "verdict"), [("ENOENT", L), ("EINVAL", X), ("ENOMEM", X)])
def test_retrieve_session(errno: str, verdict: Verdict) -> None:
    made = said()
    made.change("retrieve-session", errno=errno, named="")
    made.change("retrieve", errno="EBADF", step="session", again="EBADF", size=-1)
    (outcome,) = made.outcomes()
    assert verdicts(outcome) == [R, verdict, verdict]
    seen = of(outcome, FILE).observation
    assert (seen.interface, seen.errno) == (Interface.RETRIEVE_SESSION, errno)


@pytest.mark.parametrize(
    ("errno", "again", "once"), [("EINVAL", "EINVAL", True), ("ENOENT", "ENOENT", True), ("EIO", "", False)]
)
def test_a_file_in_a_retrieved_session(errno: str, again: str, once: bool) -> None:
    """ENOENT too: a cold boot would not have given the session."""
    made = said()
    made.change("retrieve", errno=errno, again=again)
    (outcome,) = made.outcomes()
    assert verdicts(outcome) == [R, R, X]
    seen = of(outcome, FILE).observation
    assert (seen.interface, seen.errno) == (Interface.RETRIEVE_FD, errno)
    assert (Consequence.NOT_RETRYABLE in seen.consequences) == once


@pytest.mark.parametrize(
    ("fields", "verdict", "name"),
    [
        ({"size": 5, "expected": "", "seen": "", "bad": -1}, C, "size"),
        ({"seen": "cc", "bad": 1}, C, "contents"),
        ({"position": 7}, D, "position"),
        ({"seals": 1}, D, "seals"),
        ({"cloexec": True}, R, None),
    ],
)
def test_a_file_that_came_back_otherwise(fields: dict[str, object], verdict: Verdict, name: str | None) -> None:
    made = said()
    made.change("retrieve", **fields)
    (outcome,) = made.outcomes()
    assert of(outcome, FILE).verdict is verdict
    different = [p.name for p in of(outcome, FILE).observation.properties if p.state.value == "different"]
    assert (name in different) if name else not different


def test_the_name_of_a_session() -> None:
    for named, verdict in (("", R), ("qual", R), ("other", C)):
        made = said()
        made.change("retrieve-session", named=named)
        assert of(made.outcomes()[0], SESSION).verdict is verdict


def test_one_file_of_a_run_is_enough() -> None:
    made = said(scenario(session(memfd(1, count=3))))
    made.change("retrieve", at=1, seen="cc")
    (outcome,) = made.outcomes()
    seen = of(outcome, "memfd/qual/0x1..0x3")
    assert (seen.verdict, seen.observation.notes[0]) == (C, "2 of 3 came back unchanged")


def test_one_session_of_a_run_that_was_refused_gives_up_the_run() -> None:
    """As the simulator's owner does. The other session of the scenario stays."""
    made = said(scenario(session(memfd(), count=3), session(name="other")))
    made.change("create-session", at=2, errno="ENOMEM")
    made.change("preserve", at=2, errno="EBADF", step="session")
    (outcome,) = made.outcomes()
    assert verdicts(outcome) == [U, U, R]
    seen = of(outcome, "session/qual-0..2").observation
    assert (seen.interface, seen.errno, seen.notes) == (Interface.SOURCE, "ENOMEM", ("CREATE_SESSION",))


def test_one_session_of_a_run_that_did_not_come() -> None:
    made = said(scenario(session(memfd(), count=3)))
    made.change("retrieve-session", at=1, errno="ENOENT", named="")
    (outcome,) = made.outcomes()
    assert verdicts(outcome) == [L, L]
    assert of(outcome, "session/qual-0..2").observation.notes == ("1 of 3 sessions are not there",)


# --- what the source did not hand over


@pytest.mark.parametrize(
    ("fields", "errno", "note"),
    [
        ({"errno": "ENOENT"}, "ENOENT", "PRESERVE_FD"),
        ({"errno": "ENOSPC"}, "ENOSPC", "PRESERVE_FD"),
        ({"errno": "EINVAL", "made": "EINVAL", "step": "memfd_create"}, "EINVAL", "it could not be made: memfd_create"),
    ],
)
def test_a_file_that_the_source_did_not_take(fields: dict[str, str], errno: str, note: str) -> None:
    made = said()
    made.change("preserve", **fields)
    made.change("retrieve", errno="ENOENT", again="ENOENT")
    (outcome,) = made.outcomes()
    assert verdicts(outcome) == [R, R, U]
    seen = of(outcome, FILE).observation
    assert (seen.reply, seen.errno, seen.notes) == (Reply.NOT_OFFERED, errno, (note,))


@pytest.mark.parametrize("errno", ["EINVAL", "EOPNOTSUPP"])
def test_a_load_that_was_refused_hands_over_nothing(errno: str) -> None:
    made = said(scenario(ALPHA, session(memfd()), METADATA, KHO_TEST, FLB))
    made.change("load", errno=errno)
    made.target, made.target_log = [("end", {})], []
    (outcome,) = made.outcomes()
    assert set(verdicts(outcome)) == {U}
    assert {o.observation.errno for o in outcome.objects} == {errno}


def test_a_jump_that_the_source_refused_loses_nothing() -> None:
    """It is still there, with all that it holds: nothing was lost, and nothing was handed over."""
    made = said()
    made.target, made.target_log = [("jump-failed", {"errno": "EBUSY"}), ("end", {})], []
    (outcome,) = made.outcomes()
    assert verdicts(outcome) == [U, U, U]
    assert {(o.observation.errno, o.observation.notes) for o in outcome.objects} == {
        ("EBUSY", ("the source refused the jump",))
    }


def test_a_source_without_luo() -> None:
    made = said(BOTH)
    made.source[2] = ("open", {"errno": "ENOENT"})
    for kind, fields in made.source:
        if kind == "create-session":
            fields["errno"] = "ENOENT"
    assert verdicts(made.outcomes()[0]) == [R, U, U]
    assert of(made.outcomes()[0], SESSION).observation.errno == ""


# --- regions


def test_regions() -> None:
    def outcome(log: list[str], **fields: object) -> tuple[Verdict, str]:
        made = said()
        made.target_log = log
        made.change("target-region", **fields)
        found = of(made.outcomes()[0], REGION)
        return found.verdict, found.observation.errno

    revived, none = ["Revived memory reservation 'alpha' from KHO"], "reserve_mem: memblock allocation failed"
    assert outcome(revived) == (R, "")
    assert outcome(revived, in_address="0x2000")[0] in (C, D)
    assert outcome(revived, in_size=1)[0] is C
    assert outcome(revived, seen="cc")[0] is C
    # what was handed over can be unreadable by then: what the kernel has is what counts
    own = {"in": False, "address": "0x1000", "size": 65536}
    assert outcome(revived, **own) == (R, "")
    assert outcome(revived, **own | {"address": "0x2000"})[0] in (C, D)
    assert outcome(revived, **own | {"size": 1})[0] is C
    assert outcome(revived, **own, seen="cc")[0] is C
    assert outcome(["Revived memory reservation 'alphabet' from KHO"]) == (L, "")
    assert outcome([], out=True) == (L, "")
    assert outcome([none], out=False) == (X, "ENOMEM")
    assert outcome([none], out=True) == (L, "")  # it was another that found no room


def test_a_region_whose_bytes_nobody_may_read() -> None:
    for record, fields in (
        ("target-region", {"readable": False, "errno": "EPERM"}),
        ("source-region", {"written": False}),
    ):
        made = said()
        made.change(record, **fields)
        seen = of(made.outcomes()[0], REGION)
        assert seen.verdict is R
        assert {p.name for p in seen.observation.properties} == {"size", "address"}
        assert "contents not compared" in seen.observation.notes[0]


def test_a_region_that_the_source_does_not_hand_over() -> None:
    made = said()
    made.change("source-region", found=False)
    assert of(made.outcomes()[0], REGION).verdict is U


# --- metadata, kho_test, FLB


@pytest.mark.parametrize(
    ("lines", "verdict"),
    [
        (["KHO: exec from: 7.1.13 (count 1)"], R),
        (["KHO: exec from: 7.1.12 (count 1)"], None),
        (["KHO: exec from: 7.1.13 (count 2)"], None),
        ([], L),
        (["KHO: kexec-metadata version 9 not supported"], L),
    ],
)
def test_metadata(lines: list[str], verdict: Verdict | None) -> None:
    made = said(scenario(METADATA))
    made.target_log = lines
    (outcome,) = made.outcomes()
    assert verdicts(outcome)[0] in ([verdict] if verdict else [C, D])
    assert (Consequence.WARNED in outcome.consequences) == any("not supported" in line for line in lines)


def test_metadata_that_could_not_be_read_on_the_source_was_not_handed_over() -> None:
    made = said(scenario(METADATA))
    made.change("blob", errno="EIO")
    assert verdicts(made.outcomes()[0]) == [U]


@pytest.mark.parametrize(
    ("pair", "lines", "came", "verdict"),
    [
        (("7.1.13", "7.1.13"), ["test_kho: KHO restore succeeded"], True, R),
        (("7.1.13", "7.1.13"), ["test_kho: KHO restore failed: -2"], True, X),
        (("6.18.15", "6.18.15"), [], True, X),  # says nothing when it fails
        (("6.18.15", "6.18.15"), [], False, L),
    ],
)
def test_kho_test(pair: tuple[str, str], lines: list[str], came: bool, verdict: Verdict) -> None:
    made = said(scenario(KHO_TEST), pair=pair)
    made.change("system")
    made.target[1] = ("system", {"kho": True, "in": ["kho_test"] if came else []})
    made.target_log = lines
    assert verdicts(made.outcomes()[0]) == [verdict]


@pytest.mark.parametrize(
    ("source", "target", "verdict"),
    [
        (True, "liveupdate test: {}: found flb data from the previous boot", R),
        (True, "liveupdate test: {}: ERROR - incorrect data handle: 1, expected 2", C),
        (True, "liveupdate test: liveupdate_flb_get_incoming for {} failed: -ENODATA", X),
        (True, "", L),
        (False, "", U),
    ],
)
def test_flb(source: bool, target: str, verdict: Verdict) -> None:
    made = said(scenario(FLB))
    made.source_log = [f"liveupdate test: {FLB.name}: preserve was triggered"] if source else []
    made.target_log = [target.format(FLB.name)] if target else []
    assert verdicts(made.outcomes()[0]) == [verdict]


# --- the target died; shared boots


def test_a_dead_target() -> None:
    """What was handed over is dead; what it had said before is no longer told of it."""
    made = said(BOTH, opened("EIO", "EIO"))
    made.change("source-region", found=False)
    made.death = "Kernel panic - not syncing: luo"
    (outcome,) = made.outcomes()
    assert verdicts(outcome) == [U, P, P]
    assert outcome.detail == made.death
    for object_id in (SESSION, FILE):
        seen = of(outcome, object_id).observation
        assert (seen.interface, seen.reply) == (Interface.BOOT, Reply.CRASHED)
        assert (seen.errno, seen.notes, seen.consequences) == ("", (), frozenset())


@pytest.mark.parametrize("line", ["WARNING: mm/x.c:12 at f+0x1/0x2", "Oops: 0000 [#1] SMP"])
def test_words_of_alarm(line: str) -> None:
    made = said()
    made.target_log.append(line)
    (outcome,) = made.outcomes()
    assert outcome.consequences == {Consequence.WARNED}
    assert line in outcome.log


def test_each_cell_of_a_shared_boot_has_its_own() -> None:
    plans = [BOTH, BOTH, scenario(ALPHA, BETA), scenario(session(memfd()), source={})]
    made = Said([cell(plan) for plan in plans])
    assert [s.name for s in made.asked.sessions] == ["qual", "qual-2", "qual-3"]
    made.change("retrieve", at=1, seen="cc")  # the second cell's file
    made.target_log = [line for line in made.target_log if "'alpha-3'" not in line]  # the third cell's region
    assert [verdicts(o) for o in made.outcomes()] == [[R, R, R], [R, R, C], [L, R], [R, R]]
    assert SourceActions() == plans[0].source
