# SPDX-License-Identifier: Apache-2.0
"""Real kernels on a terminal: what was predicted beside what was observed per pair, and every contradiction."""

from __future__ import annotations

from collections.abc import Iterator

from tabulate import tabulate

from qualify.model import Status, Verdict, worst
from qualify.report.cells import CellRow, serial_log
from qualify.report.data import ContradictionGroup, PairRow, RealKernels, ReportData
from qualify.report.wording import plural

__all__ = ["against_kernels", "failed", "real_table"]

_SHOWN = 4
"""Cells of a failure or contradiction that are named one by one."""


def against_kernels(data: ReportData) -> str:
    """Where model and kernel disagree, or why nothing stands here."""
    real = data.real
    if not real.groups:
        return f"Model and kernel disagree: {_nowhere(real)}"
    count = plural(sum(len(g.cells) for g in real.groups), "cell")
    lines = [f"MODEL AND KERNEL DISAGREE in {count} ({_agreement(real)})"]
    return "\n".join([*lines, *(f"  {_contradiction(g)}" for g in real.groups)])


def real_table(data: ReportData) -> str:
    """One row per pair that met real kernels; '' where none did."""
    rows = [row for p in data.pairs if (row := _row(p)) is not None]
    if not rows:
        return ""
    heads = ("source", "target", "evidence", "cells", "predicted", "observed", "agree", "simulator", "no verdict")
    table = tabulate(rows, heads, tablefmt="simple", disable_numparse=True)
    text = "\n".join(line.rstrip() for line in table.splitlines())
    return f"real kernels: worst predicted beside worst observed, per pair\n{text}\ntotal: {_agreement(data.real)}"


def failed(data: ReportData) -> str:
    """Cells without a verdict with their message and their log; '' where there is none."""
    if not data.failures:
        return ""
    lines = ["Not measured; says nothing about the kernels:"]
    for f in data.failures:
        lines.append(f"  {plural(len(f.cells), 'cell')}: {f.status}: {f.detail}")
        lines += [f"    {_named(c)}" for c in f.cells[:_SHOWN]]
        if len(f.cells) > _SHOWN:
            lines.append(f"    and {len(f.cells) - _SHOWN} more")
    return "\n".join(lines)


def _nowhere(real: RealKernels) -> str:
    if real.cells:
        return f"nowhere ({_agreement(real)})"
    if real.failed or real.missing:
        return f"unknown: no cell on a real kernel gave a verdict ({real.failed} failed, {real.missing} not run)"
    return "unknown: no cell was run on a real kernel; 'qualify run real --backend qemu' does that"


def _agreement(real: RealKernels) -> str:
    return (
        f"{real.agreeing}/{real.compared} cells on real kernels agree with the prediction, "
        f"{real.alike}/{real.modelled} with the simulator"
    )


def _contradiction(g: ContradictionGroup) -> str:
    predicted = " or ".join(g.predicted) or "nothing"
    objects = [d for d in g.differences if d.object_id]
    named = ", ".join(
        f"{d.object_id} {d.simulated or 'absent'} there, {d.observed or 'absent'} here" for d in objects[:_SHOWN]
    )
    more = f" and {len(objects) - _SHOWN} more" if len(objects) > _SHOWN else ""
    pairs = ", ".join(f"{c.source} → {c.target}" for c in g.cells[:_SHOWN])
    others = f" and {len(g.cells) - _SHOWN} more" if len(g.cells) > _SHOWN else ""
    why = f"; the simulator differs{': ' if named else ''}{named}{more}" if g.differences else ""
    return (
        f"{pairs}{others}: {g.scenario} ({g.backend}): predicted {predicted}, "
        f"simulated {g.simulated or 'nothing'}, {g.evidence} {g.observed}{why}"
    )


def _row(pair: PairRow) -> tuple[str, ...] | None:
    real = [c for c in pair.planned if c.real]
    if not real:
        return None
    measured = [c for c in real if c.verdict is not None]
    observed = [c.verdict for c in measured if c.verdict is not None]
    predicted = [w for c in measured if (w := _worst(c.predicted_verdicts)) is not None]
    compared = [c for c in measured if c.agrees is not None]
    modelled = [c for c in measured if c.simulated is not None]
    blank = [c for c in real if c.verdict is None]
    return (
        pair.source,
        pair.target,
        ", ".join(dict.fromkeys(c.evidence.value for c in measured if c.evidence)) or "none",
        str(len(real)),
        (_worst(predicted) or "-"),
        (_worst(observed) or "-"),
        f"{sum(c.agrees is True for c in compared)}/{len(compared)}",
        f"{sum(not c.differences for c in modelled)}/{len(modelled)}",
        ", ".join(_counted(blank)),
    )


def _worst(verdicts: list[Verdict] | tuple[Verdict, ...]) -> Verdict | None:
    return worst(verdicts) if verdicts else None


def _counted(blank: list[CellRow]) -> Iterator[str]:
    for status in (Status.ERROR, Status.TIMEOUT, Status.MISSING):
        if count := sum(c.status is status for c in blank):
            yield f"{count} {status}"


def _named(cell: CellRow) -> str:
    log = serial_log(cell.files)
    where = f"; its log: qualify db artefact {log.sha256[:16]}" if log else ""
    return f"{cell.source} → {cell.target} {cell.scenario} ({cell.backend}){where}"
