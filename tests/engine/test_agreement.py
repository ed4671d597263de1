# SPDX-License-Identifier: Apache-2.0
"""The decision and the simulator were written apart from each other; here they meet.

The shipped matrix as a whole, and scenarios that nobody thought of.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qualify.backends import CellInput
from qualify.backends.simulator import SimulatorBackend
from qualify.compat import decide
from qualify.judge import judge
from qualify.model import Alternative, Consequence, Evidence, Outcome, Verdict
from qualify.scenario import (
    Flb,
    Folio,
    Host,
    KexecMetadata,
    KhoTest,
    Memfd,
    Placement,
    ReserveMem,
    Scenario,
    Session,
    SourceActions,
    TargetActions,
    library,
)
from qualify.scenario.check import check
from qualify.schema import Release, load

SCHEMA = load()
BACKEND = SimulatorBackend()
GIB, MIB = 1 << 30, 1 << 20
THOROUGH = bool(os.environ.get("QUALIFY_THOROUGH"))
EXAMPLES = 20_000 if THOROUGH else 800
# one release of every kind that differs from the others
ENDS = tuple({SCHEMA.fingerprint(r): r for r in SCHEMA.releases}.values())


def test_the_shipped_matrix_agrees_everywhere(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "qualify", "run", "upstream", "--json", "--db", str(tmp_path / "db.sqlite")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["disagreements"] == []
    assert summary["vague"] == 0
    assert summary["cells"] == summary["statuses"]["DONE"] > 10_000


# --- scenarios that nobody thought of ------------------------------------------------------------------------------

# places for objects, 32 MiB each, free of scratch and of the source's own tables; some end a window of the memory map
SLOTS = (
    0x14000000, 0x16000000, 0x1C000000, 0x30000000, 0x32000000, 0x34000000, 0x36000000, 0x42000000, 0x6E000000,
    4 * GIB - 32 * MIB, 4 * GIB, 8 * GIB - 32 * MIB, 8 * GIB, 8 * GIB + 96 * MIB, 11 * GIB, 12 * GIB - 32 * MIB,
)  # fmt: skip
offsets = st.sampled_from([0, 0, 0x1000, 0x10000, 0x777000, 16 * MIB - 0x1000, 16 * MIB - 0x10000, 16 * MIB, 0x1F80000])
seals = st.sets(st.sampled_from(["seal", "shrink", "grow", "write", "future-write", "exec"]), max_size=3).map(tuple)
usually = st.sampled_from([True] * 6 + [False])


def _regions(draw: st.DrawFn, at: int, name: str) -> ReserveMem:
    return ReserveMem(
        kind="reserve-mem", name=name, at=at, size=draw(st.integers(1, 80)) * 4096,
        target_size=draw(st.sampled_from([None] * 5 + [8192, 120 * MIB])),
        target_align=draw(st.sampled_from([None] * 5 + [65536])), target_asks=draw(usually),
    )  # fmt: skip


def _files(draw: st.DrawFn, at: int, token: int) -> Memfd:
    return Memfd(
        token=token, at=at & ~0xFFFF if (order := draw(st.sampled_from([0, 0, 0, 1, 4]))) else at, order=order,
        count=draw(st.sampled_from([1, 1, 1, 2, 127, 128])), size=draw(st.one_of(st.just(0), st.integers(1, 40_000))),
        position=draw(st.sampled_from([0, 1, 4096, 1 << 40])), seals=draw(seals), noexec_seal=draw(st.booleans()),
    )  # fmt: skip


def _sessions(draw: st.DrawFn, places: list[int], name: str) -> Session:
    files = tuple(
        _files(draw, places.pop() + (draw(offsets) & ~0xFFFF), 0x1A + 200 * i)
        for i in range(draw(st.sampled_from([0, 1, 1, 2])))
    )
    many = any(f.count > 2 for f in files)
    count = (
        draw(st.sampled_from([1, 1, 1, 2] if many else [1, 1, 1, 2, 52]))
        if files
        else draw(st.sampled_from([1, 1, 51, 52, 819, 820]))
    )
    return Session(kind="session", name=name, count=count, files=files)


def _kho_test(draw: st.DrawFn, at: int) -> KhoTest:
    folios = [(draw(st.integers(0, 500)), draw(st.integers(0, 3))) for _ in range(draw(st.sampled_from([1, 2, 2, 3])))]
    near = dict(folios)
    return KhoTest(kind="kho-test", folios=tuple(Folio(at=at + n * 0x8000, order=o) for n, o in near.items()))


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    """A scenario that could be."""
    places = list(draw(st.permutations(SLOTS)))
    objects: list[Any] = []
    kinds = ["region", "region", "session", "session", "session", "kho-test", "metadata"]
    for number, kind in enumerate(draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=4))):
        if kind == "region":
            objects.append(_regions(draw, places.pop() + draw(offsets), f"r{number}"))
        elif kind == "session":
            objects.append(_sessions(draw, places, f"s{number}"))
        elif kind == "kho-test" and not any(isinstance(o, KhoTest) for o in objects):
            objects.append(_kho_test(draw, places.pop()))
        elif kind == "metadata" and not any(isinstance(o, KexecMetadata) for o in objects):
            objects.append(KexecMetadata(kind="kexec-metadata"))
    if not objects:
        objects.append(_regions(draw, places.pop(), "alone"))
    if any(isinstance(o, Session) and o.files for o in objects) and draw(st.booleans()):
        objects.append(Flb(kind="flb", name="flb", data=draw(st.integers(0, 99)), target_name=draw(FLB_NAMES)))
    return Scenario(
        id="drawn", title="drawn", purpose="drawn", host=Host(ram=12 * GIB), objects=tuple(objects),
        source=SourceActions(
            kho=draw(st.sampled_from([True] * 15 + [False])), liveupdate=draw(usually),
            finalise=draw(st.sampled_from(["in-time"] * 4 + ["late", "by-hand"])),
            load=draw(st.sampled_from(["kexec_file_load"] * 9 + ["kexec_load"])),
        ),
        target=TargetActions(
            kho=draw(usually), liveupdate=draw(usually), kind=draw(st.sampled_from(["normal"] * 9 + ["crash"])),
            page_size=draw(st.sampled_from([None] * 9 + [16384, 65536])),
            without=draw(st.sampled_from([(), (), (), (), ("memfd",), ("kho-test",), ("luo",)])),
            image=draw(st.sampled_from([18 * MIB] * 9 + [100 * MIB, 300 * MIB])),
            initrd=draw(st.sampled_from([30 * MIB] * 9 + [57 * MIB])),
            early_memory=draw(st.sampled_from([16 * MIB] * 9 + [150 * MIB])),
        ),
        placement=Placement(
            metadata=draw(st.sampled_from([0x3A400000, 0x38000000, 0x40000000, 2 * GIB, 3 * GIB + 48 * MIB])),
            bookkeeping=0x3C000000, neighbours=draw(st.sampled_from(["unknown", "zero", "in-ram", "beyond-ram"])),
        ),
    )  # fmt: skip


FLB_NAMES = st.sampled_from(["", "", "no"])
# pairs whose strings agree come up as often as all others together: there the bytes decide
CLOSE = [
    (a, b) for a in SCHEMA.releases for b in SCHEMA.releases
    if (mine := SCHEMA.written(a, "kho")) and mine.compatible in {f.compatible for f in SCHEMA.readable(b, "kho")}
]  # fmt: skip
pairs = st.one_of(st.sampled_from(CLOSE), st.tuples(*[st.sampled_from(SCHEMA.releases)] * 2))


def _agrees(name: str, verdict: Verdict, seen: frozenset[Consequence], ways: tuple[Alternative, ...]) -> None:
    """The verdict can happen, and comes with what it must and nothing that it cannot."""
    way = next((w for w in ways if w.verdict is verdict), None)
    assert way is not None, (name, verdict, ways)
    assert way.certain <= seen <= way.consequences, (name, verdict, seen, way)


def compare_sides(source: Release, target: Release, scenario: Scenario) -> Outcome:
    """Run one cell and hold it to the prediction, object by object."""
    prediction = decide(SCHEMA, source, target, scenario)
    seen = judge(BACKEND.run(CellInput(SCHEMA, source, target, scenario, 1), Path()), Evidence.SIMULATED)
    assert seen.verdict is not None
    _agrees("cell", seen.verdict, seen.consequences, prediction.alternatives)
    expected = {o.object_id: o.alternatives for o in prediction.objects}
    for found in seen.objects:
        name = found.observation.object_id
        if name in expected:
            _agrees(name, found.verdict, found.observation.consequences, expected[name])
    return seen


def test_drawn_scenarios_agree() -> None:
    met: Counter[Verdict] = Counter()
    refused = 0

    @settings(
        max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=not THOROUGH,
        database=None,
    )  # fmt: skip
    @given(pair=pairs, scenario=scenarios())
    def drawn(pair: tuple[Release, Release], scenario: Scenario) -> None:
        nonlocal refused
        if list(check(scenario)) or scenario.touched_bytes > 64 * MIB:
            refused += 1
            return
        met.update(o.verdict for o in compare_sides(*pair, scenario).objects)

    drawn()
    # otherwise agreement would mean little
    assert refused < EXAMPLES // 4
    assert set(met) == set(Verdict), met


@pytest.mark.parametrize(
    "scenario", [s for s in library().values() if not {"large", "limits"} & set(s.tags)], ids=lambda s: s.id
)
def test_shipped_scenarios_agree_on_consequences(scenario: Scenario) -> None:
    for source in ENDS:
        for target in ENDS:
            compare_sides(source, target, scenario)


@pytest.mark.parametrize("count", [819, 820])
@pytest.mark.parametrize("release", SCHEMA.releases, ids=lambda r: r.label)
def test_a_run_that_does_not_fit_is_refused_as_a_whole(release, count) -> None:  # type: ignore[no-untyped-def]
    session = Session(kind="session", name="many", count=count)
    scenario = Scenario(id="many", title="many", purpose="many", objects=(session,))
    prediction = decide(SCHEMA, release, release, scenario)
    seen = judge(BACKEND.run(CellInput(SCHEMA, release, release, scenario, 1), Path()), Evidence.SIMULATED)
    assert prediction.verdicts == {seen.verdict}
