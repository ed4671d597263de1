# SPDX-License-Identifier: Apache-2.0
"""The simulator as a backend."""

from __future__ import annotations

from pathlib import Path

from qualify.backends.protocol import CellInput
from qualify.machine import Frozen, Kernel, freeze, is_windowed, round_trip, thaw
from qualify.model import Evidence, MachineObservation
from qualify.scenario import KexecMetadata
from qualify.schema import Release, Schema

__all__ = ["SimulatorBackend"]


class SimulatorBackend:
    """Runs a cell in this process. Deterministic: the same input gives the same observation."""

    name = "simulator"
    evidence = Evidence.SIMULATED
    shareable = True

    def __init__(self) -> None:
        self._kernels: dict[tuple[str, tuple[str, ...], int | None], Kernel] = {}
        self._schema: Schema | None = None
        self._frozen: tuple[tuple[str, str, int], Frozen] | None = None

    def inputs(self, cell: CellInput) -> tuple[str, ...]:
        """The source's version, where a scenario looks at what the source writes of it: no fingerprint has it."""
        looked_at = {o.component for o in cell.scenario.objects if isinstance(o, KexecMetadata)}
        return (cell.source.version,) if any(cell.schema.written(cell.source, c) for c in looked_at) else ()

    def run(self, cell: CellInput, workdir: Path) -> MachineObservation:
        """One round trip; writes no files. Cells that follow each other with the same source share its side of it."""
        if cell.schema is not self._schema:
            self._schema, self._frozen = cell.schema, None
            self._kernels.clear()
        scenario = cell.scenario
        target = self._kernel(cell.target, scenario.target.without, scenario.target.page_size)
        source = self._kernel(cell.source)
        if is_windowed(scenario):
            return round_trip(source, target, scenario, cell.seed)
        key = (cell.source.label, scenario.digest, cell.seed)
        if self._frozen is None or self._frozen[0] != key:
            self._frozen = (key, freeze(source, scenario, cell.seed))
        return thaw(self._frozen[1], target, scenario, keep=True)

    def _kernel(self, release: Release, without: tuple[str, ...] = (), page_size: int | None = None) -> Kernel:
        key = (release.label, without, page_size)
        if key not in self._kernels:
            assert self._schema is not None
            self._kernels[key] = Kernel(self._schema, release, without, page_size)
        return self._kernels[key]
