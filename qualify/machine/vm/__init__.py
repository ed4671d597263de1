# SPDX-License-Identifier: Apache-2.0
"""Real kernels in QEMU: the process, its ports, and how a boot ended."""

from qualify.machine.vm.accel import Accelerator, accelerator
from qualify.machine.vm.boot import Boot, Patience, boot
from qualify.machine.vm.ending import End, Ending, Phase
from qualify.machine.vm.qemu import LOGGING, Machine, find_qemu, qemu_version

__all__ = [
    "LOGGING",
    "Accelerator",
    "Boot",
    "End",
    "Ending",
    "Machine",
    "Patience",
    "Phase",
    "accelerator",
    "boot",
    "find_qemu",
    "qemu_version",
]
