# SPDX-License-Identifier: Apache-2.0
"""What goes wrong around kernels that boot: each fault has its words and its state, and is no verdict."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from qualify.model import Status, Verdict
from tests.cli.faults import KERNEL, OTHER, Lab, missing, not_measured

pytestmark = [pytest.mark.vm, pytest.mark.skipif(bool(missing()), reason=missing() or "-")]

_JUMP = "Starting new kernel"


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (signal.SIGKILL, ("QEMU was killed (signal 9)", "see dmesg")),
        (signal.SIGTERM, ("QEMU was ended from outside", "terminating on signal 15", f"pid {os.getpid()}")),
    ],
    ids=["SIGKILL", "SIGTERM"],
)
@pytest.mark.parametrize(
    ("says", "where"),
    [("Linux version", f"source {KERNEL} (boot)"), (_JUMP, f"target {KERNEL} (target boot)")],
    ids=["the source boots", "the target boots"],
)
def test_qemu_is_killed(lab: Lab, says: str, where: str, number: int, words: tuple[str, ...]) -> None:
    lab.matrix()
    run = lab.start()
    lab.await_machine(run, says).send_signal(number)
    outcome = lab.ended(run)
    not_measured(lab, outcome, Status.ERROR, where, *words)
    assert "serial.log" in outcome.files["reserve-mem-page"]


def test_what_was_killed_is_tried_again(lab: Lab) -> None:
    lab.matrix()
    run = lab.start(retries=1)
    lab.await_machine(run).kill()
    outcome = lab.ended(run)
    assert (outcome.status, outcome.row.status, outcome.row.agrees) == (0, Status.DONE, True)
    assert "run again: the attempt before gave ERROR" in outcome.log["reserve-mem-page"]
    assert "QEMU was killed (signal 9)" in outcome.log["reserve-mem-page"]
    assert lab.left() == []


def test_qemu_does_not_start(lab: Lab) -> None:
    """Its version is asked for first."""
    fake = lab.folder / "qemu"
    fake.write_text('#!/bin/sh\n[ "$1" = --version ] && echo QEMU 1 && exit\necho "no such machine" >&2\nexit 1\n')
    fake.chmod(0o755)
    lab.environment["QUALIFY_QEMU"] = str(fake)
    lab.matrix()
    not_measured(lab, lab.run(), Status.ERROR, "QEMU ended with exit status 1: no such machine")


def test_a_time_limit_says_what_was_waited_for(lab: Lab) -> None:
    lab.matrix()
    words = "the cell took longer than 2 s", "the machine was at its ", "last line of the kernel"
    not_measured(lab, lab.run("--timeout", "2"), Status.TIMEOUT, *words[:2])


def test_the_disk_is_full_while_the_machine_talks(lab: Lab) -> None:
    """A limit on the size of files stands for the disk: it strikes in the middle of the log."""
    lab.matrix()
    run = lab.start()
    worker = lab.await_machine(run).parent()
    assert worker is not None
    worker.rlimit(psutil.RLIMIT_FSIZE, (3000, 3000))
    not_measured(lab, lab.ended(run), Status.ERROR, "cannot keep what the machine says in", "serial.log", "TMPDIR")


def test_the_disk_is_full_before_the_machine_starts(lab: Lab) -> None:
    lab.matrix()
    command = lab.command("--retries", "0")
    limit = "import os, resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (2**20,) * 2)"
    run = lab.popen([command[0], "-c", f"{limit}; os.execv(sys.argv[1], sys.argv[1:])", *command])
    not_measured(lab, lab.ended(run), Status.ERROR, f"no room below {lab.temporary}: File too large", "TMPDIR")


@pytest.fixture
def small_disk(lab: Lab) -> Iterator[Path]:
    folder = lab.db.with_name(f"{lab.db.name}.artefacts")
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "none", folder], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_the_disk_is_full_while_files_are_stored(lab: Lab, small_disk: Path) -> None:
    lab.matrix()
    outcome = lab.run()
    not_measured(lab, outcome, Status.ERROR, "files could not be kept", f"no room below {small_disk}", "--db")
    assert outcome.files["reserve-mem-page"] == frozenset()


@pytest.mark.parametrize(
    ("append", "words"),
    [
        ("rdinit=/nothing", ("the agent was lost", "no kernel is to blame", "VFS: Unable to mount root fs")),
        ("qualify.port=/dev/null", ("the agent was lost", "no port to speak on", "qualify.port")),
        ("8250.nr_uarts=0", ("nothing came on the serial port", "CONFIG_SERIAL_8250_CONSOLE", "console=ttyS0")),
        ("quiet loglevel=0", ("wrote nothing to its serial console", "console=ttyS0")),
    ],
    ids=["no init", "no port", "no serial port", "no console"],
)
def test_the_source_cannot_do_its_part(lab: Lab, append: str, words: tuple[str, ...]) -> None:
    lab.kernel(KERNEL, append=append)
    lab.matrix()
    not_measured(lab, lab.run(), Status.ERROR, f"source {KERNEL}", *words)


@pytest.mark.parametrize(
    ("append", "words"),
    [
        ("rdinit=/nothing", ("the agent was lost", "VFS: Unable to mount root fs")),
        ("qualify.port=/dev/null", ("the agent was lost", "no port to speak on")),
    ],
    ids=["no init", "no port"],
)
def test_the_target_cannot_do_its_part(lab: Lab, append: str, words: tuple[str, ...]) -> None:
    lab.kernel(OTHER, of=OTHER, append=append)
    lab.matrix(KERNEL, OTHER)
    not_measured(lab, lab.run(), Status.ERROR, f"target {OTHER}", *words)


@pytest.mark.slow
def test_a_target_without_serial_output(lab: Lab) -> None:
    """It could have died of its handover without a word; that it says nothing without one clears that up."""
    lab.kernel(OTHER, of=OTHER, append="8250.nr_uarts=0")
    lab.matrix(KERNEL, OTHER)
    outcome = lab.run()
    not_measured(lab, outcome, Status.TIMEOUT, "without any handover it ended so: hang", "CONFIG_SERIAL_8250_CONSOLE")
    assert "control/machine.json" in outcome.files["reserve-mem-page"]


@pytest.mark.parametrize("words", [("source", OTHER, KERNEL), ("target", KERNEL, OTHER)], ids=lambda w: w[0])
def test_a_kernel_that_is_another_release(lab: Lab, words: tuple[str, str, str]) -> None:
    lab.kernel(OTHER, of=KERNEL)
    lab.matrix(*words[1:])
    told = f"calls itself {KERNEL}, and stands for release {OTHER}"
    outcome = lab.run()
    not_measured(lab, outcome, Status.ERROR, told, "qualify kernel show")
    assert outcome.files["reserve-mem-page"] == frozenset(), "nothing had to boot for that"


@pytest.mark.slow
def test_a_target_that_hangs_only_with_a_handover_is_a_finding(lab: Lab) -> None:
    """With mem=48M it boots by itself, and cannot reach what was handed over beyond: nobody's fault but the pair's."""
    lab.kernel("7.1.13-drift", of="7.1.13-drift", append="mem=48M")
    lab.matrix(KERNEL, "7.1.13-drift")
    outcome = lab.run()
    assert (outcome.status, outcome.row.status, outcome.row.verdict) == (1, Status.DONE, Verdict.PANIC)
    assert "control/serial.log" in outcome.files["reserve-mem-page"]
    assert lab.left() == []


def test_a_source_with_too_little_ram(lab: Lab) -> None:
    lab.kernel(KERNEL, append="mem=128M")
    lab.matrix()
    words = "too little RAM for its scratch memory", "host.ram", "KHO: Failed to reserve"
    not_measured(lab, lab.run(), Status.ERROR, f"source {KERNEL}", *words)
