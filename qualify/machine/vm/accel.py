# SPDX-License-Identifier: Apache-2.0
"""KVM where it works, software emulation elsewhere. That a device node exists says nothing: it is tried."""

from __future__ import annotations

import os
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ["Accelerator", "accelerator"]

_KVM = Path("/dev/kvm")
_SECONDS = 10.0
_WORKS = 0x23  # what isa-debug-exit makes of the byte that the boot sector writes: 2n + 1
# mov al, 0x11; out 0xf4, al; hlt; jmp to the hlt
_SECTOR = bytes.fromhex("b011e6f4f4ebfd").ljust(510, b"\0") + b"\x55\xaa"


@dataclass(frozen=True)
class Accelerator:
    """How QEMU executes guest code. `why` says how that was decided."""

    name: str
    cpu: str
    why: str

    @property
    def patience(self) -> float:
        """By how much longer than on KVM things may take."""
        return 1.0 if self.name == "kvm" else 4.0


def emulation(why: str) -> Accelerator:
    """Software emulation. Without 5-level page tables, which cost a boot a seventh of its time under emulation."""
    return Accelerator("tcg", "max,la57=off", why)


@cache
def accelerator(program: Path) -> Accelerator:
    """KVM when a guest of one boot sector really runs under it and ends as it should."""
    if not _KVM.exists():
        return emulation(f"there is no {_KVM}")
    if not os.access(_KVM, os.R_OK | os.W_OK):
        return emulation(f"{_KVM} may not be opened by this user")
    with tempfile.TemporaryDirectory(prefix="qualify-kvm-") as folder:
        sector = Path(folder) / "sector"
        sector.write_bytes(_SECTOR)
        argv = [str(program), "-accel", "kvm", "-cpu", "host", "-m", "16M", "-nodefaults", "-no-user-config"]
        argv += ["-display", "none", "-no-reboot", "-device", "isa-debug-exit,iobase=0xf4,iosize=1"]
        argv += ["-drive", f"file={sector},format=raw,if=floppy,readonly=on"]
        try:
            done = subprocess.run(argv, capture_output=True, text=True, timeout=_SECONDS, check=False)
        except (OSError, subprocess.SubprocessError) as error:
            return emulation(f"KVM was tried: {error}")
    if done.returncode == _WORKS:
        return Accelerator("kvm", "host", "a guest of one boot sector ran under it")
    said = done.stderr.strip().splitlines()
    return emulation(f"KVM was tried and does not work: {said[0] if said else f'exit status {done.returncode}'}")
