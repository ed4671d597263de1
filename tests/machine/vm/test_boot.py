# SPDX-License-Identifier: Apache-2.0
"""A real process at the other end of real pipes, in place of QEMU: how its end is told, and that nothing is left."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from qualify.errors import HarnessError
from qualify.machine.vm import Boot, End, Machine, Patience, Phase, boot
from qualify.machine.vm.accel import accelerator
from qualify.machine.vm.qemu import qemu_version
from tests.machine.vm.streams import BANNER, MESSAGES, console, port, record

ACTOR = Path(__file__).with_name("actor.py")
PANIC = "Kernel panic - not syncing: Fatal exception"
JUMP = port("hello:source", "load", "jump")
TARGET = port("hello:target", "system", "end")
Act = list[str]
Play = Callable[..., Boot]


def fds() -> set[str]:
    return {
        os.readlink(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{n}")
    }


def says(where: str, data: bytes) -> Act:
    return [where, data.decode("latin-1")]


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@pytest.fixture
def play(tmp_path: Path, work: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Play]:
    """Run the actor; afterwards no descriptor and no process may be left, however it went."""
    wrapper = tmp_path / "qemu"
    wrapper.write_text(f'#!/bin/sh\nexec {sys.executable} -S {ACTOR} "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("QUALIFY_QEMU", str(wrapper))
    accelerator.cache_clear()
    children, open_before = set(psutil.Process().children(recursive=True)), fds()

    def run(*acts: Act, patience: Patience | None = None, crash: bool = False) -> Boot:
        (tmp_path / "acts").write_text(json.dumps(acts))
        monkeypatch.setenv("QUALIFY_TEST_ACTS", str(tmp_path / "acts"))
        machine = Machine(tmp_path / "bzImage", tmp_path / "initrd", "console=ttyS0", 1 << 30)
        return boot(machine, MESSAGES, work, patience=patience or Patience(60, 60, 60), crash=crash)

    yield run
    assert fds() <= open_before
    assert not set(psutil.Process().children(recursive=True)) - children
    accelerator.cache_clear()
    qemu_version.cache_clear()


def test_a_whole_boot(play: Play, work: Path) -> None:
    first, second = console(BANNER), console(BANNER) + b"last words"
    done = play(
        says("console", first), says("port", JUMP), says("console", second), says("port", TARGET), ["sleep", "60"]
    )
    assert (done.ending.end, done.ending.phase, done.damage, done.cut) == (End.FINISHED, Phase.TARGET_WORK, (), False)
    assert [r.kind for r in done.records] == ["hello", "load", "jump", "hello", "system", "end"]
    assert set(done.times) == {"word", "boot", "jump", "target boot", "end"}
    assert 0 < done.times["boot"] <= done.times["end"]
    assert (work / "records.log").read_bytes() == JUMP + TARGET
    assert (work / "serial.log").read_bytes().startswith(first)
    about = json.loads((work / "machine.json").read_text())
    assert about["qemu"] == "QEMU emulator version 0 (actor)"
    assert about["accelerator"] == "tcg"
    assert about["command"][-1] == "console=ttyS0"
    assert not (work / "qemu.log").exists()


def test_what_it_says_last_is_read_however_soon_it_ends(play: Play) -> None:
    """As much as the pipes hold, then the end of the process at once."""
    lines = console(*[f"line {n} " + "x" * 60 for n in range(8000)], PANIC)
    done = play(says("port", JUMP), says("console", console(BANNER) * 2 + lines), ["exit", "0"])
    assert (done.ending.end, done.ending.phase, done.ending.detail) == (End.PANIC, Phase.TARGET_BOOT, PANIC)
    assert len(done.lines) == 8003


def test_more_than_the_pipes_hold(play: Play, work: Path) -> None:
    flood = port("hello:source") + b"".join(record(n, "blob", data="x" * 2000) for n in range(1, 1500))
    done = play(says("port", flood + record(1500, "end")), ["sleep", "60"])
    assert (done.ending.end, len(done.records), done.damage) == (End.STAYED, 1501, ())
    assert (work / "records.log").stat().st_size == len(flood) + len(record(1500, "end"))


KILLED = "QEMU was killed (signal 9): by somebody, or by this host because its memory was full (see dmesg)"


@pytest.mark.parametrize(
    ("acts", "detail"),
    [
        ([["say", "a\nqemu: no kernel\n"], ["exit", "1"]], "QEMU ended with exit status 1: qemu: no kernel"),
        ([["exit", "3"]], "QEMU ended with exit status 3"),
        ([["signal", "9"]], KILLED),
        ([["signal", "11"]], "QEMU ended with signal 11"),
        ([says("console", console(BANNER, PANIC)), ["signal", "6"]], "QEMU ended with signal 6"),
        ([says("console", console(BANNER)), ["say", "\xff\n"], ["exit", "1"]], None),
    ],
)  # fmt: skip
def test_qemu_died(play: Play, work: Path, acts: list[Act], detail: str | None) -> None:
    done = play(*acts)
    assert done.ending.end is End.QEMU_DIED
    assert detail is None or done.ending.detail == detail
    assert (work / "qemu.log").exists() == any(a[0] == "say" for a in acts)


@pytest.mark.parametrize("event", [True, False])
def test_a_reset_of_the_guest(play: Play, event: bool) -> None:
    said = [["greet"], ["event", "SHUTDOWN", "guest", "guest-reset"], ["sleep", "0.2"]] if event else []
    done = play(says("console", console(BANNER)), says("port", JUMP), *said, ["exit", "0"])
    assert (done.ending.end, done.ending.phase) == (End.RESET, Phase.TARGET_BOOT)


@pytest.mark.parametrize("pause", ["0.1", "0.3"])
def test_qemu_that_somebody_ended_is_no_reset(play: Play, pause: str) -> None:
    """On SIGTERM QEMU ends with exit status 0, as it does when the guest was reset."""
    acts = [["greet"], ["event", "SHUTDOWN", "host", "host-signal"], ["sleep", pause], ["exit", "0"]]
    done = play(says("console", console(BANNER)), says("port", JUMP), *acts)
    assert (done.ending.end, done.ending.detail) == (End.QEMU_DIED, "QEMU was ended from outside (host-signal)")


def test_half_a_record_at_its_end(play: Play) -> None:
    done = play(says("console", console(BANNER)), says("port", JUMP + port("hello:target")[:-4]), ["exit", "0"])
    assert (done.ending.end, done.cut, len(done.damage)) == (End.RESET, True, 1)
    assert done.damage[0].startswith("cut at the end")


@pytest.mark.parametrize("deaf", [False, True])
def test_a_hang_is_ended_at_the_deadline(play: Play, tmp_path: Path, deaf: bool) -> None:
    acts = [["pid", str(tmp_path / "pid")], *([["deaf"], ["fork"]] if deaf else [])]
    done = play(*acts, says("console", console(BANNER, "then nothing")), ["sleep", "600"], patience=Patience(3, 3, 3))
    assert (done.ending.end, done.ending.phase) == (End.HANG, Phase.BOOT)
    assert done.ending.detail.endswith("is: then nothing")
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))


def test_a_console_that_never_stops_does_not_put_the_deadline_off(play: Play) -> None:
    line = console("rcu: INFO: rcu_sched self-detected stall on CPU") * 200
    done = play(*[says("console", line)] * 1000, ["sleep", "600"], patience=Patience(2, 2, 2))
    assert done.ending.end is End.HANG


def test_silence(play: Play) -> None:
    assert play(["sleep", "600"], patience=Patience(0.5, 9, 9)).ending.end is End.SILENT


def test_a_process_of_ours_that_could_not_run_is_no_hang(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    """All was said in time; that it is read after the deadline is the host's doing."""
    from qualify.machine.vm.watch import Watch

    original = Watch.port

    def slow(self: Watch, data: bytes, now: float) -> None:
        first = not self.records
        original(self, data, now)
        if first and self.records:
            time.sleep(2.5)

    monkeypatch.setattr(Watch, "port", slow)
    acts = [says("port", port("hello:source")), ["sleep", "0.5"], says("port", record(1, "end")), ["sleep", "600"]]
    assert play(*acts, patience=Patience(60, 1.5, 9)).ending.end is End.STAYED


