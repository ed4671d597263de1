# SPDX-License-Identifier: Apache-2.0
"""The command line of QEMU, which QEMU, and whether KVM works."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from qualify.errors import HarnessError
from qualify.machine.vm import accel
from qualify.machine.vm.accel import Accelerator, accelerator, emulation
from qualify.machine.vm.qemu import Machine, arguments, find_qemu, qemu_version

MACHINE = Machine(Path("/k/bzImage"), Path("/w/initrd"), "console=ttyS0 a='b c'", (1 << 30) + 1, cpus=2)


@pytest.fixture(autouse=True)
def _nothing_is_remembered() -> Iterator[None]:
    yield
    accelerator.cache_clear()
    qemu_version.cache_clear()


def program(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "qemu"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_the_command_line() -> None:
    made = arguments(Path("/q"), MACHINE, Accelerator("kvm", "host", ""), console=7, port=8, control=9)
    assert made == [
        "/q", "-accel", "kvm", "-cpu", "host", "-m", "1025M", "-smp", "2", "-nodefaults", "-no-user-config",
        "-display", "none", "-no-reboot",
        "-add-fd", "fd=7,set=1", "-chardev", "file,id=console,path=/dev/fdset/1,append=on",
        "-add-fd", "fd=8,set=2", "-chardev", "file,id=port,path=/dev/fdset/2,append=on",
        "-serial", "chardev:console", "-serial", "chardev:port",
        "-chardev", "socket,id=control,fd=9", "-mon", "chardev=control,mode=control",
        "-kernel", "/k/bzImage", "-initrd", "/w/initrd", "-append", "console=ttyS0 a='b c'",
    ]  # fmt: skip


@pytest.mark.parametrize(("size", "given"), [(1 << 30, "1024M"), (1, "1M"), ((1 << 20) + 1, "2M")])
def test_memory_is_never_less_than_asked_for(size: int, given: str) -> None:
    machine = Machine(Path("k"), Path("i"), "", size)
    made = arguments(Path("q"), machine, emulation(""), console=3, port=4, control=5)
    assert made[made.index("-m") + 1] == given


def test_the_qemu_that_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = program(tmp_path, "echo 'QEMU emulator version 99'; echo more")
    monkeypatch.setenv("QUALIFY_QEMU", str(named))
    assert find_qemu() == named
    assert qemu_version(named) == "QEMU emulator version 99"


def test_a_qemu_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUALIFY_QEMU", str(tmp_path / "none"))
    with pytest.raises(HarnessError, match=r"QUALIFY_QEMU=.*/none is no program; install it"):
        find_qemu()
    monkeypatch.delenv("QUALIFY_QEMU")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HarnessError, match="qemu-system-x86_64 is not installed; install it"):
        find_qemu()


@pytest.mark.parametrize("text", ["exit 1", "kill -9 $$"])
def test_a_qemu_that_does_not_run(tmp_path: Path, text: str) -> None:
    with pytest.raises(HarnessError, match="does not run"):
        qemu_version(program(tmp_path, text))
    no_program = tmp_path / "text"
    no_program.write_text("words")
    no_program.chmod(0o755)
    with pytest.raises(HarnessError, match="does not run"):
        qemu_version(no_program)


# --- KVM: that a device is there says nothing


def kvm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int = 0o666) -> Path:
    device = tmp_path / "kvm"
    device.write_bytes(b"")
    device.chmod(mode)
    monkeypatch.setattr(accel, "_KVM", device)
    return device


def test_without_a_device_nothing_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accel, "_KVM", tmp_path / "kvm")
    found = accelerator(program(tmp_path, f"touch {tmp_path}/started; exit 35"))
    assert found == Accelerator("tcg", "max,la57=off", f"there is no {tmp_path}/kvm")
    assert not (tmp_path / "started").exists()
    assert found.patience == 4


def test_a_device_that_may_not_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kvm(tmp_path, monkeypatch)
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert accelerator(program(tmp_path, "exit 35")).why == f"{tmp_path}/kvm may not be opened by this user"


def test_kvm_works_when_the_guest_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The boot sector is there while it runs, and it is one."""
    kvm(tmp_path, monkeypatch)
    script = f"""echo "$@" > {tmp_path}/args
for word; do case $word in file=*) sector=${{word#file=}}; cp "${{sector%%,*}}" {tmp_path}/sector;; esac; done
exit 35"""
    found = accelerator(program(tmp_path, script))
    assert (found.name, found.cpu, found.patience) == ("kvm", "host", 1)
    words = (tmp_path / "args").read_text()
    assert "-accel kvm -cpu host" in words
    assert "isa-debug-exit,iobase=0xf4" in words
    sector = (tmp_path / "sector").read_bytes()
    assert (len(sector), sector[-2:]) == (512, b"\x55\xaa")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("echo 'failed to initialize kvm: Permission denied' >&2; echo b >&2; exit 1", "failed to initialize kvm"),
        ("exit 0", "exit status 0"),
        ("exit 33", "exit status 33"),
        ("kill -9 $$", "exit status -9"),
    ],
)
def test_kvm_that_does_not_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, why: str) -> None:
    kvm(tmp_path, monkeypatch)
    found = accelerator(program(tmp_path, text))
    assert found.name == "tcg"
    assert found.why.startswith(f"KVM was tried and does not work: {why}")


def test_kvm_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kvm(tmp_path, monkeypatch)
    monkeypatch.setattr(accel, "_SECONDS", 0.3)
    found = accelerator(program(tmp_path, "exec sleep 60"))
    assert found.name == "tcg"
    assert "timed out" in found.why
