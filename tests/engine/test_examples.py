# SPDX-License-Identifier: Apache-2.0
"""The downstream kernel of docs/examples and the shipped 7.1.13-drift: every call succeeds, the file comes back empty.

Seen on booted kernels both ways, 7.1.13 and the same tree with the two members swapped (docs/observed.md).
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
PLAIN, DRIFT = SCHEMA.release("7.1.13"), SCHEMA.release("7.1.13-mine")
SHIPPED = SCHEMA.release("7.1.13-drift")


@pytest.mark.parametrize(("source", "target"), [(PLAIN, DRIFT), (DRIFT, PLAIN), (PLAIN, SHIPPED), (SHIPPED, PLAIN)])
def test_a_silent_swap_is_corruption(source, target) -> None:  # type: ignore[no-untyped-def]
    scenario = library()["baseline"]
    assert decide(SCHEMA, source, target, scenario).verdicts == {Verdict.CORRUPT}
    seen = judge(SimulatorBackend().run(CellInput(SCHEMA, source, target, scenario, 1), Path()), Evidence.SIMULATED)
    assert seen.verdict is Verdict.CORRUPT
    memfd = next(o for o in seen.objects if o.object_id == "memfd/qual/0x1a")
    assert {p.name: p.observed for p in memfd.observation.properties}["size"] == "0"
    findings = {c.component: c.finding for c in compare(SCHEMA, source, target)}
    assert findings["memfd"] is Finding.FALSE_ACCEPT


def test_the_example_is_the_mistake_that_was_booted() -> None:
    findings = {c.finding for c in compare(SCHEMA, DRIFT, SHIPPED)}
    assert Finding.FALSE_ACCEPT not in findings
    assert findings == {c.finding for c in compare(SCHEMA, PLAIN, PLAIN)}


def test_to_itself_it_works() -> None:
    scenario = library()["baseline"]
    seen = judge(SimulatorBackend().run(CellInput(SCHEMA, DRIFT, DRIFT, scenario, 1), Path()), Evidence.SIMULATED)
    assert seen.verdict is Verdict.RESTORED
    assert decide(SCHEMA, DRIFT, DRIFT, scenario).verdicts == {Verdict.RESTORED}