def test_an_interrupt_leaves_nothing(play: Play, tmp_path: Path) -> None:
    threading.Timer(1.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        play(["pid", str(tmp_path / "pid")], ["sleep", "600"])
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))


def test_evidence_that_cannot_be_kept_is_an_error(play: Play, work: Path) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    (work / "serial.log").symlink_to("/dev/full")
    with pytest.raises(HarnessError, match=r"cannot keep what the machine says in .*: No space left"):
        play(says("console", console(BANNER)), ["sleep", "600"])


def test_evidence_that_cannot_be_kept_at_the_end_is_an_error_too(play: Play, work: Path) -> None:
    (work / "serial.log").symlink_to("/dev/full")
    with pytest.raises(HarnessError, match="cannot keep"):
        play(says("console", console(BANNER)), ["exit", "0"])


def test_a_program_that_does_not_start(play: Play, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = tmp_path / "bad"
    bad.write_text("#!/bin/sh\necho QEMU emulator\n")
    bad.chmod(0o755)
    monkeypatch.setenv("QUALIFY_QEMU", str(bad))
    assert qemu_version(bad) == "QEMU emulator"
    accelerator(bad)
    shutil.copy(ACTOR, bad)
    bad.write_text("#!/nowhere/interpreter\n")
    with pytest.raises(HarnessError, match="does not start"):
        play()


def test_the_same_machine_twice(play: Play, work: Path) -> None:
    """A retry in the same folder begins anew."""
    play(says("console", console(BANNER)), ["exit", "1"])
    done: Any = play(says("port", port("hello:target", "end")), ["sleep", "60"])
    assert done.ending.end is End.FINISHED
    assert (work / "serial.log").read_bytes() == b""
