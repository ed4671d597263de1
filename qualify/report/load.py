# SPDX-License-Identifier: Apache-2.0
"""The stored results of a matrix as ReportData: a handful of queries, whatever the size."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from sqlalchemy.orm import Session

from qualify.compat import Comparison, compare
from qualify.compat.meeting import meet
from qualify.engine import load_current
from qualify.matrix import Cell, Selection
from qualify.model import Consequence, Evidence, Prediction, Status, worst
from qualify.report.assemble import assemble
from qualify.report.cells import CellRow, FileRow, ObjectRow, RepeatRow
from qualify.report.data import ReleaseRow, ReportData, ScenarioRow
from qualify.report.load_texts import load_texts
from qualify.schema import Release, Schema
from qualify.schema.sidebyside import Part, side_by_side
from qualify.store import (
    ArtefactStore,
    StoredObject,
    StoredResult,
    load_artefacts,
    load_cells,
    load_latest,
    load_logs,
    load_objects,
    load_predictions,
)
from qualify.store.history import load_repeats, load_unstable

__all__ = ["load_report"]


def load_report(
    session: Session,
    selection: Selection,
    schema: Schema,
    *,
    generated: datetime,
    tool_version: str,
    artefacts: ArtefactStore | None = None,
) -> ReportData:
    """Every planned cell, those without a result as MISSING.

    With `artefacts`, the texts of files that go into a page are read from there; else files are only named.
    """
    reader = _Reader(session, selection, schema)
    cells = reader.cells(selection)
    releases = {r.label: r for r in selection.releases}
    pairs = {(p.source, p.target): p for p in selection.pairs}
    comparisons = {(s, t): compare(schema, releases[s], releases[t]) for s, t in pairs}
    targets = {c: target for (_, target), found in comparisons.items() for c in found}
    return assemble(
        title=selection.matrix.title,
        generated=generated,
        tool_version=tool_version,
        schema_digest=schema.digest,
        releases=[_release(schema, r) for r in selection.releases],
        scenarios=[ScenarioRow(s.id, s.title, s.purpose, s.tags) for s in selection.scenarios],
        directions={key: pair.direction for key, pair in pairs.items()},
        cells=cells,
        comparisons=comparisons,
        layouts={c: _layout(schema, c, releases[t].page_size) for c, t in targets.items()},
        texts=load_texts(artefacts, cells) if artefacts is not None else None,
        artefact_folder=str(artefacts.folder) if artefacts is not None else "",
    )


def _layout(schema: Schema, found: Comparison, page_size: int) -> tuple[Part, ...]:
    """Byte by byte, where one side writes and the other reads."""
    if found.source_format is None or not found.target_formats:
        return ()
    written, reads = schema.format(found.source_format), [schema.format(name) for name in found.target_formats]
    read = meet(schema, found.component, written, reads).read
    return side_by_side(schema, written, read, page_size) if read is not None else ()


def _release(schema: Schema, release: Release) -> ReleaseRow:
    return ReleaseRow(
        label=release.label,
        version=release.version,
        aliases=release.aliases,
        arch=release.arch,
        page_size=release.page_size,
        config=tuple(f"{name}={value}" for name, value in sorted(release.config.items())),
        provenance=release.provenance.kind.value,
        fingerprint=schema.fingerprint(release),
    )


class _Reader:
    """Results with what they refer to. Many results share an outcome, a prediction or a log: each is read once."""

    def __init__(self, session: Session, selection: Selection, schema: Schema) -> None:
        self._results = load_latest(session, {*selection.cells, *_beside(session, selection)})
        self._current = load_current(session, self._results, schema, {s.id: s for s in selection.scenarios})
        known = self._results.values()
        outcomes = load_objects(session, {r.outcome_id for r in known if r.outcome_id is not None})
        self._objects = {n: tuple(map(_object, objects)) for n, objects in outcomes.items()}
        self._predictions = load_predictions(session, {r.prediction_id for r in known if r.prediction_id is not None})
        self._logs = load_logs(session, {r.log_id for r in known if r.log_id is not None})
        self._unstable = {c: v for c, v in load_unstable(session).items() if c in self._results}
        self._repeats = load_repeats(session, self._unstable.keys())
        ran = {r.ran for repeats in self._repeats.values() for r in repeats}
        self._files = {
            n: tuple(FileRow(f.name, f.sha256, f.size) for f in files)
            for n, files in load_artefacts(session, ran | {_ran(r) for r in known}).items()
        }

    def cells(self, selection: Selection) -> list[CellRow]:
        """The planned ones; then what the simulator has to say about them although the matrix does not ask it."""
        planned = [self._cell(cell) for cell in selection.cells]
        real = {(c.source, c.target, c.scenario) for c in planned if c.real}
        chosen = set(selection.cells)
        beside = [
            replace(self._known(cell, result), planned=False)
            for cell, result in self._results.items()
            if cell not in chosen
            and result.evidence is Evidence.SIMULATED
            and (cell.source, cell.target, cell.scenario) in real
        ]
        return [*planned, *sorted(beside, key=lambda c: (c.source, c.target, c.scenario, c.backend))]

    def _cell(self, cell: Cell) -> CellRow:
        result = self._results.get(cell)
        if result is None:
            return CellRow(cell.source, cell.target, cell.scenario, cell.backend, Status.MISSING)
        return self._known(cell, result)

    def _known(self, cell: Cell, result: StoredResult) -> CellRow:
        repeats = self._unstable.get(cell, frozenset())
        prediction: Prediction | None = None
        if result.prediction_id is not None:
            prediction = self._predictions[result.prediction_id]
        verdict = worst({result.verdict, *repeats}) if result.verdict is not None else None
        agrees = prediction.agrees_with(verdict) if prediction and verdict and repeats else result.agrees
        return CellRow(
            source=cell.source,
            target=cell.target,
            scenario=cell.scenario,
            backend=cell.backend,
            status=result.status,
            verdict=verdict,
            # What was not measured is evidence of nothing, however good the backend.
            evidence=result.evidence if result.verdict is not None else None,
            consequences=_ordered(result.consequences),
            predicted=prediction.alternatives if prediction else (),
            agrees=agrees,
            unstable=bool(repeats),
            detail=result.detail,
            created=result.measured,
            shared=result.shared_from is not None,
            stale=cell not in self._current,
            objects=self._objects[result.outcome_id] if result.outcome_id is not None else (),
            reasons=prediction.reasons if prediction else (),
            log=self._logs[result.log_id] if result.log_id is not None else (),
            kind=result.evidence,
            files=self._files.get(_ran(result), ()),
            repeats=tuple(
                RepeatRow(r.status, r.verdict, r.measured, r.machine, r.detail, self._files.get(r.ran, ()))
                for r in self._repeats.get(cell, ())
            ),
        )


def _ran(result: StoredResult) -> int:
    """The result whose run it is: only that one has files."""
    return result.shared_from if result.shared_from is not None else result.result_id


def _beside(session: Session, selection: Selection) -> set[Cell]:
    """What other backends know of the planned pairs and scenarios."""
    wanted = {(c.source, c.target, c.scenario) for c in selection.cells}
    return {c for c in load_cells(session) if (c.source, c.target, c.scenario) in wanted}


def _object(stored: StoredObject) -> ObjectRow:
    return ObjectRow(
        object_id=stored.object_id,
        component=stored.component,
        verdict=stored.verdict,
        why=stored.why,
        interface=stored.interface.value,
        reply=stored.reply.value,
        errno=stored.errno,
        consequences=_ordered(stored.consequences),
        properties=stored.properties,
        notes=stored.notes,
        predicted=tuple(sorted(stored.predicted, key=lambda v: -v.severity)),
    )


def _ordered(consequences: frozenset[Consequence]) -> tuple[Consequence, ...]:
    return tuple(c for c in Consequence if c in consequences)
