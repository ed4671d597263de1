# SPDX-License-Identifier: Apache-2.0
"""The report as plain data, for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from qualify.model import Status
from qualify.report.cells import CellRow, FileRow
from qualify.report.data import ContradictionGroup, FailureGroup, PairRow, RealKernels, ReportData
from qualify.report.wording import state

__all__ = ["as_dict"]


def as_dict(data: ReportData) -> dict[str, Any]:
    """What the terminal shows, for programs."""
    return {
        "title": data.title,
        "generated": data.generated.isoformat(),
        "tool_version": data.tool_version,
        "schema_digest": data.schema_digest,
        "releases": [asdict(r) for r in data.releases],
        "scenarios": [asdict(s) for s in data.scenarios],
        "totals": asdict(data.totals)
        | {
            "verdicts": {v.value: n for v, n in data.totals.verdicts},
            "worst": [{"verdict": v.value, "same_as_itself": own, "pairs": n} for v, own, n in data.totals.worst],
        },
        "real_kernels": _real(data.real),
        "failures": [_failure(f) for f in data.failures],
        "disagreements": [asdict(d) for d in data.disagreements],
        "findings": [
            asdict(f)
            | {
                "advice": [{"rule": rule, "advice": advice} for rule, advice in f.advice],
                "verdicts": {v.value: n for v, n in f.verdicts},
            }
            for f in data.findings
        ],
        "pairs": [_pair(p) for p in data.pairs],
    }


def _real(real: RealKernels) -> dict[str, Any]:
    counts = ("cells", "failed", "missing", "compared", "agreeing", "modelled", "alike")
    return {name: getattr(real, name) for name in counts} | {
        "disagreements": [_contradiction(g) for g in real.groups],
    }


def _contradiction(group: ContradictionGroup) -> dict[str, Any]:
    return {
        "scenario": group.scenario,
        "backend": group.backend,
        "evidence": group.evidence.value,
        "predicted": [v.value for v in group.predicted],
        "agrees": group.agrees,
        "simulated": None if group.simulated is None else group.simulated.value,
        "observed": group.observed.value,
        "differences": [asdict(d) for d in group.differences],
        "pairs": [[c.source, c.target] for c in group.cells],
    }


def _failure(group: FailureGroup) -> dict[str, Any]:
    cells = [
        {"source": c.source, "target": c.target, "scenario": c.scenario, "backend": c.backend} for c in group.cells
    ]
    return {"status": group.status.value, "detail": group.detail, "cells": cells}


def _pair(pair: PairRow) -> dict[str, Any]:
    return {
        "source": pair.source,
        "target": pair.target,
        "direction": pair.direction.value,
        "baseline": None if pair.baseline is None else state(pair.baseline).value,
        "verdict": None if pair.verdict is None else pair.verdict.value,
        "worst": _named(pair.worst_cell),
        "worst_beyond_same": _named(pair.added_cell),
        "evidence": None if pair.evidence is None else pair.evidence.value,
        "oldest": None if pair.oldest is None else pair.oldest.isoformat(),
        "consequences": [c.value for c in pair.consequences],
        "disagreements": pair.disagreements,
        "differing_from_simulator": pair.differing,
        "stale": pair.stale,
        "missing": pair.count(Status.MISSING),
        "errors": pair.count(Status.ERROR) + pair.count(Status.TIMEOUT),
        "cells": [_cell(c) for c in pair.cells],
    }


def _named(cell: CellRow | None) -> dict[str, Any] | None:
    """A cell of the usual scenarios by name."""
    if cell is None:
        return None
    return {"scenario": cell.scenario, "verdict": state(cell).value, "same_as_itself": cell.same_as_itself}


def _cell(cell: CellRow) -> dict[str, Any]:
    return {
        "scenario": cell.scenario,
        "backend": cell.backend,
        "status": cell.status.value,
        "verdict": None if cell.verdict is None else cell.verdict.value,
        "evidence": None if cell.evidence is None else cell.evidence.value,
        "consequences": [c.value for c in cell.consequences],
        "predicted": [v.value for v in cell.predicted_verdicts],
        "agrees": cell.agrees,
        "unstable": cell.unstable,
        "shared": cell.shared,
        "stale": cell.stale,
        "created": None if cell.created is None else cell.created.isoformat(),
        "same_verdict": None if cell.same_verdict is None else cell.same_verdict.value,
        "detail": cell.detail,
        "planned": cell.planned,
        "simulated": None if cell.simulated is None else cell.simulated.value,
        "differences": [asdict(d) for d in cell.differences],
        "artefacts": _files(cell.files),
        "repeats": [
            {
                "status": r.status.value,
                "verdict": None if r.verdict is None else r.verdict.value,
                "measured": r.measured.isoformat(),
                "machine": r.machine,
                "detail": r.detail,
                "artefacts": _files(r.files),
            }
            for r in cell.repeats
        ],
    }


def _files(files: tuple[FileRow, ...]) -> list[dict[str, Any]]:
    return [asdict(f) for f in files]
