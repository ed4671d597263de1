# SPDX-License-Identifier: Apache-2.0
"""What every backend is: something that runs one cell and reports what it saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from qualify.model import Evidence, MachineObservation
from qualify.scenario import Scenario
from qualify.schema import Release, Schema

__all__ = ["Backend", "BootingBackend", "CellInput", "Needs"]


@dataclass(frozen=True)
class CellInput:
    """Everything that may decide what a cell gives."""

    schema: Schema
    source: Release
    target: Release
    scenario: Scenario
    seed: int


@runtime_checkable
class Backend(Protocol):
    """Runs cells, one at a time per process. An exception means that the harness broke, never that a kernel did.

    Cells are run again, and do not share a run, when their input differs: fingerprints, scenario, seed and what of ours
    decides. A backend whose observations show anything else of a cell, such as the version that a source writes down,
    says so by a method ``inputs(cell: CellInput) -> tuple[str, ...]``. One from another package may also have a
    `version`; changes to the backends in here are noticed without.
    """

    @property
    def name(self) -> str:
        """The name of its entry point."""

    @property
    def evidence(self) -> Evidence:
        """How strong its observations are."""

    @property
    def shareable(self) -> bool:
        """Whether cells with equal input (fingerprints, scenario, seed) may share one run."""

    def run(self, cell: CellInput, workdir: Path) -> MachineObservation:
        """Run one cell. Files left in `workdir`, which is empty at first, are kept as artefacts."""


@dataclass(frozen=True)
class Needs:
    """What one boot takes from the machine it runs on. `memory` in bytes."""

    cores: int = 1
    memory: int = 0


@runtime_checkable
class BootingBackend(Backend, Protocol):
    """A backend that boots machines: it cannot do every cell, a boot costs seconds, and several cells may share one."""

    def inexpressible(self, cell: CellInput) -> str:
        """Why no machine of this kind can ever be asked this ('' when one can). Looks at nothing but the cell."""

    def unfit(self, cell: CellInput) -> str:
        """Why this backend cannot run the cell here and now ('' when it can): such cells are left out of a plan."""

    def boot_key(self, cell: CellInput) -> str:
        """Cells with equal keys can be asked of one boot; '' when the cell wants a boot of its own."""

    def fits(self, cells: Sequence[CellInput], cell: CellInput) -> bool:
        """Whether `cell` still fits into a boot together with `cells`, all of one key."""

    def needs(self, cells: Sequence[CellInput]) -> Needs:
        """What a boot of these cells takes."""

    def run_together(self, cells: Sequence[CellInput], workdir: Path) -> Sequence[MachineObservation]:
        """One boot for all of them; observations in their order. Files in `workdir` are kept for each.

        CellTimeoutError: no answer in time, and no control run says that it is the handover's doing. HarnessError: the
        harness broke. `run` does the same for one cell.
        """
