# SPDX-License-Identifier: Apache-2.0
"""The downstream kernel of docs/examples: both ways every call succeeds and the file comes back with size 0.

Seen on booted kernels, 7.1.13 and the same tree with the two members swapped.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from qualify.backends import CellInput
from qualify.backends.simulator import SimulatorBackend
from qualify.compat import compare, decide
from qualify.judge import judge
from qualify.model import Evidence, Finding, Verdict
from qualify.scenario import library
from qualify.schema import load

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "downstream.yaml"
SCHEMA = load([EXAMPLE])
PLAIN, DRIFT = SCHEMA.release("7.1.13"), SCHEMA.release("7.1.13-drift")


@pytest.mark.parametrize(("source", "target"), [(PLAIN, DRIFT), (DRIFT, PLAIN)], ids=["into drift", "out of drift"])
def test_a_silent_swap_is_corruption(source, target) -> None:  # type: ignore[no-untyped-def]
    scenario = library()["baseline"]
    assert decide(SCHEMA, source, target, scenario).verdicts == {Verdict.CORRUPT}
    seen = judge(SimulatorBackend().run(CellInput(SCHEMA, source, target, scenario, 1), Path()), Evidence.SIMULATED)
    assert seen.verdict is Verdict.CORRUPT
    memfd = next(o for o in seen.objects if o.object_id == "memfd/qual/0x1a")
    assert {p.name: p.observed for p in memfd.observation.properties}["size"] == "0"
    findings = {c.component: c.finding for c in compare(SCHEMA, source, target)}
    assert findings["memfd"] is Finding.FALSE_ACCEPT


def test_to_itself_it_works() -> None:
    scenario = library()["baseline"]
    seen = judge(SimulatorBackend().run(CellInput(SCHEMA, DRIFT, DRIFT, scenario, 1), Path()), Evidence.SIMULATED)
    assert seen.verdict is Verdict.RESTORED
    assert decide(SCHEMA, DRIFT, DRIFT, scenario).verdicts == {Verdict.RESTORED}
