# SPDX-License-Identifier: Apache-2.0
"""How a boot ended, out of what it said: every end in every phase, without a machine."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qualify.machine.vm.ending import End, Ending, Phase
from qualify.machine.vm.watch import Watch
from tests.machine.vm.streams import BANNER, MESSAGES, PATIENCE, console, port, record, talk, watching

PANIC = "Kernel panic - not syncing: Fatal exception"
OOPS = "Oops: Oops: 0000 [#1] SMP NOPTI"
BUG = "BUG: unable to handle page fault for address: ffff888"
INIT_DIED = "Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b"
NO_INIT = "Kernel panic - not syncing: No working init found.  Try passing init= option to kernel."
OOM = "Out of memory: Killed process 1 (init) total-vm:1kB"
FOLIO = "luo: Retrieved live update data, liveupdate number: 1"

SOURCE = port("hello:source", "system", "load")
JUMP = port("hello:source", "system", "load", "jump")
TARGET = port("hello:target", "system")
#: What has been said when a machine gets into each phase.
UNTIL: dict[Phase, list[tuple[str, bytes]]] = {
    Phase.BOOT: [("console", console(BANNER))],
    Phase.WORK: [("console", console(BANNER)), ("port", SOURCE)],
    Phase.TARGET_BOOT: [("console", console(BANNER)), ("port", JUMP), ("console", console(BANNER))],
    Phase.TARGET_WORK: [("console", console(BANNER)), ("port", JUMP), ("console", console(BANNER)), ("port", TARGET)],
}
PHASES = pytest.mark.parametrize("phase", list(Phase), ids=str)


def in_phase(phase: Phase, *, crash: bool = False) -> Watch:
    watch = talk(watching(crash=crash), *UNTIL[phase])
    assert watch.phase is phase
    assert watch.ending is None
    return watch


def test_finished() -> None:
    watch = talk(watching(), *UNTIL[Phase.TARGET_WORK], ("port", record(2, "end")), now=7)
    watch.close()
    assert watch.ending == Ending(End.FINISHED, Phase.TARGET_WORK)
    assert (watch.damage, watch.cut) == ([], False)
    assert watch.times == {"word": 7, "boot": 7, "jump": 7, "target boot": 7, "end": 7}
    assert [line.boot for line in watch.lines] == [0, 1]


@pytest.mark.parametrize("stage", ["probe", "target"])
def test_a_machine_that_is_not_to_jump_finishes_too(stage: str) -> None:
    watch = talk(watching(), ("console", console(BANNER)), ("port", port(f"hello:{stage}", "system", "end")))
    assert watch.ending == Ending(End.FINISHED, Phase.WORK)


@pytest.mark.parametrize("kinds", [("load",), ("load", "jump", "jump-failed")])
def test_stayed(kinds: tuple[str, ...]) -> None:
    """Refused to load, or to jump: the machine that speaks is still the source."""
    watch = talk(watching(), ("console", console(BANNER)), ("port", port("hello:source", *kinds, "end")))
    assert watch.ending == Ending(End.STAYED, Phase.WORK)
    assert "jump" not in watch.times
    assert "end" in watch.times


@PHASES
@pytest.mark.parametrize("how", ["reset", "expired"])
@pytest.mark.parametrize(
    ("lines", "end", "detail"),
    [
        ((BUG, OOPS, PANIC), End.PANIC, PANIC),
        ((PANIC,), End.PANIC, PANIC),
        ((OOPS,), End.PANIC, OOPS),  # after which nothing came
        ((BUG, OOPS, INIT_DIED), End.PANIC, INIT_DIED),  # the kernel killed it
        ((INIT_DIED,), End.AGENT_LOST, INIT_DIED),
        ((NO_INIT,), End.AGENT_LOST, NO_INIT),
        ((OOM, PANIC), End.OUT_OF_MEMORY, OOM),
        (("Kernel panic - not syncing: System is deadlocked on memory",), End.OUT_OF_MEMORY, None),
        ((FOLIO,), None, None),
    ],
)
def test_how_it_went_down(phase: Phase, how: str, lines: tuple[str, ...], end: End | None, detail: str | None) -> None:
    watch = talk(in_phase(phase), ("console", console(*lines)))
    assert watch.ending is None
    getattr(watch, how)()
    ending = watch.ending
    assert ending is not None
    assert ending.phase is phase
    if end is None:
        assert ending.end is (End.RESET if how == "reset" else End.HANG)
        assert "without a word" in ending.detail or ending.detail.endswith(f"is: {FOLIO}")
    else:
        assert (ending.end, ending.detail) == (end, detail or lines[0])


@PHASES
def test_qemu_died_whatever_the_kernel_said(phase: Phase) -> None:
    watch = talk(in_phase(phase), ("console", console(OOPS, PANIC)))
    watch.died("QEMU ended with signal 9")
    assert watch.ending == Ending(End.QEMU_DIED, phase, "QEMU ended with signal 9")


@PHASES
def test_the_agent_gave_up(phase: Phase) -> None:
    watch = in_phase(phase)
    seq = {Phase.BOOT: 0, Phase.WORK: 3, Phase.TARGET_BOOT: 4, Phase.TARGET_WORK: 2}[phase]
    talk(watch, ("port", record(seq, "fail", what="plan line 3: x", errno="ENOENT") + record(seq + 1, "end")))
    assert watch.ending == Ending(End.AGENT_FAILED, phase, "plan line 3: x ENOENT")


def test_silent() -> None:
    watch = watching()
    watch.expired()
    assert watch.ending is not None
    assert (watch.ending.end, watch.ending.phase) == (End.SILENT, Phase.BOOT)


@pytest.mark.parametrize("said", [("console", b"half a line"), ("console", b"\n"), ("port", b"noise")])
def test_one_byte_is_not_silence(said: tuple[str, bytes]) -> None:
    watch = talk(watching(), said)
    watch.expired()
    assert watch.ending is not None
    assert watch.ending.end is End.HANG


def test_a_silent_console_and_an_agent_that_speaks_is_no_silence() -> None:
    watch = talk(watching(), ("port", SOURCE))
    watch.expired()
    assert watch.ending == Ending(End.HANG, Phase.WORK, "nothing more came; its kernel has said nothing")


def test_the_first_end_counts() -> None:
    watch = in_phase(Phase.TARGET_WORK)
    watch.port(record(2, "end"), 9)
    watch.reset()
    watch.died("x")
    watch.expired()
    assert watch.ending == Ending(End.FINISHED, Phase.TARGET_WORK)


# --- the panic that was asked for


CRASHED = [("console", console(BANNER)), ("port", JUMP), ("console", console(INIT_DIED, OOPS))]


def test_a_crash_that_was_asked_for_is_no_end() -> None:
    watch = talk(watching(crash=True), *CRASHED, ("console", console(BANNER)), ("port", TARGET + record(2, "end")))
    assert watch.ending == Ending(End.FINISHED, Phase.TARGET_WORK)


@pytest.mark.parametrize("first", ["console", "port"])
def test_two_streams_have_no_order(first: str) -> None:
    """The panic can be read before the agent's last record; the crash kernel has all its time to boot either way."""
    said = [("port", JUMP), ("console", console(INIT_DIED))]
    watch = talk(watching(crash=True), ("console", console(BANNER)), *(said if first == "port" else said[::-1]), now=5)
    assert watch.deadline == 5 + PATIENCE.first_word(5)
    talk(watch, ("console", console(BANNER)), now=6)
    assert watch.deadline >= 5 + PATIENCE.boot
    watch.expired()
    assert watch.ending is not None
    assert (watch.ending.end, watch.ending.phase) == (End.HANG, Phase.TARGET_BOOT)


