# SPDX-License-Identifier: Apache-2.0
"""Model against kernel: what the simulator says of a cell beside what a real kernel did, object by object."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from qualify.model import Evidence, Status, Verdict
from qualify.report.cells import CellRow, ObjectDifference
from qualify.report.data import ContradictionGroup, FailureGroup, RealKernels

__all__ = ["failures", "real_kernels", "with_simulated"]


def with_simulated(rows: Sequence[CellRow]) -> list[CellRow]:
    """Put the simulator's verdict and where it differs beside every cell of a real kernel."""
    kinds = {c.backend: c.kind or c.evidence for c in rows if c.kind or c.evidence}
    simulated = {
        (c.source, c.target, c.scenario): c for c in rows if c.evidence is Evidence.SIMULATED and c.verdict is not None
    }
    return [_beside(c, simulated, kinds.get(c.backend)) for c in rows]


def _beside(cell: CellRow, simulated: dict[tuple[str, str, str], CellRow], kind: Evidence | None) -> CellRow:
    if cell.status is Status.MISSING and cell.kind is None:
        cell = replace(cell, kind=kind)
    model = simulated.get((cell.source, cell.target, cell.scenario)) if cell.real else None
    if model is None or cell.verdict is None:
        return cell
    return replace(cell, simulated=model.verdict, differences=_differences(model, cell))


def _differences(model: CellRow, kernel: CellRow) -> tuple[ObjectDifference, ...]:
    mine = {o.object_id: o for o in model.objects}
    theirs = {o.object_id: o for o in kernel.objects}
    found = []
    for object_id, some in (mine | theirs).items():
        one, other = mine.get(object_id), theirs.get(object_id)
        verdicts = one.verdict if one else None, other.verdict if other else None
        if verdicts[0] is not verdicts[1]:
            found.append(ObjectDifference(object_id, some.component, *verdicts))
    if not found and model.verdict is not kernel.verdict:
        found.append(ObjectDifference("", "", model.verdict, kernel.verdict))
    return tuple(found)


def real_kernels(rows: Iterable[CellRow]) -> RealKernels:
    """Counts and contradictions over the planned cells of real kernels."""
    real = [c for c in rows if c.real and c.planned]
    measured = [c for c in real if c.verdict is not None]
    compared = [c for c in measured if c.agrees is not None]
    modelled = [c for c in measured if c.simulated is not None]
    return RealKernels(
        cells=len(measured),
        failed=sum(c.status in (Status.ERROR, Status.TIMEOUT) for c in real),
        missing=sum(c.status is Status.MISSING for c in real),
        compared=len(compared),
        agreeing=sum(c.agrees is True for c in compared),
        modelled=len(modelled),
        alike=sum(not c.differences for c in modelled),
        groups=_grouped(c for c in measured if c.contradicts),
    )


_Key = tuple[
    str, str, Evidence, tuple[Verdict, ...], bool | None, Verdict | None, Verdict, tuple[ObjectDifference, ...]
]


def _grouped(cells: Iterable[CellRow]) -> tuple[ContradictionGroup, ...]:
    grouped: dict[_Key, list[CellRow]] = {}
    for c in cells:
        if c.verdict is None or c.evidence is None:
            continue
        key = (
            c.scenario,
            c.backend,
            c.evidence,
            c.predicted_verdicts,
            c.agrees,
            c.simulated,
            c.verdict,
            c.differences,
        )
        grouped.setdefault(key, []).append(c)
    groups = [ContradictionGroup(*key, tuple(found)) for key, found in grouped.items()]
    return tuple(sorted(groups, key=lambda g: (-g.observed.severity, -len(g.cells), g.scenario)))


def failures(rows: Iterable[CellRow]) -> tuple[FailureGroup, ...]:
    """ERROR and TIMEOUT by status and message, the most frequent first."""
    grouped: dict[tuple[Status, str], list[CellRow]] = {}
    for c in rows:
        if c.planned and c.status in (Status.ERROR, Status.TIMEOUT):
            grouped.setdefault((c.status, c.detail), []).append(c)
    groups = [FailureGroup(*key, tuple(found)) for key, found in grouped.items()]
    return tuple(sorted(groups, key=lambda g: -len(g.cells)))
