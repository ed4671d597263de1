# SPDX-License-Identifier: Apache-2.0
"""What a whole boot says when everything is well, to be changed in one place by each test, and judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from qualify.agent import Record
from qualify.backends import CellInput
from qualify.backends.qemu.answers import Answers
from qualify.backends.qemu.log import KernelLog
from qualify.backends.qemu.observe import Seen, observe
from qualify.backends.qemu.projection import Asked, project
from qualify.judge import judge
from qualify.machine.vm.console import Line
from qualify.model import Evidence, ObjectOutcome, Outcome, Verdict
from qualify.scenario import Scenario
from qualify.schema import load

__all__ = ["SCHEMA", "Said", "cell", "of", "verdicts"]

SCHEMA = load()
Edit = Callable[["Said"], None]


def cell(scenario: Scenario, source: str = "7.1.13", target: str = "7.1.13") -> CellInput:
    return CellInput(SCHEMA, SCHEMA.release(source), SCHEMA.release(target), scenario, 1)


@dataclass
class Said:
    """Records of both stages as (kind, fields), and the lines of both kernels."""

    cells: Sequence[CellInput]
    death: str = ""
    asked: Asked = field(init=False)
    source: list[tuple[str, dict[str, Any]]] = field(init=False)
    target: list[tuple[str, dict[str, Any]]] = field(init=False)
    source_log: list[str] = field(default_factory=list)
    target_log: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.asked = asked = project(self.cells)
        good = {"errno": ""}
        self.source = [("hello", {"stage": "source", "release": "7.1.13"}), ("system", {"kho": True}), ("open", good)]
        self.target = [("hello", {"stage": "target", "release": "7.1.13"}), ("system", {"kho": True, "in": []})]
        for session in asked.plan.sessions:
            self.source.append(("create-session", {"id": session.id, "errno": ""}))
        for file in asked.plan.files:
            key = {"session": file.session, "token": f"{file.token:#x}", "errno": ""}
            state = {"size": file.size, "position": file.position, "seals": file.seals}
            self.source.append(("preserve", {**key, **state, "made": "", "step": ""}))
        for region in asked.plan.regions:
            name = {"id": region.id, "name": region.name, "errno": ""}
            self.source.append(("source-region", {**name, "found": True, "address": "0x1000", "written": True}))
            came = {"in": True, "in_address": "0x1000", "in_size": region.size, "out": True, "readable": True}
            self.target.append(("target-region", {**name, **came, "expected": "aa", "seen": "aa"}))
            self.target_log.append(f"Revived memory reservation '{region.name}' from KHO")
        self.source += [("blob", {"name": f"out/sub_fdts/{n}"}) for n in ("kexec-metadata", "kho_test")]
        self.source += [("load", good), ("jump", {})]
        self.target.append(("open", good))
        for session in asked.plan.sessions:
            self.target.append(("retrieve-session", {"id": session.id, "errno": "", "named": session.name}))
        for file in asked.plan.files:
            key = {"session": file.session, "token": f"{file.token:#x}", "errno": ""}
            state = {"size": file.size, "position": file.position, "seals": file.seals, "cloexec": False}
            self.target.append(("retrieve", {**key, **state, "holes": "none", "expected": "bb", "seen": "bb"}))
        self.target.append(("end", {}))

    def change(self, kind: str, **fields: Any) -> None:
        """The first record of a kind says something else. Those with `at` first: change("open", at=1, ...)."""
        at = fields.pop("at", 0)
        side = self.source if kind in {k for k, _ in self.source} and kind != "open" else self.target
        places = [n for n, (k, _) in enumerate(side) if k == kind]
        side[places[at]] = kind, {**side[places[at]][1], **fields}

    def drop(self, *kinds: str) -> None:
        """The target says nothing of these kinds."""
        self.target = [r for r in self.target if r[0] not in kinds]

    def outcomes(self) -> list[Outcome]:
        records = [Record(n, k, 0.0, f) for n, (k, f) in enumerate([*self.source, *self.target])]
        lines = [Line(text, 1.0, boot) for boot, log in enumerate((self.source_log, self.target_log)) for text in log]
        logs = [KernelLog.of_boot(lines, n, SCHEMA.messages) for n in (0, 1)]
        seen = Seen(Answers.of(records), logs[0], logs[1], self.death, {"blackout": 1.0})
        return [judge(o, Evidence.VM) for o in observe(self.cells, self.asked, seen)]


def of(outcome: Outcome, object_id: str) -> ObjectOutcome:
    return next(o for o in outcome.objects if o.object_id == object_id)


def verdicts(outcome: Outcome) -> list[Verdict]:
    return [o.verdict for o in outcome.objects]