def test_the_banner_of_the_crash_kernel_can_come_first_too() -> None:
    watch = talk(watching(crash=True), ("console", console(BANNER, INIT_DIED, BANNER)), ("port", JUMP), now=5)
    assert watch.deadline == 5 + PATIENCE.boot
    talk(watch, ("console", console(PANIC)))
    watch.reset()
    assert watch.ending == Ending(End.PANIC, Phase.TARGET_BOOT, PANIC)


@pytest.mark.parametrize("phase", [Phase.TARGET_BOOT, Phase.TARGET_WORK], ids=str)
def test_a_second_panic_is_the_crash_kernels_own(phase: Phase) -> None:
    watch = talk(watching(crash=True), *CRASHED, ("console", console(BANNER)))
    if phase is Phase.TARGET_WORK:
        talk(watch, ("port", TARGET))
    talk(watch, ("console", console(BUG, PANIC)))
    watch.reset()
    assert watch.ending == Ending(End.PANIC, phase, PANIC)


@pytest.mark.parametrize("how", ["reset", "expired"])
def test_a_crash_kernel_that_never_starts(how: str) -> None:
    watch = talk(watching(crash=True), *CRASHED)
    getattr(watch, how)()
    assert watch.ending is not None
    assert (watch.ending.end, watch.ending.phase) == (
        End.RESET if how == "reset" else End.HANG, Phase.TARGET_BOOT,
    )  # fmt: skip


