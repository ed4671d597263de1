# SPDX-License-Identifier: Apache-2.0
"""Boots real kernels with the agent in plain QEMU, for the tests of the agent alone."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from qualify.agent import Entry, Plan, Record, RecordReader, agent_binary, render, write_newc
from qualify.errors import HarnessError

__all__ = ["boot", "kernel", "need_vm"]


def need_vm() -> None:
    if not os.environ.get("QUALIFY_KERNELS"):
        pytest.skip("QUALIFY_KERNELS names no folder of kernels (docs/kernels.md says how to get some)")
    if not shutil.which("qemu-system-x86_64"):
        pytest.skip("no qemu-system-x86_64 (Debian: qemu-system-x86)")
    try:
        agent_binary()
    except HarnessError as error:
        pytest.skip(str(error))


def kernel(release: str) -> Path:
    path = Path(os.environ["QUALIFY_KERNELS"]) / release / "bzImage"
    if not path.is_file():
        pytest.skip(f"no {path}")
    return path


def boot(
    work: Path, source: Path, plan: Plan, stage: str, *, target: Path | None = None, extra: str = ""
) -> list[list[Record]]:
    """The records of each boot. Asserts that the stream is whole and that the console has no line of the agent's."""
    text = render(plan).encode()
    entries = [Entry("init", 0o755, agent_binary()), Entry("plan", 0o644, text)]
    outer = list(entries)
    if target:
        outer += [Entry("target/bzImage", 0o644, target), Entry("target/initrd", 0o644, write_newc(entries))]
    initrd, console, port = work / "initrd", work / "console", work / "records"
    with initrd.open("wb") as file:
        write_newc(outer, file)
    command = ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-m", "1G", "-smp", "1", "-nodefaults"]
    command += ["-display", "none", "-no-reboot", "-serial", f"file:{console}", "-serial", f"file:{port}"]
    command += ["-kernel", str(source), "-initrd", str(initrd)]
    command += ["-append", f"console=ttyS0 panic=-1 kho=on liveupdate=on {extra} qualify.stage={stage}"]
    reader, records, seen = RecordReader(), list[Record](), 0
    machine = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline and not (records and records[-1].kind == "end"):
            over = machine.poll() is not None
            if port.exists():
                with port.open("rb") as stream:
                    stream.seek(seen)
                    data = stream.read()
                seen += len(data)
                records += reader.feed(data)
            if over:
                break
            time.sleep(0.05)
    finally:
        machine.kill()
        machine.wait()
    reader.close()
    log = console.read_text(errors="replace")
    assert not reader.damage, reader.damage
    assert "Q1 " not in log
    assert records, log[-3000:]
    assert records[-1].kind == "end", log[-3000:]
    starts = [i for i, r in enumerate(records) if r.kind == "hello"] + [len(records)]
    return [records[a:b] for a, b in itertools.pairwise(starts)]
