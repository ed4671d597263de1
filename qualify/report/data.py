# SPDX-License-Identifier: Apache-2.0
"""What every report shows: plain frozen rows. A renderer takes a ReportData and returns text, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from qualify.model import Consequence, Direction, Evidence, Finding, Status, Verdict, worst
from qualify.report.cells import CellRow, FileRow, ObjectDifference, ObjectRow, RepeatRow
from qualify.report.filetext import FileText
from qualify.schema.sidebyside import Part

__all__ = [
    "BASELINE",
    "UNUSUAL_TAGS",
    "CellRow",
    "ContradictionGroup",
    "DisagreementGroup",
    "FailureGroup",
    "FileRow",
    "FindingGroup",
    "ObjectDifference",
    "ObjectRow",
    "PairRow",
    "RealKernels",
    "ReleaseRow",
    "RepeatRow",
    "ReportData",
    "ScenarioRow",
    "Totals",
]

BASELINE = "baseline"
"""The scenario that a pair is known by; see DESIGN, `check` without --scenario."""

# tags of scenarios that say nothing of the pair itself: somebody makes a mistake, or configures the target otherwise
UNUSUAL_TAGS = frozenset({"operator"})


@dataclass(frozen=True, slots=True)
class ReleaseRow:
    """One row and one column of the grid."""

    label: str
    version: str = ""
    aliases: tuple[str, ...] = ()
    arch: str = ""
    page_size: int = 0
    config: tuple[str, ...] = ()
    provenance: str = ""
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class ScenarioRow:
    """What was preserved."""

    id: str
    title: str = ""
    purpose: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FindingGroup:
    """One difference between what releases write and read, with every pair that it concerns.

    Not `reached`: the target refuses the whole handover before it gets there. Shown with the pair, not on top.
    `verdicts`: what becomes of the cells that it is blamed for, worst first, and of how many. `advice`: (rule, what to
    do) of the faults that those cells name; the finding's general advice where none does. `layout`: byte by byte.
    """

    finding: Finding
    rule: str
    component: str
    source_format: str
    target_formats: tuple[str, ...]
    differences: tuple[str, ...]
    what_happens: str
    advice: tuple[tuple[str, str], ...]
    pairs: tuple[tuple[str, str], ...]
    reached: bool = True
    verdicts: tuple[tuple[Verdict, int], ...] = ()
    layout: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class DisagreementGroup:
    """Cells of one scenario and backend where the observation is not in the prediction set, in the same way."""

    scenario: str
    backend: str
    predicted: tuple[Verdict, ...]
    observed: Verdict
    pairs: tuple[tuple[str, str], ...]
    real: bool = False  # kernel code ran: it stands among the contradictions, too


@dataclass(frozen=True, slots=True)
class ContradictionGroup:
    """Cells of one scenario on real kernels that ended, in the same way, otherwise than prediction or simulator say.

    `simulated` is None where the simulator did not run the cell. `differences`: the objects that it judges otherwise.
    """

    scenario: str
    backend: str
    evidence: Evidence
    predicted: tuple[Verdict, ...]
    agrees: bool | None  # with the prediction
    simulated: Verdict | None
    observed: Verdict
    differences: tuple[ObjectDifference, ...]
    cells: tuple[CellRow, ...]


@dataclass(frozen=True, slots=True)
class RealKernels:
    """How model and kernel stand to each other, over the cells that ran on real kernels."""

    cells: int = 0  # with a verdict
    failed: int = 0  # ERROR and TIMEOUT
    missing: int = 0  # planned for a backend that runs real kernels
    compared: int = 0  # with a prediction
    agreeing: int = 0
    modelled: int = 0  # with what the simulator observed
    alike: int = 0
    groups: tuple[ContradictionGroup, ...] = ()


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Cells that gave no verdict, for one and the same reason. They say nothing about the kernels."""

    status: Status
    detail: str
    cells: tuple[CellRow, ...]