def test_a_panic_before_the_jump_is_one_also_where_a_crash_is_asked_for() -> None:
    watch = talk(watching(crash=True), *UNTIL[Phase.WORK], ("console", console(BUG, PANIC)))
    watch.reset()
    assert watch.ending == Ending(End.PANIC, Phase.WORK, PANIC)


def test_what_the_source_said_does_not_speak_against_the_target() -> None:
    watch = talk(watching(), ("console", console(BANNER, OOPS)), ("port", JUMP), ("console", console(BANNER)))
    watch.reset()
    assert watch.ending is not None
    assert watch.ending.end is End.RESET


# --- damage


def test_half_a_record_of_a_machine_that_died_is_damage_and_is_told_apart() -> None:
    watch = talk(in_phase(Phase.TARGET_WORK), ("console", console(PANIC)), ("port", record(2, "open")[:-9]))
    watch.reset()
    watch.close()
    assert watch.cut
    assert len(watch.damage) == 1
    assert watch.damage[0].startswith("cut at the end, after record 1: 'Q1 2 ")


def test_half_a_record_after_the_end_is_none() -> None:
    watch = talk(in_phase(Phase.TARGET_WORK), ("port", record(2, "end") + b"Q1 3 00"))
    watch.close()
    assert (watch.damage, watch.cut) == ([], False)


@pytest.mark.parametrize(
    "broken",
    [
        record(2, "open").replace(b'"open"', b'"opem"'),
        record(2, "open")[4:],
        b"[    1.0] a kernel's word\n",
        record(3, "open"),
        b"\xff\xfe\x00\n",
        b"Q1 2 00000000 {}\n",
        b"x" * 9000 + b"\n",
    ],
)
def test_damage_is_told_and_nothing_is_made_up(broken: bytes) -> None:
    watch = talk(in_phase(Phase.TARGET_WORK), ("port", broken))
    watch.reset()
    watch.close()
    assert len(watch.damage) == 1
    assert not watch.cut
    assert [r.kind for r in watch.records if r.kind not in ("hello", "system", "load", "jump")] == (
        ["open"] if broken == record(3, "open") else []
    )


# --- deadlines


def test_deadlines_move_with_records_and_not_with_lines() -> None:
    watch = watching()
    assert watch.deadline == PATIENCE.boot
    talk(watch, ("console", console(BANNER, FOLIO)), now=4)
    assert watch.deadline == PATIENCE.boot  # a kernel that talks for ever does not come any further
    for now, kind, due in [
        (5.0, "hello:source", PATIENCE.record),
        (9.0, "load", PATIENCE.record),
        (11.0, "jump", PATIENCE.first_word(5.0)),
    ]:
        name, _, stage = kind.partition(":")
        seq = {"hello": 0, "load": 1, "jump": 2}[name]
        talk(watch, ("port", record(seq, name, stage=stage)), now=now)
        assert watch.deadline == now + due
    talk(watch, ("console", console(BANNER)), now=12)
    assert watch.deadline == 11 + PATIENCE.boot
    talk(watch, ("port", TARGET), now=13)
    assert watch.deadline == 13 + PATIENCE.record


@PHASES
def test_after_a_panic_there_is_little_time_and_records_do_not_lengthen_it(phase: Phase) -> None:
    watch = talk(in_phase(phase), ("console", console(PANIC)), now=8)
    assert watch.deadline == 8 + PATIENCE.panic
    talk(watch, ("console", console(PANIC)), now=10)
    assert watch.deadline == 8 + PATIENCE.panic
    talk(watch, ("port", record(9, "open")), now=10)
    assert watch.deadline == 8 + PATIENCE.panic


