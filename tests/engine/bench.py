# SPDX-License-Identifier: Apache-2.0
"""A backend that boots: it writes files, starts processes, takes its time, and goes wrong where a test says so."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qualify.backends import CellInput, Needs
from qualify.errors import CellTimeoutError, HarnessError
from qualify.machine.child import spawn
from qualify.model import Evidence, Interface, MachineObservation, ObjectObservation, Reply

__all__ = ["Bench"]

SLEEPER = "import time; open('child.log', 'w').write('up'); time.sleep(3600)"


@dataclass
class Bench:
    """`rules`: how boots of a scenario go, ``shared NAME`` or ``alone NAME`` -> what, in their order; the last stays.

    What: '' (as on a good day), wrong (not what is predicted), panic, raise, timeout, hang, die, child (starts one and
    leaves it), child-hang, child-die, short (an answer too few).
    """

    notes: Path
    rules: Mapping[str, Sequence[str]] = field(default_factory=dict)
    misfits: Mapping[str, str] = field(default_factory=dict)  # scenario -> why
    loners: frozenset[str] = frozenset()
    most: int = 99
    cost: Needs = field(default_factory=Needs)
    pause: float = 0.0
    name: str = "bench"
    evidence: Evidence = Evidence.VM
    shareable: bool = False

    def inexpressible(self, cell: CellInput) -> str:
        return self.unfit(cell)

    def unfit(self, cell: CellInput) -> str:
        return self.misfits.get(cell.scenario.id, "")

    def boot_key(self, cell: CellInput) -> str:
        return "" if cell.scenario.id in self.loners else "key"

    def fits(self, cells: Sequence[CellInput], cell: CellInput) -> bool:
        return len(cells) < self.most

    def needs(self, cells: Sequence[CellInput]) -> Needs:
        return self.cost

    def run(self, cell: CellInput, workdir: Path) -> MachineObservation:
        return self._boot([cell], workdir, "alone")[0]

    def run_together(self, cells: Sequence[CellInput], workdir: Path) -> Sequence[MachineObservation]:
        return self._boot(cells, workdir, "shared")

    def _boot(self, cells: Sequence[CellInput], workdir: Path, how: str) -> list[MachineObservation]:
        names = [c.scenario.id for c in cells]
        whats = [self._what(f"{how} {name}") for name in names]
        started = time.time()
        self._note(how=how, names=names, pair=[cells[0].source.label, cells[0].target.label], pid=os.getpid())
        (workdir / "serial.log").write_text(f"{how} {' '.join(names)}")
        time.sleep(self.pause)
        for what in whats:
            self._go_wrong(what, workdir)
        self._note(began=started, ended=time.time())
        seen = [_seen(cell, what) for cell, what in zip(cells, whats, strict=True)]
        return seen[1:] if "short" in whats else seen

    def _go_wrong(self, what: str, workdir: Path) -> None:
        if what.startswith("child"):
            child = spawn([sys.executable, "-c", SLEEPER], cwd=workdir)
            self._note(child=child.pid)
            while not (workdir / "child.log").exists():
                time.sleep(0.01)
        if what == "raise":
            raise HarnessError("the firmware is missing")
        if what == "timeout":
            raise CellTimeoutError("no word from the agent for 20 s")
        if what.endswith("hang"):
            time.sleep(3600)
        if what.endswith("die"):
            os.kill(os.getpid(), 9)

    def _what(self, kind: str) -> str:
        rules = self.rules.get(kind, [""])
        how, name = kind.split()
        before = sum(n.get("how") == how and name in n["names"] for n in self.told)
        return rules[min(before, len(rules) - 1)]

    def _note(self, **what: Any) -> None:
        with self.notes.open("a") as notes:
            notes.write(json.dumps(what) + "\n")

    @property
    def told(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.notes.read_text().splitlines()] if self.notes.exists() else []

    @property
    def boots(self) -> list[str]:
        """``shared one two`` or ``alone one``, in the order in which they began."""
        return [f"{n['how']} {' '.join(n['names'])}" for n in self.told if "how" in n]

    @property
    def children(self) -> list[int]:
        return [n["child"] for n in self.told if "child" in n]


def _seen(cell: CellInput, what: str) -> MachineObservation:
    reply = {"wrong": Reply.AS_COLD, "panic": Reply.CRASHED}.get(what, Reply.GIVEN)
    seen = ObjectObservation("reserve_mem/r", "reserve-mem", Interface.RESERVE_MEM, reply)
    panic = "Kernel panic - not syncing: bench" if what == "panic" else ""
    return MachineObservation((seen,), panic=panic, log=(f"kernel: {cell.scenario.id}",))
