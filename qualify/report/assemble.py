# SPDX-License-Identifier: Apache-2.0
"""Cell rows to ReportData: squares, totals, and findings grouped so that one cause is one line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from qualify.compat import Comparison
from qualify.model import Direction, Finding, Status, Verdict, is_vague
from qualify.report.data import (
    BASELINE,
    UNUSUAL_TAGS,
    CellRow,
    DisagreementGroup,
    FindingGroup,
    PairRow,
    ReleaseRow,
    ReportData,
    ScenarioRow,
    Totals,
)
from qualify.report.filetext import FileText
from qualify.report.impact import with_impact
from qualify.report.real import failures, real_kernels, with_simulated
from qualify.schema.sidebyside import Part

__all__ = ["SHOWN_FINDINGS", "assemble"]

SHOWN_FINDINGS = (Finding.FALSE_ACCEPT, Finding.OVER_STRICT_REFUSAL, Finding.TRUE_REFUSAL, Finding.NO_READER)
"""In the order of the report: a false accept hurts most, an over-strict refusal can be mended."""

_FAILURES = 5
"""Kinds of failure that are spelt out; one mistake in the harness usually breaks many cells alike."""

Pair = tuple[str, str]


def assemble(
    *,
    title: str,
    generated: datetime,
    tool_version: str,
    schema_digest: str,
    releases: Sequence[ReleaseRow],
    scenarios: Sequence[ScenarioRow],
    directions: Mapping[Pair, Direction],
    cells: Iterable[CellRow],
    comparisons: Mapping[Pair, Sequence[Comparison]],
    layouts: Mapping[Comparison, tuple[Part, ...]] | None = None,
    texts: Mapping[str, FileText] | None = None,
    artefact_folder: str = "",
) -> ReportData:
    """Everything a report shows. `cells` holds every planned cell, those never run with status MISSING.

    What is not `planned` stands beside the planned cell of its pair and scenario, and counts nowhere.
    """
    rows = with_simulated(_with_same(list(cells)))
    planned_rows = [row for row in rows if row.planned]
    order = {s.id: (s.id != BASELINE, n) for n, s in enumerate(scenarios)}
    by_pair: dict[Pair, list[CellRow]] = {}
    for row in rows:
        by_pair.setdefault((row.source, row.target), []).append(row)
    labels = [r.label for r in releases]
    unusual = frozenset(s.id for s in scenarios if UNUSUAL_TAGS & {*s.tags})
    pairs = tuple(
        PairRow(
            source,
            target,
            directions.get((source, target), Direction.SAME),
            tuple(
                sorted(
                    sorted(by_pair[source, target], key=lambda c: (c.planned, *c.standing), reverse=True),
                    key=lambda c: order.get(c.scenario, (True, len(order))),
                )
            ),
            unusual,
        )
        for source in labels
        for target in labels
        if (source, target) in by_pair
    )
    planned = {(p.source, p.target): comparisons.get((p.source, p.target), ()) for p in pairs}
    return ReportData(
        title=title,
        generated=generated,
        tool_version=tool_version,
        schema_digest=schema_digest,
        releases=tuple(releases),
        scenarios=tuple(sorted(scenarios, key=lambda s: s.id != BASELINE)),
        pairs=pairs,
        findings=with_impact(_findings(planned, layouts or {}), pairs),
        disagreements=_disagreements(planned_rows),
        totals=_totals(planned_rows, pairs),
        real=real_kernels(rows),
        failures=failures(rows),
        texts=texts or {},
        artefact_folder=artefact_folder,
    )


def _with_same(rows: list[CellRow]) -> list[CellRow]:
    """Put the source -> source verdict beside every cell: what the scenario gives without any change of kernel."""
    same = {(c.source, c.scenario, c.backend): c.verdict for c in rows if c.source == c.target}
    return [replace(c, same_verdict=same.get((c.source, c.scenario, c.backend), c.same_verdict)) for c in rows]


def _findings(
    comparisons: Mapping[Pair, Sequence[Comparison]], layouts: Mapping[Comparison, tuple[Part, ...]]
) -> tuple[FindingGroup, ...]:
    grouped: dict[Comparison, list[Pair]] = {}
    for pair, found in comparisons.items():
        for comparison in found:
            if comparison.finding in SHOWN_FINDINGS:
                grouped.setdefault(comparison, []).append(pair)
    groups = [
        FindingGroup(
            finding=c.finding,
            rule=c.rule,
            component=c.component,
            source_format=c.source_format or "",
            target_formats=c.target_formats,
            differences=c.differences,
            what_happens=c.what_happens,
            advice=((c.rule, c.advice),) if c.advice else (),
            pairs=tuple(pairs),
            reached=c.reached,
            layout=layouts.get(c, ()),
        )
        for c, pairs in grouped.items()
    ]
    return tuple(sorted(groups, key=lambda g: (SHOWN_FINDINGS.index(g.finding), -len(g.pairs), g.component)))


def _disagreements(rows: Iterable[CellRow]) -> tuple[DisagreementGroup, ...]:
    grouped: dict[tuple[str, str, tuple[Verdict, ...], Verdict, bool], list[Pair]] = {}
    for row in rows:
        if row.agrees is False and row.verdict is not None:
            key = (row.scenario, row.backend, row.predicted_verdicts, row.verdict, row.real)
            grouped.setdefault(key, []).append((row.source, row.target))
    groups = [DisagreementGroup(*key[:4], tuple(pairs), key[4]) for key, pairs in grouped.items()]
    return tuple(sorted(groups, key=lambda g: (-g.observed.severity, -len(g.pairs), g.scenario)))


def _totals(rows: Sequence[CellRow], pairs: Sequence[PairRow]) -> Totals:
    status = Counter(row.status for row in rows)
    heads = Counter(p.headline.verdict for p in pairs if p.headline is not None and p.headline.verdict is not None)
    deepest = Counter((w.verdict, w.excused) for p in pairs if (w := p.worst_cell) is not None and w.verdict)
    broken = Counter(f"{r.status}: {r.detail}" for r in rows if r.status in (Status.ERROR, Status.TIMEOUT))
    return Totals(
        cells=len(rows),
        done=status[Status.DONE],
        missing=status[Status.MISSING],
        errors=status[Status.ERROR],
        timeouts=status[Status.TIMEOUT],
        shared=sum(row.shared for row in rows),
        unstable=sum(row.unstable for row in rows),
        compared=sum(row.agrees is not None for row in rows),
        disagreements=sum(row.agrees is False for row in rows),
        vague=sum(is_vague(row.predicted_verdicts) for row in rows),
        stale=sum(row.stale for row in rows),
        verdicts=tuple((verdict, heads[verdict]) for verdict in Verdict if heads[verdict]),
        worst=tuple((v, own, deepest[v, own]) for v in Verdict for own in (True, False) if deepest[v, own]),
        failures=tuple(broken.most_common(_FAILURES)),
    )
