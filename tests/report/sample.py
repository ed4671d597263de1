# SPDX-License-Identifier: Apache-2.0
"""A made-up matrix that looks like a real one: releases a to l in four families, forty scenarios, a few accidents."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from qualify.compat import Comparison
from qualify.model import (
    Alternative,
    Consequence,
    Direction,
    Evidence,
    Finding,
    PropertyObservation,
    PropertyState,
    Reason,
    Status,
    Verdict,
)
from qualify.report import CellRow, ObjectRow, ReleaseRow, ReportData, ScenarioRow, assemble
from qualify.schema.sidebyside import Line, Part

NOW = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)
DIGEST = "3f9ac01d" * 8

# (label, family, luo): families 0 and 1 share a string but not the bitmap; 2 and 3 have strings of their own
RELEASES: tuple[tuple[str, int, bool], ...] = (
    ("6.16.12", 0, False),
    ("6.17.8", 0, False),
    ("6.17.13", 1, False),
    ("6.18.15", 1, False),
    ("6.19.8", 1, True),
    ("6.19.11", 1, True),
    ("7.0.13", 1, True),
    ("7.1.3", 2, True),
    ("7.1.13", 2, True),
    ("7.1.13-nomemfd", 2, True),
    ("7.2.13", 3, True),
    ("7.3.4", 3, True),
)

ALIASES: dict[str, tuple[str, ...]] = {"6.18.15": ("6.18",), "7.0.13": ("7.0",)}

SCENARIOS: tuple[ScenarioRow, ...] = (
    ScenarioRow("memfd-dense", "One dense memfd", "The plain case of a session with one file.", ("luo", "memfd")),
    ScenarioRow("baseline", "What a host would hand over", "One reserve_mem region and one LUO session.", ("core",)),
    ScenarioRow("files-128", "A session with 128 files", "At the limit of a session.", ("luo", "limits")),
    *(
        ScenarioRow(f"regions-{n:02}", f"{n} regions", "Placement by order and address.", ("kho",))
        for n in range(1, 38)
    ),
)

# what every kernel before the last family does to itself
OWN_FAULT = "regions-37"

Judged = tuple[Verdict, tuple[Consequence, ...], str]


def judge_pair(s: tuple[str, int, bool], t: tuple[str, int, bool], scenario: str) -> Judged:
    luo = "files" in scenario or "memfd" in scenario
    if luo and not s[2]:
        return Verdict.UNSUPPORTED, (), "The source has nothing of this kind to hand over."
    if max(s[1], t[1]) > 1 and s[1] != t[1]:
        return Verdict.LOST, (Consequence.WARNED,), "Gone without a word: reserve_mem answers exactly as a cold boot."
    if scenario == OWN_FAULT and max(s[1], t[1]) < 3:
        return Verdict.CORRUPT, (), "The kernel frees the region, whoever preserved it."
    if s[1] == 0 and t[1] == 1:
        return Verdict.RESTORED, (Consequence.SPURIOUS_RESERVATION,), "Came back with every property equal."
    if s[1] == 1 and t[1] == 0:
        return Verdict.CORRUPT, (), "The target said yes and gave wrong contents (digest was 3f…, is 5a…)."
    if s[2] and not t[2]:
        return Verdict.LOST, (Consequence.LEAKED,), "Gone without a word: open answers ENOENT exactly as a cold boot."
    if s[0].startswith("6.19") and t[0].startswith("7.0"):
        return Verdict.PANIC, (), "The target crashed or hung on what it was handed: luo: FLB node missing."
    if t[0].endswith("nomemfd") and s[0] != t[0]:
        return Verdict.REFUSED, (Consequence.LEAKED, Consequence.BLAST_RADIUS), "open of /dev/liveupdate: EIO."
    return Verdict.RESTORED, (), "Came back with every property equal."


def objects(scenario: str, judged: Judged) -> tuple[ObjectRow, ...]:
    verdict, consequences, why = judged
    count = 128 if scenario == "files-128" else 2
    wrong = verdict is Verdict.CORRUPT
    given = verdict in (Verdict.RESTORED, Verdict.CORRUPT)
    state = PropertyState.DIFFERENT if wrong else PropertyState.EQUAL
    seen = (
        PropertyObservation("size", PropertyState.EQUAL, "4194304", "4194304", critical=True),
        PropertyObservation(
            "digest", state, "3f9ac01d77e1", "5a5a5a5a5a5a" if wrong else "3f9ac01d77e1", critical=True
        ),
        PropertyObservation("holes", PropertyState.NOT_CARRIED, "12", "0"),
    )
    return tuple(
        ObjectRow(
            f"qual/{n:#x}",
            "memfd" if n else "luo-session",
            verdict,
            why,
            "RETRIEVE_FD",
            "given" if given else "as-cold",
            "" if given else "ENOENT",
            consequences,
            seen if given else (),
            ("seen at 0x1000000",),
            (verdict,),
        )
        for n in range(count)
    )


def cell(s: tuple[str, int, bool], t: tuple[str, int, bool], scenario: str, at: datetime) -> CellRow:
    judged = judge_pair(s, t, scenario)
    verdict, consequences, why = judged
    others = (Alternative(Verdict.RESTORED, "every page lies in the first 16 MiB of its window"),)
    return CellRow(
        s[0],
        t[0],
        scenario,
        "simulator",
        Status.DONE,
        verdict,
        Evidence.SIMULATED,
        consequences,
        (Alternative(verdict, "pages above the window"), *others)
        if verdict is Verdict.CORRUPT
        else (Alternative(verdict),),
        True,
        created=at,
        shared=s[1] == t[1],
        objects=objects(scenario, judged),
        reasons=(
            Reason("KHO002", "kho", f"{s[0]} → {t[0]}: {why}", "Load the target with kho=off and drain the host."),
        )
        if s is not t and verdict not in (Verdict.RESTORED, Verdict.UNSUPPORTED)
        else (),
        log=("KHO: found kexec handover data.",),
    )


def compare_pair(s: tuple[str, int, bool], t: tuple[str, int, bool]) -> tuple[Comparison, ...]:
    if s[1] == 1 and t[1] == 0:
        return (
            Comparison(
                "kho",
                Finding.FALSE_ACCEPT,
                "kho-v1",
                ("kho-v1",),
                ("bitmap: 4096 bytes written, 512 bytes read", "bits 4096 to 32767 are not seen"),
                "Pages beyond 16 MiB of each 128 MiB window are not reserved and get overwritten.",
                "Do not roll back over this border with state preserved.",
            ),
        )
    if {s[1], t[1]} == {2, 3}:
        return (
            Comparison("kho", Finding.OVER_STRICT_REFUSAL, "kho-v3", ("kho-v4",), (), "Cold boot.", "Ask upstream."),
        )
    if s[1] != t[1] and max(s[1], t[1]) > 1:
        return (
            Comparison(
                "kho",
                Finding.TRUE_REFUSAL,
                "kho-v1",
                ("kho-v3",),
                ("map: bitmap → radix tree",),
                "Cold boot.",
                "Drain.",
            ),
        )
    return (Comparison("kho", Finding.AGREE, "kho-v1", ("kho-v1",), (), "Goes on.", ""),)


LAYOUT = (
    Part("What the reader compares", (Line("string", "'kho-v1'", "'kho-v1'"),)),
    Part("Memory map", (Line("bitmap", "32,768 bits", "4,096 bits", (0, 4096), (0, 512)),)),
    Part(
        "struct khoser_mem_chunk_hdr",
        (
            Line("next", "phys", "phys", (0, 8), (0, 8)),
            Line("num_elms", "u32", "u32", (8, 4), (12, 4)),
            Line("(whole)", "", "", (0, 12), (0, 16)),
        ),
    ),
    Part("Known from", (Line("format", "kho-v1-b4096", "kho-v1-b512"),), note=True),
)


def directions() -> dict[tuple[str, str], Direction]:
    return {
        (s[0], t[0]): Direction.SAME if i == j else Direction.UPGRADE if i < j else Direction.ROLLBACK
        for i, s in enumerate(RELEASES)
        for j, t in enumerate(RELEASES)
    }


def build(
    *, accidents: bool = True, releases: int = len(RELEASES), scenarios: tuple[ScenarioRow, ...] = SCENARIOS
) -> ReportData:
    """144 pairs; with `accidents`: one disagreement, one cell of each status that is not DONE, one unstable."""
    chosen = RELEASES[:releases]
    cells = [cell(s, t, k.id, NOW - timedelta(days=i)) for i, s in enumerate(chosen) for t in chosen for k in scenarios]
    if accidents:
        cells = [accident(c) for c in cells]
    return assemble(
        title="upstream",
        generated=NOW,
        tool_version="0.1.0",
        schema_digest=DIGEST,
        releases=[
            ReleaseRow(r[0], r[0].partition("-")[0], ALIASES.get(r[0], ()), "x86-64", 4096, (), "read") for r in chosen
        ],
        scenarios=scenarios,
        directions=directions(),
        cells=cells,
        comparisons={(s[0], t[0]): compare_pair(s, t) for s in chosen for t in chosen},
        layouts={compare_pair(s, t)[0]: LAYOUT for s in chosen for t in chosen if (s[1], t[1]) == (1, 0)},
    )


def with_stale(count: int) -> ReportData:
    """Two releases; the first `count` results of the first pair were measured with another version."""
    data = build(releases=2, accidents=False)
    first, *others = data.pairs
    cells = [replace(c, stale=n < count) for n, c in enumerate(first.cells)]
    return assemble(
        title=data.title,
        generated=data.generated,
        tool_version=data.tool_version,
        schema_digest=data.schema_digest,
        releases=data.releases,
        scenarios=data.scenarios,
        directions=directions(),
        cells=[*cells, *(c for p in others for c in p.cells)],
        comparisons={},
    )


def accident(c: CellRow) -> CellRow:
    lost = {"verdict": None, "evidence": None, "agrees": None, "objects": (), "consequences": ()}
    match (c.source, c.target, c.scenario):
        case ("7.2.13", "7.3.4", "memfd-dense"):
            return replace(c, agrees=False, verdict=Verdict.DEGRADED)
        case ("6.16.12", "7.3.4", "baseline"):
            return replace(c, status=Status.MISSING, created=None, **lost)  # type: ignore[arg-type]
        case ("7.3.4", "6.16.12", "baseline"):
            return replace(c, status=Status.TIMEOUT, detail="no answer within 60 s", **lost)  # type: ignore[arg-type]
        case ("7.3.4", "7.2.13", "regions-01"):
            return replace(c, status=Status.ERROR, detail="MemoryError", **lost)  # type: ignore[arg-type]
        case ("7.1.3", "7.1.13", "regions-02"):
            three = tuple(Alternative(v) for v in (Verdict.PANIC, Verdict.LOST, Verdict.RESTORED))
            return replace(c, unstable=True, predicted=three)
    return c
