# SPDX-License-Identifier: Apache-2.0
"""A QEMU that was stopped says nothing, as a guest that hangs."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import psutil
import pytest

from qualify.kernels import find_kernels
from qualify.machine.vm import End, Machine, boot
from qualify.machine.vm.watch import Patience
from qualify.schema import load
from tests.cli.faults import KERNEL, missing

pytestmark = [pytest.mark.vm, pytest.mark.skipif(bool(missing()), reason=missing() or "-")]


def stop(log: Path) -> None:
    """Once it has begun to write."""
    while not log.exists() or not log.stat().st_size:
        time.sleep(0.02)
    for child in psutil.Process().children():
        child.suspend()


def test_a_stopped_qemu_is_no_hang(tmp_path: Path) -> None:
    initrd = tmp_path / "initrd"
    initrd.write_bytes(bytes(512))
    machine = Machine(find_kernels().named(KERNEL).image, initrd, "console=ttyS0", 512 << 20)
    threading.Thread(target=stop, args=(tmp_path / "serial.log",), daemon=True).start()
    ending = boot(machine, load().messages, tmp_path, patience=Patience(boot=8)).ending
    assert ending.end is End.QEMU_DIED
    assert "QEMU itself answered nothing" in ending.detail
