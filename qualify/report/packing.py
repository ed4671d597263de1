# SPDX-License-Identifier: Apache-2.0
"""The report as the page holds it: equal things are stored once, and lists stand for records."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

from qualify.model import Alternative, Consequence, Evidence, Reason, Verdict
from qualify.report.cells import CellRow, FileRow, ObjectRow, RepeatRow
from qualify.report.data import UNUSUAL_TAGS, FindingGroup, ReportData
from qualify.report.wording import CONSEQUENCES, MEANINGS, STALE, STATUSES, SYMBOLS, WORDS, state
from qualify.schema.sidebyside import Line

__all__ = ["packed"]


class _Pool:
    """Values by index, each stored once."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._index: dict[Hashable, int] = {}

    def add(self, key: Hashable, value: Any = None) -> int:
        index = self._index.get(key)
        if index is None:
            index = self._index[key] = len(self.values)
            self.values.append(key if value is None else value)
        return index


class _Packer:
    """Thousands of cells, of which most say the same as another: strings, objects and whole cells are pooled.

    The fields of every list are named, in this order, in templates/unpack.js.
    """

    def __init__(self, data: ReportData) -> None:
        self.data = data
        self.strings, self.ids, self.objects, self.reasons, self.cells, self.files = (_Pool() for _ in range(6))
        self.texts = [sha256 for sha256, text in data.texts.items() if text.data]
        self._places = {sha256: n for n, sha256 in enumerate(self.texts)}
        # Results that share an outcome share the very tuple of its objects: each is packed once.
        self._packed: dict[int, tuple[int, tuple[int, ...]]] = {}

    def pack(self) -> dict[str, Any]:
        labels = {r.label: n for n, r in enumerate(self.data.releases)}
        scenarios = {s.id: n for n, s in enumerate(self.data.scenarios)}
        by_pair: dict[tuple[str, str], list[int]] = {}
        for n, finding in enumerate(self.data.findings):
            for pair in finding.pairs:
                by_pair.setdefault(pair, []).append(n)
        pairs = [
            [
                labels[p.source],
                labels[p.target],
                p.direction.value,
                by_pair.get((p.source, p.target), []),
                [x for c in p.cells for x in (scenarios[c.scenario], self._cell(c), _stamp(c))],
            ]
            for p in self.data.pairs
        ]
        return {
            "releases": list(labels),
            "aliases": {alias: labels[r.label] for r in self.data.releases for alias in r.aliases},
            "scenarios": [[s.id, s.title, s.purpose, int(not UNUSUAL_TAGS & {*s.tags})] for s in self.data.scenarios],
            "states": {k.value: [SYMBOLS[k], MEANINGS[k], WORDS[k]] for k in (*Verdict, *STATUSES)},
            "consequences": {k.value: list(v) for k, v in CONSEQUENCES.items()},
            "stale": STALE,
            "findings": [_finding(f) for f in self.data.findings],
            "pairs": pairs,
            "strings": self.strings.values,
            "ids": self.ids.values,
            "objects": self.objects.values,
            "reasons": self.reasons.values,
            "cells": self.cells.values,
            "files": self.files.values,
            "texts": [self.data.texts[sha256].data for sha256 in self.texts],
            "folder": self.data.artefact_folder,
            "real": [e.value for e in Evidence if e.strength > Evidence.SIMULATED.strength],
        }

    def _text(self, text: str | None) -> int:
        return self.strings.add(text or "")

    def _texts(self, texts: Iterable[str]) -> list[int]:
        return [self._text(t) for t in texts]

    def _cell(self, c: CellRow) -> int:
        fields = (
            self._text(c.backend),
            self._text(state(c).value),
            self._text(c.evidence),
            self._words(c.consequences),
            tuple(self._alternative(a) for a in c.predicted),
            -1 if c.agrees is None else int(c.agrees),
            int(c.unstable),
            int(c.shared),
            self._text(c.same_verdict),
            self._text(c.detail),
            *self._objects(c.objects),
            tuple(self._reason(r) for r in c.reasons),
            tuple(self._texts(c.log)),
            tuple(self._file(f) for f in c.files),
            tuple(self._repeat(r) for r in c.repeats),
            tuple(
                tuple(self._texts((d.object_id, d.component, d.simulated or "", d.observed or "")))
                for d in c.differences
            ),
            int(c.planned),
            int(c.stale),
        )
        return self.cells.add(fields)

    def _file(self, f: FileRow) -> int:
        """Name, digest, size, where its text is in `texts` (-1: nowhere), bytes left out of that, why there is none."""
        text = self.data.texts.get(f.sha256)
        left_out, why = (text.left_out, text.why) if text else (0, "")
        return self.files.add((f.name, f.sha256, f.size, self._places.get(f.sha256, -1), left_out, why))

    def _repeat(self, r: RepeatRow) -> tuple[Any, ...]:
        shown = r.status if r.verdict is None else r.verdict
        said = self._text(shown.value), int(r.measured.timestamp()), self._text(r.machine), self._text(r.detail)
        return (*said, tuple(self._file(f) for f in r.files))

    def _objects(self, objects: tuple[ObjectRow, ...]) -> tuple[int, tuple[int, ...]]:
        known = self._packed.get(id(objects))
        if known is None:
            ids = self.ids.add(tuple(self._text(o.object_id) for o in objects))
            known = self._packed[id(objects)] = ids, self._runs(objects)
        return known

    def _runs(self, objects: Iterable[ObjectRow]) -> tuple[int, ...]:
        """(object, count) for runs of objects that differ in nothing but their id."""
        runs: list[int] = []
        for o in objects:
            index = self._object(o)
            if runs and runs[-2] == index:
                runs[-1] += 1
            else:
                runs += (index, 1)
        return tuple(runs)

    def _object(self, o: ObjectRow) -> int:
        properties = tuple(
            (self._text(p.name), self._text(p.state), self._text(p.expected), self._text(p.observed), int(p.critical))
            for p in o.properties
        )
        fields = (
            *self._texts((o.component, o.verdict, o.why, o.interface, o.reply, o.errno)),
            self._words(o.consequences),
            properties,
            tuple(self._texts(o.notes)),
            tuple(self._texts(o.predicted)),
        )
        return self.objects.add(fields)

    def _alternative(self, a: Alternative) -> tuple[int, int, tuple[int, ...]]:
        return self._text(a.verdict), self._text(a.condition), self._words(a.consequences)

    def _reason(self, r: Reason) -> int:
        return self.reasons.add(tuple(self._texts((r.rule, r.component, r.message, r.advice))))

    def _words(self, consequences: Iterable[Consequence]) -> tuple[int, ...]:
        held = set(consequences)
        return tuple(self._text(c) for c in Consequence if c in held)


def packed(data: ReportData) -> dict[str, Any]:
    """What the page needs, small: a few hundred distinct cells instead of thousands."""
    return _Packer(data).pack()


def _stamp(cell: CellRow) -> int:
    return 0 if cell.created is None else int(cell.created.timestamp())


def _finding(f: FindingGroup) -> list[Any]:
    return [
        f.finding.value,
        f.component,
        f.source_format,
        list(f.target_formats),
        list(f.differences),
        f.what_happens,
        [list(a) for a in f.advice],
        int(f.reached),
        [v.value for v, _ in f.verdicts],
        [[part.title, int(part.note), [_line(line) for line in part.lines]] for part in f.layout],
    ]


def _line(line: Line) -> list[Any]:
    """[name, written, read], and where somebody knows its place [offset, size] of both, 0 for none."""
    plain = [line.name, line.written, line.read]
    spans = [list(span) if span else 0 for span in (line.written_span, line.read_span)]
    return [*plain, *spans] if any(spans) else plain
