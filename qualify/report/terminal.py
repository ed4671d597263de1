# SPDX-License-Identifier: Apache-2.0
"""The matrix on a terminal: sources down, targets across, one short word per pair. 12 releases fit 120 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence

from tabulate import SEPARATING_LINE, tabulate

from qualify.model import Finding, Status, Verdict
from qualify.report.data import CellRow, FindingGroup, PairRow, ReportData
from qualify.report.terminal_real import against_kernels, failed, real_table
from qualify.report.wording import (
    CONSEQUENCES,
    FINDINGS,
    MEANINGS,
    STATUSES,
    WORDS,
    moment,
    pairs_in_words,
    plural,
    stale_results,
    state,
)

__all__ = ["render"]

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

_Show = Callable[[PairRow], list[tuple[CellRow, str]]]

_CELL = 7
_LABEL = 10
_GAP = 2


def render(data: ReportData, *, colour: bool = False, width: int = 120) -> str:
    """The whole report as text, without a trailing newline."""
    parts = [_hung(_head(data), width), _hung(against_kernels(data), width), _hung(_predictions(data), width)]
    if data.totals.stale:
        parts.insert(1, _hung(stale_results(data.totals.stale), width))
    if data.failures:
        parts.append(_hung(failed(data), width))
    if table := real_table(data):
        parts.append(table)
    columns = max(1, (width - _LABEL) // (_CELL + _GAP))
    if data.pairs:
        several = len(data.scenarios) > 1
        if data.has_baseline:
            parts += _grids(data, "baseline", _baseline if several else _alone, colour, columns)
        if several or not data.has_baseline:
            parts += _grids(data, _hung(_worst_title(data), width), _worst, colour, columns)
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
    evidence = ", ".join(e.value for e in data.evidence) or "none"
    oldest = moment(data.oldest)
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
    elsewhere = sum(len(g.pairs) for g in data.disagreements if not g.real)
    if not elsewhere:
        return f"Prediction against observation: disagreements: on real kernels only, see above ({compared})"
    where = " without a real kernel" if data.real.cells else ""
    lines = [f"PREDICTION AND OBSERVATION DISAGREE in {plural(elsewhere, 'cell')}{where} ({compared})"]
    for g in data.disagreements:
        predicted = " or ".join(g.predicted) or "nothing"
        if g.real:
            continue  # among the contradictions
        lines.append(
            f"  {g.scenario} ({g.backend}): predicted {predicted}, observed {g.observed}: {_pairs(data, g.pairs)}"
        )
    return "\n".join(lines)


def _grids(data: ReportData, title: str, show: _Show, colour: bool, columns: int) -> Iterator[str]:
    """One grid, in several pieces when the terminal is too narrow for all targets."""
    labels = [r.label for r in data.releases]
    by_pair = {(p.source, p.target): p for p in data.pairs}
    for start in range(0, len(labels), columns):
        targets = labels[start : start + columns]
        rows = [
            [_wrap(source, _LABEL), *(_square(by_pair.get((source, target)), show, colour) for target in targets)]
            for source in labels
        ]
        heads = ["source \\\ntarget →", *(_wrap(target, _CELL) for target in targets)]
        # As a row, since tabulate makes every column two wider than its header.
        grid = tabulate([heads, SEPARATING_LINE, *rows], tablefmt="simple", disable_numparse=True, stralign="left")
        yield f"{title}\n{_trimmed(grid)}"


def _square(pair: PairRow | None, show: _Show, colour: bool) -> str:
    """A line per cell that `show` picks, each a word and its marks."""
    return "\n".join(_word(cell, marks, colour) for cell, marks in show(pair)) if pair is not None else ""


def _word(cell: CellRow, marks: str, colour: bool) -> str:
    shown = state(cell)
    word = WORDS[shown]
    marks += ("!" if cell.contradicts else "") + ("~" if cell.unstable else "") + ("*" if cell.consequences else "")
    return _paint(word, shown, colour) + marks[: _CELL - len(word)]


def _alone(pair: PairRow) -> list[tuple[CellRow, str]]:
    return [(pair.baseline, "")] if pair.baseline is not None else []


def _baseline(pair: PairRow) -> list[tuple[CellRow, str]]:
    """The baseline, marked where the second grid has something worse: a good word never hides a bad cell."""
    return [(cell, "↓" if _deeper(pair.worst_cell, cell) else "") for cell, _ in _alone(pair)]


def _deeper(one: CellRow | None, other: CellRow) -> bool:
    if one is None or one.verdict is None or other.verdict is None:
        return False
    return one.verdict.severity > other.verdict.severity


def _worst(pair: PairRow) -> list[tuple[CellRow, str]]:
    """The worst cell; below it the worst that only this pair does, where source to source does no better than that."""
    cell, added = pair.worst_cell, pair.added_cell
    if cell is None:
        return []
    if not cell.excused:
        return [(cell, "")]
    return [(cell, "="), *([(added, "")] if added is not None else [])]


def _worst_title(data: ReportData) -> str:
    usual = data.usual_scenarios
    left = len(data.scenarios) - usual
    out = f" ({left} left out: operator mistakes and differently configured targets)" if left else ""
    same = "\n= same as itself, no worse than source → source; a second line is the worst that only this pair does"
    excused = any(p.worst_cell is not None and p.worst_cell.excused for p in data.pairs)
    return f"worst of {plural(usual, 'usual scenario')}{out}{same if excused else ''}"


def _paint(word: str, shown: Verdict | Status, colour: bool) -> str:
    return f"\x1b[{_COLOURS[shown]}m{word}\x1b[0m" if colour else word


def _legend(data: ReportData, colour: bool, width: int) -> str:
    several = len(data.scenarios) > 1 or not data.has_baseline
    squares = [*map(_baseline, data.pairs), *map(_worst, data.pairs)] if several else [*map(_alone, data.pairs)]
    shown = {state(cell) for square in squares for cell, _ in square}
    marks = {mark for square in squares for _, mark in square}
    lines = []
    for key in (*Verdict, *STATUSES):
        if key in shown:
            text = MEANINGS[key]
            word = f"{WORDS[key]:<6}"
            lines.append(f"  {_paint(word, key, colour)}  {key.value}: {text}")
    if "=" in marks:
        lines.append(
            "  =       same as itself: no worse than source → source, the kernel does that to itself; "
            "below it the worst that only this pair does"
        )
    if "↓" in marks:
        lines.append("  ↓       another usual scenario ends worse: see the grid of the worst")
    found = list(dict.fromkeys(k for p in data.pairs for k in p.consequences))
    if found:
        lines.append("  *       with consequences: " + ", ".join(f"{k} ({CONSEQUENCES[k][1]})" for k in found))
    if data.totals.disagreements or data.real.groups:
        lines.append("  !       contradicts its prediction, or a real kernel the simulator")
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
    worst = f"{group.verdicts[0][0]}, " if group.verdicts else ""
    return f"  {worst}{group.component} ({strings}): {group.what_happens} [{_pairs(data, group.pairs)}]"


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
