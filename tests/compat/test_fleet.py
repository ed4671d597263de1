# SPDX-License-Identifier: Apache-2.0
"""Releases that nobody ever shipped: recombined and mutated formats, as the benchmark makes them."""

from __future__ import annotations

import pytest

from benchmarks.decisions import generate
from qualify.compat import compare, decide, decide_many, decider
from qualify.model import Finding, Verdict
from qualify.scenario import library

LIBRARY = library()
FLEET = generate(40, 25)


def test_fleet_is_what_it_claims() -> None:
    assert len(FLEET.releases) == 40
    assert len({FLEET.fingerprint(r) for r in FLEET.releases}) == 25


@pytest.mark.parametrize("name", ["baseline", "mixed-with-kho-test", "flb-three", "operator-page-size-64k"])
def test_every_pair_is_decided(name: str) -> None:
    scenario = LIBRARY[name]
    for source in FLEET.releases:
        for target in FLEET.releases:
            prediction = decide(FLEET, source, target, scenario)
            assert tuple(o.object_id for o in prediction.objects) == scenario.object_ids
            assert prediction.alternatives


def test_equal_strings_with_other_bytes_are_never_only_restored() -> None:
    """What is read through a false accept on its way is not promised to come back."""
    scenario = LIBRARY["baseline"]
    seen = 0
    for source in FLEET.releases:
        for target in FLEET.releases:
            wrong = {
                c.component for c in compare(FLEET, source, target) if c.reached and c.finding is Finding.FALSE_ACCEPT
            }
            if wrong & {"luo", "luo-session", "luo-file", "memfd", "kho"}:
                seen += 1
                assert decide(FLEET, source, target, scenario).verdicts != {Verdict.RESTORED}
    assert seen > 20


def test_work_is_shared() -> None:
    """Copies of a release cost no decision of their own."""
    one = decider(FLEET, LIBRARY["baseline"])
    pairs = [(s, t) for s in FLEET.releases for t in FLEET.releases]
    assert len(list(decide_many(FLEET, pairs, LIBRARY["baseline"]))) == 1600
    first = {FLEET.fingerprint(r): r for r in reversed(FLEET.releases)}
    for source, target in pairs:
        originals = first[FLEET.fingerprint(source)], first[FLEET.fingerprint(target)]
        assert one.decide(source, target) is one.decide(*originals)