def test_patience_grows_with_the_accelerator() -> None:
    assert PATIENCE.times(4) == type(PATIENCE)(120, 80, 12, 20)


@pytest.mark.parametrize(("source", "due"), [(0.0, 5.0), (0.5, 5.0), (2.0, 20.0), (60.0, PATIENCE.boot)])
def test_a_target_without_a_word_is_given_up_sooner(source: float, due: float) -> None:
    watch = talk(watching(), ("console", console(BANNER)), now=0)
    talk(watch, ("port", record(0, "hello", stage="source")), now=source)
    talk(watch, ("port", record(1, "jump")), now=70)
    assert watch.deadline == 70 + due
    watch.expired()
    assert watch.ending is not None
    assert (watch.ending.end, watch.ending.silence) == (End.HANG, due)


def test_a_target_that_spoke_has_all_its_time() -> None:
    watch = in_phase(Phase.TARGET_BOOT)
    assert watch.deadline == watch.times["jump"] + PATIENCE.boot
    watch.expired()
    assert watch.ending is not None
    assert (watch.ending.end, watch.ending.silence) == (End.HANG, 0.0)


def test_a_source_that_could_not_jump_is_not_waited_for_as_a_target() -> None:
    watch = talk(in_phase(Phase.TARGET_BOOT), ("port", record(9, "jump-failed", errno="EBUSY")), now=8)
    assert watch.deadline == 8 + PATIENCE.record
    watch.expired()
    assert watch.ending is not None
    assert watch.ending.silence == 0.0


# --- any pieces, any bytes


WHOLE = [
    ("console", console(BANNER, FOLIO)),
    ("port", JUMP),
    ("console", console(BANNER, "WARNING: mm/x.c:1 at f+0x1")),
    ("port", port("hello:target", ("open", {"errno": "EIO"}), "end")),
]


@given(st.integers(0, 2**32), st.integers(1, 40))
def test_however_it_is_split(seed: int, most: int) -> None:
    """Pieces of any size: the same records, lines, ending and times."""
    dice, watch, whole = random.Random(seed), watching(), talk(watching(), *WHOLE)
    for what, data in WHOLE:
        while data:
            size = dice.randint(1, most)
            talk(watch, (what, data[:size]))
            data = data[size:]
    watch.close()
    whole.close()
    assert (watch.records, watch.lines, watch.ending) == (whole.records, whole.lines, whole.ending)
    assert (watch.damage, watch.times, watch.deadline) == ([], whole.times, whole.deadline)
    assert watch.ending == Ending(End.FINISHED, Phase.TARGET_WORK)


@given(st.lists(st.tuples(st.sampled_from(["console", "port"]), st.binary(max_size=300)), max_size=20))
def test_any_bytes_end_as_a_hang_or_in_silence(said: list[tuple[str, bytes]]) -> None:
    watch = talk(watching(), *said)
    assert watch.ending is None
    watch.expired()
    watch.close()
    assert watch.ending is not None
    assert watch.ending.end is (End.HANG if any(data for _, data in said) else End.SILENT)
    noise = b"".join(data for what, data in said if what == "port")
    assert bool(watch.damage) == bool(noise)
    assert not watch.records
    json.dumps([line.text for line in watch.lines])


def test_lines_without_end_take_bounded_memory() -> None:
    watch = watching()
    for _ in range(200):
        talk(watch, ("console", b"c" * 4000), ("port", b"p" * 4000))
    assert max(len(line.text) for line in watch.lines) <= 2 * 4096
    watch.port(b"\n" + SOURCE, 1)
    assert [r.kind for r in watch.records] == ["hello", "system", "load"]
    assert watch.damage == [f"too long, 800000 bytes, after record -1: {'p' * 60!r}"] or len(watch.damage) == 1


def test_words_of_a_program_in_the_middle_of_a_line_mean_nothing() -> None:
    watch = talk(in_phase(Phase.WORK), ("console", b"agent says: Kernel panic - not syncing: x\n"))
    watch.reset()
    assert watch.ending is not None
    assert watch.ending.end is End.RESET
    assert MESSAGES
