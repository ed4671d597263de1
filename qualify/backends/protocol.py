# SPDX-License-Identifier: Apache-2.0
"""What every backend is: something that runs one cell and reports what it saw."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from qualify.model import Evidence, MachineObservation
from qualify.scenario import Scenario
from qualify.schema import Release, Schema

__all__ = ["Backend", "CellInput"]


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
