# SPDX-License-Identifier: Apache-2.0
"""One kernel by itself: what it is and what it writes, as its own debugfs and /dev/liveupdate tell."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qualify.agent import Entry, Finalise, Plan, PlanFile, PlanRegion, PlanSession, agent_binary, render, write_newc
from qualify.errors import CellTimeoutError, HarnessError
from qualify.kernels import KernelFolder
from qualify.machine.vm.boot import Boot, boot
from qualify.machine.vm.ending import End
from qualify.machine.vm.qemu import LOGGING, Machine
from qualify.schema import LogMessage

__all__ = ["probe_kernel"]

_MEMORY = 1 << 30
_APPEND = f"{LOGGING} kho=on liveupdate=on kho_scratch=64M,128M,0 qualify.stage=probe"
_PAGE = 4096


def probe_kernel(kernel: KernelFolder, messages: Sequence[LogMessage], workdir: Path) -> Boot:
    """Boot a kernel once and let the agent look around; one session with a file and one region are preserved.

    `workdir` is empty and gets serial.log, records.log and machine.json. HarnessError or CellTimeoutError when the
    kernel does not get as far as the agent, with its own last words.
    """
    plan = Plan(
        sessions=(PlanSession(id=0, name="probe"),),
        files=(PlanFile(session=0, token=1, size=2 * _PAGE, seed=1),),
        regions=(PlanRegion(id=0, name="probe", size=_PAGE, seed=2),),
        finalise=Finalise.BEFORE_LOAD,
        blobs=True,
    )
    initrd = workdir / "initrd"
    try:
        with initrd.open("wb") as out:
            write_newc([Entry("init", 0o755, agent_binary()), Entry("plan", data=render(plan).encode())], out)
        append = f"{_APPEND} reserve_mem={_PAGE}:{_PAGE}:probe {kernel.append}".rstrip()
        done = boot(Machine(kernel.image, initrd, append, _MEMORY), messages, workdir)
    finally:
        initrd.unlink(missing_ok=True)
    if done.ending.end is not End.FINISHED:
        text = f"kernel {kernel.label}: {done.ending.end} ({done.ending.phase}): {done.ending.detail}"
        raise CellTimeoutError(text) if done.ending.end is End.HANG else HarnessError(text)
    return done
