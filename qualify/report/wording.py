# SPDX-License-Identifier: Apache-2.0
"""Words, symbols and lists that the renderers share, so that terminal, HTML and JUnit speak alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from qualify.model import Consequence, Evidence, Finding, Status, Verdict
from qualify.report.data import CellRow

__all__ = [
    "CONSEQUENCES",
    "FINDINGS",
    "MEANINGS",
    "REAL_EVIDENCE",
    "SHORT_EVIDENCE",
    "STALE",
    "STATUSES",
    "SYMBOLS",
    "WORDS",
    "brief",
    "in_runs",
    "moment",
    "pairs_in_words",
    "plural",
    "stale_results",
    "state",
]

#: One sign per state that shows; colour never stands alone.
SYMBOLS: dict[Verdict | Status, str] = {
    Verdict.RESTORED: "✓",
    Verdict.DEGRADED: "≈",
    Verdict.REFUSED: "⊘",
    Verdict.LOST: "∅",
    Verdict.PANIC: "✱",
    Verdict.CORRUPT: "✗",
    Verdict.UNSUPPORTED: "–",
    Status.ERROR: "!",
    Status.TIMEOUT: "…",
    Status.MISSING: "?",
}

#: What stands in a narrow square: at most five letters, capitals where state is gone. The legend gives the full word.
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

MEANINGS: dict[Verdict | Status, str] = {
    Verdict.RESTORED: "every property that the format carries came back equal",
    Verdict.DEGRADED: "contents came back, but a property the owner had set did not",
    Verdict.REFUSED: "the target answers otherwise than after a cold boot: it refused what arrived",
    Verdict.LOST: "nothing tells this boot from a cold one",
    Verdict.PANIC: "the target crashed or hung because of what it was handed",
    Verdict.CORRUPT: "the target said yes and the contents are wrong",
    Verdict.UNSUPPORTED: "nothing was handed over: the source has no such component or said no before the jump",
    Status.ERROR: "our harness broke; says nothing about the kernels",
    Status.TIMEOUT: "no answer in time; says nothing about the kernels",
    Status.MISSING: "planned and never run",
}

#: What marks a square whose verdict was seen where kernel code ran; the rest bears no mark.
SHORT_EVIDENCE: dict[Evidence, str] = {
    Evidence.STATIC: "",
    Evidence.SIMULATED: "",
    Evidence.TRANSPLANTED: "tp",
    Evidence.VM: "vm",
    Evidence.HARDWARE: "hw",
}

REAL_EVIDENCE: dict[Evidence, str] = {
    Evidence.TRANSPLANTED: "kernel code ran over these bytes, outside of a kernel",
    Evidence.VM: "real kernels did it in a virtual machine",
    Evidence.HARDWARE: "real kernels did it on hardware",
}

#: Why a cell has no verdict.
STATUSES = (Status.ERROR, Status.TIMEOUT, Status.MISSING)

CONSEQUENCES: dict[Consequence, tuple[str, str]] = {
    Consequence.LEAKED: ("L", "memory stays held until the next reboot"),
    Consequence.SPURIOUS_RESERVATION: ("S", "the target reserves memory that nobody preserved"),
    Consequence.BLAST_RADIUS: ("B", "others are refused too, not only the object at fault"),
    Consequence.NOT_RETRYABLE: ("N", "asking again cannot succeed"),
    Consequence.WARNED: ("W", "the target logged a warning"),
}

FINDINGS: dict[Finding, tuple[str, str]] = {
    Finding.FALSE_ACCEPT: (
        "False accepts",
        "The strings agree, so the target goes ahead, but bytes or required nodes do not.",
    ),
    Finding.OVER_STRICT_REFUSAL: (
        "Over-strict refusals",
        "The strings differ, so the target refuses, although it could read the bytes.",
    ),
    Finding.TRUE_REFUSAL: ("True refusals", "The strings differ, and so do the bytes: refusing is right."),
    Finding.NO_READER: ("No reader", "The source hands over what the target has no code for."),
    Finding.NO_WRITER: ("No writer", "The target could read what the source never writes."),
    Finding.AGREE: ("Agreements", "Same string, and bytes that the reader understands."),
}


#: What is said of results whose input is not the one that a run would give their cells today.
STALE = "measured with another version of schema, scenario or tool; run the matrix again"


def state(cell: CellRow | None) -> Verdict | Status:
    """What a square shows for a cell: its verdict, or why there is none."""
    if cell is None:
        return Status.MISSING
    return cell.status if cell.verdict is None else cell.verdict


def plural(count: int, noun: str) -> str:
    """``1 cell``, ``2 cells``."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def stale_results(count: int) -> str:
    """``2 results were measured with another version of ...``."""
    return f"{plural(count, 'result')} {'was' if count == 1 else 'were'} {STALE}"


def moment(at: datetime | None) -> str:
    """``2026-12-01 12:00 UTC``; '' for None. A report is read later than it is made: it names dates, not ages."""
    return "" if at is None else at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def brief(text: str) -> str:
    """What the target does in one clause, for a list of one line each."""
    for end in (": ", "; "):
        text = text.partition(end)[0]
    return text.removeprefix("the target ")


def in_runs(labels: Iterable[str], order: Sequence[str]) -> str:
    """``a, c … f``: three and more neighbours in `order` as first … last."""
    rank = {label: n for n, label in enumerate(order)}
    runs: list[list[str]] = []
    for label in labels:
        if runs and rank.get(label, -1) == rank.get(runs[-1][-1], -3) + 1:
            runs[-1].append(label)
        else:
            runs.append([label])
    return ", ".join(f"{run[0]} … {run[-1]}" if len(run) > 2 else ", ".join(run) for run in runs)


def pairs_in_words(
    pairs: Iterable[tuple[str, str]], order: Sequence[str]
) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """(sources, targets) blocks that cover exactly `pairs`: 30 pairs read as one line when they form a rectangle."""
    rank = {label: n for n, label in enumerate(order)}
    by_source: dict[str, set[str]] = {}
    for source, target in pairs:
        by_source.setdefault(source, set()).add(target)
    blocks: dict[tuple[str, ...], list[str]] = {}
    for source in sorted(by_source, key=lambda s: rank.get(s, len(rank))):
        targets = tuple(sorted(by_source[source], key=lambda t: rank.get(t, len(rank))))
        blocks.setdefault(targets, []).append(source)
    return [(tuple(sources), targets) for targets, sources in blocks.items()]
