# SPDX-License-Identifier: Apache-2.0
"""Runs of real kernels in which something goes wrong: `qualify` in a process of its own, in a folder of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

from qualify.agent import agent_binary
from qualify.errors import HarnessError
from qualify.kernels import find_kernels
from qualify.machine.vm import find_qemu
from qualify.model import Status
from qualify.store import load_artefacts, load_latest, load_logs, open_store
from qualify.store.reader import StoredResult, load_cells

__all__ = ["KERNEL", "OTHER", "PATIENCE", "ROOT", "Lab", "Outcome", "missing", "not_measured"]

ROOT = Path(__file__).parents[2]
KERNEL, OTHER = "7.1.13", "6.19.11"  # what most faults are injected into
_USUAL = ("reserve-mem-page",)
PATIENCE = 240.0  # seconds for what a test waits for; a boot takes 5 to 30

MATRIX = {"name": "faults", "title": "Faults", "directions": ["upgrade", "rollback", "same"], "backends": ["qemu"]}


@cache
def missing() -> str:
    """Why no kernel can be booted here, ''."""
    named = os.environ.get("QUALIFY_KERNELS")
    if not named:
        return "QUALIFY_KERNELS names no folder of real kernels (see CONTRIBUTING.md)"
    try:
        find_qemu()
        agent_binary()
        there = {k.label for k in find_kernels().kernels}
    except HarnessError as error:
        return str(error)
    lacking = {KERNEL, OTHER} - there
    return f"QUALIFY_KERNELS={named} has no {' and no '.join(sorted(lacking))}" if lacking else ""


@dataclass(frozen=True)
class Outcome:
    """How a command ended and what stands in its database."""

    status: int
    stdout: str
    stderr: str
    rows: Mapping[str, StoredResult]  # by scenario
    files: Mapping[str, frozenset[str]]  # names of artefacts by scenario
    log: Mapping[str, str]

    @property
    def row(self) -> StoredResult:
        (row,) = self.rows.values()
        return row


class Lab:
    """A folder with kernels of its own before the given ones, a matrix and a database."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kernels = folder / "kernels"
        self.temporary = folder / "tmp"
        self.db = folder / "faults.sqlite"
        self.environment = {
            **os.environ,
            "QUALIFY_KERNELS": f"{self.kernels}{os.pathsep}{os.environ.get('QUALIFY_KERNELS', '')}",
            "TMPDIR": str(self.temporary),
            "PYTHONPATH": str(ROOT),
            "XDG_DATA_HOME": str(folder / "data"),
        }
        for name in (self.kernels, self.temporary):
            name.mkdir()

    def kernel(self, label: str, release: str = "", of: str = KERNEL, **described: str) -> Path:
        """A real kernel again, described otherwise; its folder."""
        original = find_kernels().named(of)
        made = self.kernels / label
        made.mkdir()
        (made / "bzImage").symlink_to(original.image.resolve())
        (made / "kernel.yaml").write_text(json.dumps({"release": release or label, **described}))
        return made

    def place(self, label: str, image: Path) -> Path:
        """An image that is used for a release; its folder."""
        made = self.kernels / label
        made.mkdir()
        (made / "bzImage").symlink_to(image.resolve())
        return made

    def qualify(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Any command, to its end."""
        command = [sys.executable, "-m", "qualify", *words]
        return subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )

    def matrix(self, source: str = KERNEL, target: str = KERNEL, scenarios: tuple[str, ...] = _USUAL) -> None:
        """One pair. Of `reserve-mem-page` every release hands over and takes what is asked for."""
        pair = {"source": source, "target": target}
        told = {"releases": sorted({source, target}), "pairs": [pair], "scenarios": [*scenarios]}
        (self.folder / "faults.yaml").write_text(json.dumps({**MATRIX, **told}))

    def command(self, *more: str) -> list[str]:
        usual = ("run", "faults.yaml", "--backend", "qemu", "--db", str(self.db), "--report", "out.html")
        return [sys.executable, "-m", "qualify", *usual, *more]

    def popen(self, command: list[str]) -> subprocess.Popen[str]:
        """Any command, under way."""
        pipe = subprocess.PIPE
        return subprocess.Popen(command, cwd=self.folder, env=self.environment, stdout=pipe, stderr=pipe, text=True)

    def start(self, *more: str, retries: int = 0) -> subprocess.Popen[str]:
        """`qualify run` of the matrix, under way."""
        return self.popen(self.command("--retries", str(retries), *more))

    def run(self, *more: str, retries: int = 0) -> Outcome:
        """`qualify run` of the matrix to its end."""
        return self.ended(self.start(*more, retries=retries))

    def ended(self, process: subprocess.Popen[str]) -> Outcome:
        stdout, stderr = process.communicate(timeout=PATIENCE * 3)
        return self.outcome(process.returncode, stdout, stderr)

    def outcome(self, status: int = 0, stdout: str = "", stderr: str = "") -> Outcome:
        if not self.db.exists():
            return Outcome(status, stdout, stderr, {}, {}, {})
        with open_store(str(self.db), create=False, reading=True) as store, store.session() as session:
            latest = list(load_latest(session, load_cells(session)).values())
            files = load_artefacts(session, [r.result_id for r in latest])
            logs = load_logs(session, [r.log_id for r in latest if r.log_id is not None])
        return Outcome(
            status,
            stdout,
            stderr,
            {r.cell.scenario: r for r in latest},
            {r.cell.scenario: frozenset(f.name for f in files.get(r.result_id, ())) for r in latest},
            {r.cell.scenario: "\n".join(logs.get(r.log_id or -1, ())) for r in latest},
        )

    def machines(self, process: subprocess.Popen[str]) -> list[psutil.Process]:
        """The QEMU processes of a run. They are in sessions of their own, and still the children of its workers."""
        try:
            below = psutil.Process(process.pid).children(recursive=True)
            return [p for p in below if p.name().startswith("qemu") and "-kernel" in p.cmdline()]
        except psutil.Error:
            return []

    def await_machine(self, process: subprocess.Popen[str], says: str = "Linux version ") -> psutil.Process:
        """Once a machine of this run has written this on its serial console."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            assert process.poll() is None, process.communicate()
            logs = [p.read_text(errors="replace") for p in self.temporary.rglob("serial.log")]
            machines = self.machines(process)
            if machines and any(says in log for log in logs):
                return machines[0]
            time.sleep(0.02)
        raise AssertionError(f"no machine came as far as {says!r}")

    def left(self) -> list[str]:
        """What runs left behind: temporary files, and processes that use this folder."""
        found = [str(p.relative_to(self.folder)) for p in self.temporary.iterdir()]
        for process in psutil.process_iter(["cmdline", "name"]):
            words = " ".join(process.info["cmdline"] or ())
            if str(self.folder) in words and "qemu" in (process.info["name"] or "") and process.is_running():
                found.append(words)
        return found


def not_measured(lab: Lab, outcome: Outcome, status: Status, *words: str) -> None:
    """It ended with 4, as this state, in these words, and nothing is left."""
    row = outcome.row
    assert (outcome.status, row.status, row.verdict) == (4, status, None), (outcome.stderr, row)
    for word in words:
        assert word in row.detail, row.detail
    assert "\n" not in row.detail, "one line in a table"
    cell = f"{row.cell.source} → {row.cell.target}, {row.cell.scenario} on qemu"
    assert f"not measured: {cell}" in outcome.stdout.splitlines()
    assert lab.left() == []
