# SPDX-License-Identifier: Apache-2.0
"""The decision and the simulator were written apart from each other; here they meet.

The shipped matrix as a whole, and scenarios that nobody thought of.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from qualify.backends import CellInput
from qualify.backends.simulator import SimulatorBackend
from qualify.compat import decide
from qualify.judge import judge
from qualify.model import Evidence
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
)
from qualify.scenario.check import check
from qualify.schema import load

SCHEMA = load()
BACKEND = SimulatorBackend()
GIB, MIB = 1 << 30, 1 << 20
EXAMPLES = 20_000 if os.environ.get("QUALIFY_THOROUGH") else 400


def test_the_shipped_matrix_agrees_everywhere(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "qualify", "run", "upstream", "--json", "--db", str(tmp_path / "db.sqlite")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["disagreements"] == []
    assert summary["vague"] == 0
    assert summary["cells"] == summary["statuses"]["DONE"] > 10_000


# --- scenarios that nobody thought of ------------------------------------------------------------------------------

pages = st.integers(0, 12 * GIB // 4096 - 1).map(lambda n: n * 4096)
low = st.sampled_from([0x30000000, 0x30FFF000, 0x31000000, 0x37FFF000, 0x38001000, 4 * GIB, 8 * GIB + 16 * MIB])
where = st.one_of(low, pages)
regions = st.builds(
    ReserveMem,
    kind=st.just("reserve-mem"),
    name=st.sampled_from(["alpha", "beta"]),
    size=st.integers(1, 80).map(lambda n: n * 4096),
    at=where,
    target_size=st.sampled_from([None, None, None, 8192]),
    target_asks=st.sampled_from([True, True, True, False]),
)
seals = st.sets(st.sampled_from(["seal", "shrink", "grow", "write", "future-write", "exec"]), max_size=3).map(tuple)
files = st.builds(
    Memfd,
    token=st.integers(0, 40),
    count=st.sampled_from([1, 1, 1, 2, 128, 129]),
    size=st.one_of(st.just(0), st.integers(1, 40_000)),
    at=where.map(lambda a: a & ~0xFFFF),
    order=st.sampled_from([0, 0, 0, 1, 4]),
    position=st.sampled_from([0, 1, 4096, 1 << 40]),
    seals=seals,
    noexec_seal=st.booleans(),
)
sessions = st.builds(
    Session,
    kind=st.just("session"),
    name=st.sampled_from(["qual", "other"]),
    count=st.sampled_from([1, 1, 1, 2, 52, 820]),
    files=st.lists(files, max_size=2).map(tuple),
)
flbs = st.builds(
    Flb, kind=st.just("flb"), name=st.just("flb"), data=st.integers(0, 99), target_name=st.sampled_from(["", "no"])
)
tests = st.builds(
    KhoTest,
    kind=st.just("kho-test"),
    folios=st.lists(
        st.tuples(where, st.integers(0, 3)).map(lambda p: Folio(at=p[0] & ~0x7FFF, order=p[1])), min_size=1, max_size=3
    ).map(tuple),
)
objects = st.lists(
    st.one_of(regions, sessions, sessions, flbs, tests, st.just(KexecMetadata(kind="kexec-metadata"))),
    min_size=1,
    max_size=4,
    unique_by=lambda o: o.object_id,
).map(tuple)
usually = st.sampled_from([True, True, True, True, False])
sources = st.builds(
    SourceActions,
    kho=usually,
    liveupdate=usually,
    finalise=st.sampled_from(["in-time", "in-time", "in-time", "late"]),
    load=st.sampled_from(["kexec_file_load", "kexec_file_load", "kexec_file_load", "kexec_load"]),
)
targets = st.builds(
    TargetActions,
    kho=usually,
    liveupdate=usually,
    kind=st.sampled_from(["normal", "normal", "normal", "normal", "crash"]),
    without=st.sampled_from([(), (), (), ("memfd",), ("kho-test",)]),
    image=st.sampled_from([48 * MIB, 48 * MIB, 48 * MIB, 300 * MIB]),
    early_memory=st.sampled_from([16 * MIB, 16 * MIB, 16 * MIB, 150 * MIB]),
)
placements = st.builds(
    Placement,
    metadata=st.sampled_from([0x3A400000, 0x38000000, 2 * GIB, 3 * GIB + 48 * MIB]),
    bookkeeping=st.just(0x3C000000),
    neighbours=st.sampled_from(["unknown", "zero", "in-ram", "beyond-ram"]),
)


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario | None:
    """A scenario that could be, or None."""
    try:
        made = Scenario(
            id="drawn", title="drawn", purpose="drawn", host=Host(ram=12 * GIB), source=draw(sources),
            target=draw(targets), placement=draw(placements), objects=draw(objects),
        )  # fmt: skip
    except ValidationError:
        return None
    return None if list(check(made)) else made


releases = st.sampled_from(SCHEMA.releases)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(source=releases, target=releases, scenario=scenarios())
def test_drawn_scenarios_agree(source, target, scenario) -> None:  # type: ignore[no-untyped-def]
    if scenario is None or scenario.touched_bytes > 64 * MIB:
        return
    prediction = decide(SCHEMA, source, target, scenario)
    seen = judge(BACKEND.run(CellInput(SCHEMA, source, target, scenario, 1), Path()), Evidence.SIMULATED)
    assert seen.verdict in prediction.verdicts
    expected = {o.object_id: o.verdicts for o in prediction.objects}
    for found in seen.objects:
        if found.object_id in expected:
            assert found.verdict in expected[found.object_id], found


@pytest.mark.parametrize("count", [819, 820])
@pytest.mark.parametrize("release", SCHEMA.releases, ids=lambda r: r.label)
def test_a_run_that_does_not_fit_is_refused_as_a_whole(release, count) -> None:  # type: ignore[no-untyped-def]
    session = Session(kind="session", name="many", count=count)
    scenario = Scenario(id="many", title="many", purpose="many", objects=(session,))
    prediction = decide(SCHEMA, release, release, scenario)
    seen = judge(BACKEND.run(CellInput(SCHEMA, release, release, scenario, 1), Path()), Evidence.SIMULATED)
    assert prediction.verdicts == {seen.verdict}
