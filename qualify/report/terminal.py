# SPDX-License-Identifier: Apache-2.0
"""The matrix on a terminal: sources down, targets across, one short word per pair. 12 releases fit 120 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence

from tabulate import SEPARATING_LINE, tabulate

from qualify.model import Evidence, Finding, Status, Verdict
from qualify.report.data import UNUSUAL_TAGS, CellRow, FindingGroup, PairRow, ReportData
from qualify.report.wording import (
    CONSEQUENCES,
    FINDINGS,
    MEANINGS,
    STATUSES,
    age,
    pairs_in_words,
    plural,
    stale_results,
    state,
)

__all__ = ["WORDS", "render"]

#: What stands in a square: at most five letters, capitals where state is gone. The legend gives the full word.
WORDS: dict[Verdict | Status, str] = {
    Verdict.RESTORED: "ok",
    Verdict.DEGRADED: "degr",
    Verdict.REFUSED: "refus",
    Verdict.LOST: "LOST",
    Verdict.PANIC: "PANIC",
    Verdict.CORRUPT: "CORR",
    Verdict.UNSUPPORTED: "-",
    Status.ERROR: "error",
    Status.TIMEOUT: "time",
    Status.MISSING: "?",
}

_COLOURS: dict[Verdict | Status, str] = {
    Verdict.RESTORED: "32",
    Verdict.DEGRADED: "33",
    Verdict.REFUSED: "34",
    Verdict.LOST: "35",
    Verdict.PANIC: "31",
    Verdict.CORRUPT: "1;37;41",
    Verdict.UNSUPPORTED: "2",
    Status.ERROR: "7",
    Status.TIMEOUT: "7",
    Status.MISSING: "7",
}

_CELL = 7
_LABEL = 10
_GAP = 2


def render(data: ReportData, *, colour: bool = False, width: int = 120) -> str:
    """The whole report as text, without a trailing newline."""
    parts = [_hung(_head(data), width), _hung(_predictions(data), width)]
    if data.totals.stale:
        parts.insert(1, _hung(stale_results(data.totals.stale), width))
    if data.totals.failures:
        parts.append(_hung(_failures(data), width))
    columns = max(1, (width - _LABEL) // (_CELL + _GAP))
    if data.pairs:
        parts += _grids(data, "baseline", lambda p: p.baseline, colour, columns)
        if len(data.scenarios) > 1:
            parts += _grids(
                data,
                f"worst of {_usual(data)} usual scenarios",
                _worst,
                colour,
                columns,
            )
        parts.append(_legend(data, colour, width))
        parts += _findings(data, width)
    return "\n\n".join(parts)


def _head(data: ReportData) -> str:
    t = data.totals
    counts = [f"{t.done:,} done"]
    counts += [f"{n:,} {word}" for n, word in ((t.shared, "of them shared"), (t.unstable, "of them unstable")) if n]
    counts += [
        f"{n:,} {word}" for n, word in ((t.errors, "error"), (t.timeouts, "timeout"), (t.missing, "missing")) if n
    ]
    kinds = {c.evidence for p in data.pairs for c in p.cells if c.evidence is not None}
    evidence = ", ".join(e.value for e in Evidence if e in kinds) or "none"
    oldest = age(min((p.oldest for p in data.pairs if p.oldest is not None), default=None), data.generated)
    return (
        f"{data.title}: what becomes of preserved state when SOURCE (down) kexecs into TARGET (across)\n"
        f"{plural(len(data.pairs), 'pair')}, {plural(len(data.scenarios), 'scenario')}, "
        f"{plural(t.cells, 'cell')}: {', '.join(counts)}\n"
        f"evidence: {evidence}" + (f", oldest {oldest}" if oldest else "") + f" · schema {data.schema_digest[:12]}"
    )


def _predictions(data: ReportData) -> str:
    t = data.totals
    compared = f"{plural(t.compared, 'cell')} compared, {plural(t.vague, 'prediction set')} of more than two verdicts"
    if not t.disagreements:
        none = "none" if t.compared else "nothing compared"
        return f"Prediction against observation: disagreements: {none} ({compared})"
    lines = [f"PREDICTION AND OBSERVATION DISAGREE in {plural(t.disagreements, 'cell')} ({compared})"]
    for g in data.disagreements:
        predicted = " or ".join(g.predicted) or "nothing"
        lines.append(
            f"  {g.scenario} ({g.backend}): predicted {predicted}, observed {g.observed}: {_pairs(data, g.pairs)}"
        )
    return "\n".join(lines)


def _failures(data: ReportData) -> str:
    lines = [f"  {plural(count, 'cell')}: {detail}" for detail, count in data.totals.failures]
    return "\n".join(["Not measured; says nothing about the kernels:", *lines])


def _grids(
    data: ReportData, title: str, pick: Callable[[PairRow], CellRow | None], colour: bool, columns: int
) -> Iterator[str]:
    """One grid, in several pieces when the terminal is too narrow for all targets."""
    labels = [r.label for r in data.releases]
    by_pair = {(p.source, p.target): p for p in data.pairs}
    for start in range(0, len(labels), columns):
        targets = labels[start : start + columns]
        rows = [
            [_wrap(source, _LABEL), *(_square(by_pair.get((source, target)), pick, colour) for target in targets)]
            for source in labels
        ]
        heads = ["source \\\ntarget →", *(_wrap(target, _CELL) for target in targets)]
        # As a row, since tabulate makes every column two wider than its header.
        grid = tabulate([heads, SEPARATING_LINE, *rows], tablefmt="simple", disable_numparse=True, stralign="left")
        yield f"{title}\n{_trimmed(grid)}"


def _square(pair: PairRow | None, pick: Callable[[PairRow], CellRow | None], colour: bool) -> str:
    if pair is None:
        return ""
    cell = pick(pair)
    if cell is None:
        return ""
    shown = state(cell)
    word = WORDS[shown]
    marks = ("!" if cell.agrees is False else "") + ("~" if cell.unstable else "") + ("*" if cell.consequences else "")
    marks = marks[: _CELL - len(word)]
    return _paint(word, shown, colour) + marks


def _paint(word: str, shown: Verdict | Status, colour: bool) -> str:
    return f"\x1b[{_COLOURS[shown]}m{word}\x1b[0m" if colour else word


def _usual(data: ReportData) -> int:
    return sum(not UNUSUAL_TAGS & {*s.tags} for s in data.scenarios) or len(data.scenarios)


def _worst(pair: PairRow) -> CellRow | None:
    """The worst cell. One that was never measured hides nothing, but is named in the heading."""
    return pair.worst_cell


def _legend(data: ReportData, colour: bool, width: int) -> str:
    shown = {state(c) for p in data.pairs for c in (p.baseline, _worst(p)) if c is not None}
    lines = []
    for key in (*Verdict, *STATUSES):
        if key in shown:
            text = MEANINGS[key]
            word = f"{WORDS[key]:<6}"
            lines.append(f"  {_paint(word, key, colour)}  {key.value}: {text}")
    found = list(dict.fromkeys(k for p in data.pairs for k in p.consequences))
    if found:
        lines.append("  *       with consequences: " + ", ".join(f"{k} ({CONSEQUENCES[k][1]})" for k in found))
    if data.totals.disagreements:
        lines.append("  !       contradicts its prediction")
    if data.totals.unstable:
        lines.append("  ~       UNSTABLE: repeats of the cell differ; the worst counts")
    lines.append("  (blank) the matrix does not plan this pair or scenario")
    return "\n".join(["legend", *(wrapped for line in lines for wrapped in _hang(line, width))])


def _findings(data: ReportData, width: int) -> Iterator[str]:
    for finding in (Finding.FALSE_ACCEPT, Finding.OVER_STRICT_REFUSAL, Finding.TRUE_REFUSAL):
        groups = data.groups(finding)
        if groups:
            title, meaning = FINDINGS[finding]
            body = [wrapped for g in groups for wrapped in _hang(_finding(data, g), width)]
            yield "\n".join([f"{title} ({len(groups)}): {meaning}", *body])


def _finding(data: ReportData, group: FindingGroup) -> str:
    strings = f"{group.source_format or 'nothing'} → {', '.join(group.target_formats) or 'nothing'}"
    return f"  {group.component} ({strings}): {group.what_happens} [{_pairs(data, group.pairs)}]"


def _pairs(data: ReportData, pairs: Sequence[tuple[str, str]]) -> str:
    blocks = pairs_in_words(pairs, [r.label for r in data.releases])
    return "; ".join(f"{', '.join(sources)} → {', '.join(targets)}" for sources, targets in blocks)


def _wrap(label: str, width: int) -> str:
    """Break a long label at its punctuation where possible, anywhere if it must be."""
    pieces = label.replace("-", "-\n").replace("+", "+\n").split("\n")
    lines: list[str] = []
    for piece in pieces:
        if lines and len(lines[-1]) + len(piece) <= width:
            lines[-1] += piece
        else:
            lines += textwrap.wrap(piece, width) or ([piece] if piece else [])
    return "\n".join(lines)


def _hang(line: str, width: int) -> list[str]:
    if "\x1b" in line:
        return [line]
    return textwrap.wrap(line, width, subsequent_indent="          ", break_on_hyphens=False)


def _hung(text: str, width: int) -> str:
    return "\n".join(wrapped for line in text.splitlines() for wrapped in _hang(line, width))


def _trimmed(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.splitlines())
