# SPDX-License-Identifier: Apache-2.0
"""What to start: the program, the machine, its command line. Nothing here runs anything but `--version`."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from qualify.errors import HarnessError
from qualify.machine.vm.accel import Accelerator

__all__ = ["LOGGING", "Machine", "arguments", "find_qemu", "qemu_version"]

#: First words of every kernel command line: log records, with their time, go to the first serial port.
LOGGING = "console=ttyS0 panic=-1 loglevel=7 printk.time=1"
_PROGRAM = "qemu-system-x86_64"
_OVERRIDE = "QUALIFY_QEMU"


@dataclass(frozen=True)
class Machine:
    """One virtual machine. `memory` in bytes; `append` is the kernel command line as it is."""

    kernel: Path
    initrd: Path
    append: str
    memory: int
    cpus: int = 1


def find_qemu() -> Path:
    """The QEMU to use: `QUALIFY_QEMU`, else the one on PATH. HarnessError when there is none."""
    named = os.environ.get(_OVERRIDE)
    found = shutil.which(named or _PROGRAM)
    if found is None:
        where = f"{_OVERRIDE}={named} is no program" if named else f"{_PROGRAM} is not installed"
        raise HarnessError(f"{where}; install it (Debian: qemu-system-x86) or name it in {_OVERRIDE}")
    return Path(found)


@cache
def qemu_version(program: Path) -> str:
    """The first line of its `--version`."""
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise HarnessError(f"{program} does not run: {error}") from error
    return done.stdout.splitlines()[0].strip() if done.stdout else ""


def arguments(
    program: Path, machine: Machine, accel: Accelerator, *, console: int, port: int, control: int
) -> list[str]:
    """The command line. QEMU inherits the last three: two pipes that it writes to, and a connected socket for QMP.

    Pipes, because a serial port drops what its other end is too slow to take, and a socket is full after some hundred
    writes of one byte.

    -no-reboot turns a reset, whoever causes it, into the end of the process: a cold boot of the source is never taken
    for the target.
    """
    return [
        str(program),
        *("-accel", accel.name, "-cpu", accel.cpu),
        *("-m", f"{-(-machine.memory >> 20)}M", "-smp", str(machine.cpus)),
        *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
        *("-add-fd", f"fd={console},set=1", "-chardev", "file,id=console,path=/dev/fdset/1,append=on"),
        *("-add-fd", f"fd={port},set=2", "-chardev", "file,id=port,path=/dev/fdset/2,append=on"),
        *("-serial", "chardev:console", "-serial", "chardev:port"),
        *("-chardev", f"socket,id=control,fd={control}", "-mon", "chardev=control,mode=control"),
        *("-kernel", str(machine.kernel), "-initrd", str(machine.initrd), "-append", machine.append),
    ]