@dataclass(frozen=True, slots=True)
class PairRow:
    """One square of the grid. `cells` has one row per scenario and backend, `baseline` first and the chief first.

    The chief of a scenario is its cell of the strongest evidence: what the square shows. `unusual` names the scenarios
    that count neither for `worst_cell` nor for `added_cell`: see UNUSUAL_TAGS.
    """

    source: str
    target: str
    direction: Direction
    cells: tuple[CellRow, ...]
    unusual: frozenset[str] = frozenset()

    @property
    def chiefs(self) -> tuple[CellRow, ...]:
        """The cell of every scenario that stands for it: one that was measured, then the strongest evidence."""
        found: dict[str, CellRow] = {}
        for cell in self.planned:
            best = found.get(cell.scenario)
            if best is None or cell.standing > best.standing:
                found[cell.scenario] = cell
        return tuple(found.values())

    @property
    def planned(self) -> tuple[CellRow, ...]:
        """Without what only stands beside for comparison."""
        return tuple(c for c in self.cells if c.planned)

    @property
    def usual(self) -> tuple[CellRow, ...]:
        """The chiefs that say something of the pair; all of them where every scenario is unusual."""
        return tuple(c for c in self.chiefs if c.scenario not in self.unusual) or self.chiefs

    @property
    def worst_cell(self) -> CellRow | None:
        """The worst of the usual scenarios; of equally bad ones one that source to source does better.

        A cell never measured hides nothing: it counts as better than any that was.
        """
        return max(self.usual, key=lambda c: (_rank(c), not c.same_as_itself), default=None)

    @property
    def added_cell(self) -> CellRow | None:
        """The worst of what only the change of kernel does: of the usual cells that end worse than source to source."""
        return max((c for c in self.usual if c.verdict and not c.same_as_itself), key=_rank, default=None)

    @property
    def verdict(self) -> Verdict | None:
        """The worst over the scenarios; None when nothing was observed."""
        seen = [c.verdict for c in self.chiefs if c.verdict is not None]
        return worst(seen) if seen else None

    @property
    def baseline(self) -> CellRow | None:
        """Of the strongest evidence; one that was not measured only if no backend measured it."""
        return next((c for c in self.chiefs if c.scenario == BASELINE), None)

    @property
    def headline(self) -> CellRow | None:
        """What a square shows first: the baseline, else the worst cell there is."""
        return self.baseline or max(self.chiefs, key=_rank, default=None)

    @property
    def evidence(self) -> Evidence | None:
        """The weakest of the chiefs, so that a square never claims more than all that it shows can bear."""
        return min((c.evidence for c in self.chiefs if c.evidence is not None), key=lambda e: e.strength, default=None)

    @property
    def oldest(self) -> datetime | None:
        """When the oldest cell was measured."""
        return min((c.created for c in self.planned if c.created is not None), default=None)

    @property
    def consequences(self) -> tuple[Consequence, ...]:
        """Every consequence of any scenario, in the order of the vocabulary."""
        found = {k for c in self.planned for k in c.consequences}
        return tuple(k for k in Consequence if k in found)

    def count(self, status: Status) -> int:
        """How many cells ended so."""
        return sum(c.status is status for c in self.planned)

    @property
    def stale(self) -> int:
        """How many results are about another version of schema, scenario or tool."""
        return sum(c.stale for c in self.planned)

    @property
    def disagreements(self) -> int:
        """How many cells contradict their prediction."""
        return sum(c.agrees is False for c in self.planned)

    @property
    def differing(self) -> int:
        """How many cells on real kernels ended otherwise than the simulator says."""
        return sum(bool(c.differences) for c in self.planned)


@dataclass(frozen=True, slots=True)
class Totals:
    """The figures on top of every report."""

    cells: int
    done: int
    missing: int
    errors: int
    timeouts: int
    shared: int
    unstable: int
    compared: int
    disagreements: int
    vague: int  # prediction sets of more than two verdicts
    verdicts: tuple[tuple[Verdict, int], ...]  # of pairs, by headline
    worst: tuple[tuple[Verdict, bool, int], ...]  # of pairs, by worst cell; True: excused, see CellRow.excused
    stale: int = 0  # results of another version of schema, scenario or tool
    failures: tuple[tuple[str, int], ...] = ()  # what broke the harness most often, and how often


@dataclass(frozen=True, slots=True)
class ReportData:
    """One report. Everything a renderer needs, nothing that it has to look up."""

    title: str
    generated: datetime
    tool_version: str
    schema_digest: str
    releases: tuple[ReleaseRow, ...]
    scenarios: tuple[ScenarioRow, ...]
    pairs: tuple[PairRow, ...]
    findings: tuple[FindingGroup, ...]
    disagreements: tuple[DisagreementGroup, ...]
    totals: Totals
    real: RealKernels = field(default_factory=RealKernels)
    failures: tuple[FailureGroup, ...] = ()
    texts: Mapping[str, FileText] = field(default_factory=dict)  # digest -> what of a file goes into a page
    artefact_folder: str = ""

    @property
    def usual_scenarios(self) -> int:
        """How many scenarios count for the worst of a pair; all where every one is unusual."""
        return sum(not UNUSUAL_TAGS & {*s.tags} for s in self.scenarios) or len(self.scenarios)

    @property
    def has_baseline(self) -> bool:
        """Whether the matrix plans it; without it a pair is known by its worst cell."""
        return any(p.baseline is not None for p in self.pairs)

    @property
    def oldest(self) -> datetime | None:
        """When the oldest cell was measured."""
        return min((p.oldest for p in self.pairs if p.oldest is not None), default=None)

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """Every kind of evidence that a cell rests on, weakest first."""
        kinds = {c.evidence for p in self.pairs for c in p.planned}
        return tuple(e for e in Evidence if e in kinds)

    @property
    def unstable(self) -> tuple[CellRow, ...]:
        """The cells whose repeats differ."""
        return tuple(c for p in self.pairs for c in p.planned if c.unstable)

    def pair(self, source: str, target: str) -> PairRow | None:
        """The square of that pair; None when the matrix does not plan it."""
        return next((p for p in self.pairs if (p.source, p.target) == (source, target)), None)

    def groups(self, finding: Finding) -> Sequence[FindingGroup]:
        """The findings of one class that a target gets to meet."""
        return [g for g in self.findings if g.finding is finding and g.reached]


def _rank(cell: CellRow) -> int:
    return -1 if cell.verdict is None else cell.verdict.severity
