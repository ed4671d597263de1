# SPDX-License-Identifier: Apache-2.0
"""What must hold for every pair and every scenario."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qualify.compat import RULES, decide, decide_many, explain
from qualify.model import Prediction, Verdict, worst
from qualify.scenario import SEALS, Memfd, Scenario, library
from qualify.schema import Schema, load

SCHEMA = load()
LABELS = [r.label for r in SCHEMA.releases]
LIBRARY = library()


def check(prediction: Prediction, scenario: Scenario) -> None:
    """A prediction is whole, ordered and explained."""
    assert tuple(o.object_id for o in prediction.objects) == scenario.object_ids
    for entry in (prediction, *prediction.objects):
        order = [a.verdict.severity for a in entry.alternatives]
        assert order == sorted(set(order), reverse=True)
        assert all(a.condition for a in entry.alternatives) or len(order) == 1 or not entry.alternatives[-1].condition
        if len(order) == 1:
            assert entry.alternatives[0].condition == ""
    for found in prediction.objects:
        assert {r.rule for r in found.reasons} <= set(RULES)
        assert found.reasons or found.verdicts == {Verdict.RESTORED}
        for alternative in found.alternatives:
            assert alternative.verdict is not Verdict.PANIC or not alternative.consequences
    # the cell is as bad as the worst of its objects; a target can also die of what no object stands for
    objects = {v for o in prediction.objects for v in o.verdicts}
    assert prediction.worst is worst([*objects, *(prediction.verdicts & {Verdict.PANIC})])
    assert prediction.verdicts <= objects | {Verdict.PANIC}


@pytest.mark.parametrize("name", sorted(LIBRARY))
def test_library(name: str) -> None:
    """Every shipped scenario on every pair: whole, explained, and never more than two verdicts."""
    scenario = LIBRARY[name]
    for source in SCHEMA.releases:
        for target in SCHEMA.releases:
            prediction = decide(SCHEMA, source, target, scenario)
            check(prediction, scenario)
            assert len(prediction.verdicts) <= 2
            assert all(len(o.verdicts) <= 2 for o in prediction.objects)


@pytest.mark.parametrize("label", LABELS)
def test_baseline_comes_back_to_its_own_release(label: str) -> None:
    """Same to same: what exists is RESTORED. The probe's memfd was created without MFD_ALLOW_SEALING."""
    baseline = LIBRARY["baseline"]
    assert all(f.seal_mask == SEALS["seal"] for o in baseline.objects for f in getattr(o, "files", ())), "as probed"
    prediction = decide(SCHEMA, SCHEMA.release(label), SCHEMA.release(label), baseline)
    assert prediction.verdicts == {Verdict.RESTORED}
    for found in prediction.objects:
        has = found.component in SCHEMA.release(label).components
        assert found.verdicts == ({Verdict.RESTORED} if has else {Verdict.UNSUPPORTED})


_PAGES = st.integers(0, 0x3FF).map(lambda n: 0x30000000 + n * 0x8000)


@functools.cache
def _actions() -> st.SearchStrategy[dict[str, Any]]:
    source = st.fixed_dictionaries(
        {},
        optional={
            "kho": st.booleans(),
            "liveupdate": st.booleans(),
            "finalise": st.sampled_from(["in-time", "late"]),
            "load": st.sampled_from(["kexec_file_load", "kexec_load"]),
        },
    )
    target = st.fixed_dictionaries(
        {},
        optional={
            "kho": st.booleans(),
            "liveupdate": st.booleans(),
            "kind": st.sampled_from(["normal", "crash"]),
            "page_size": st.sampled_from([4096, 16384, 65536]),
            "without": st.lists(st.sampled_from(sorted(SCHEMA.components)), max_size=2).map(tuple),
            "image": st.integers(0, 256).map(lambda n: n << 20),
            "early_memory": st.integers(0, 256).map(lambda n: n << 20),
        },
    )
    placement = st.fixed_dictionaries(
        {"neighbours": st.sampled_from(["unknown", "zero", "in-ram", "beyond-ram"])},
        optional={"metadata": st.sampled_from([0x38000000, 0x38800000, 0x3A400000, 0x80000000])},
    )
    small = st.sampled_from([1 << 30, 4 << 30, 64 << 30]).map(lambda ram: {"ram": ram})
    large = st.just({"ram": 1 << 40, "scratch": [{"at": 1 << 39, "size": 20 << 30}]})  # 16 GiB of struct page
    host = st.one_of(small, large)
    return st.fixed_dictionaries({"source": source, "target": target, "placement": placement, "host": host})


_FILE = st.fixed_dictionaries(
    {
        "size": st.sampled_from([0, 1, 4096, 20001, 1 << 20]),
        "at": _PAGES,
        "count": st.integers(1, 130),
        "position": st.sampled_from([0, 1, 4096, 1 << 40]),
        "allow_sealing": st.just(True),
        "seals": st.lists(st.sampled_from(sorted(SEALS)), max_size=2).map(tuple),
        "order": st.sampled_from([0, 3]),
    }
)


def _objects(draw: st.DrawFn) -> list[dict[str, Any]]:
    files = [f | {"token": 1000 * i} for i, f in enumerate(draw(st.lists(_FILE, max_size=2)))]
    found: list[dict[str, Any]] = [
        {"kind": "session", "name": "s", "count": draw(st.sampled_from([1, 2, 820])), "files": files},
        {
            "kind": "reserve-mem",
            "name": "r",
            "size": draw(st.sampled_from([4096, 1 << 22, 3 << 30])),
            "at": draw(_PAGES),
            "target_asks": draw(st.booleans()),
            "target_align": draw(st.sampled_from([None, 1, 1 << 20])),
        },
        {"kind": "kho-test", "folios": [{"at": 0x30000000, "order": draw(st.integers(0, 10))}]},
        {"kind": "kexec-metadata"},
        {"kind": "flb", "name": "f", "data": 1, "target_name": draw(st.sampled_from(["", "g", "f"]))},
    ]
    keep = draw(st.lists(st.sampled_from(range(len(found))), min_size=1, unique=True))
    return [found[i] for i in sorted(keep)]


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    data = draw(_actions()) | {"id": "random", "title": "", "purpose": "", "objects": _objects(draw)}
    return Scenario.model_validate(data)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(scenarios(), st.sampled_from(LABELS), st.sampled_from(LABELS))
def test_any_scenario_is_decided(scenario: Scenario, source: str, target: str) -> None:
    check(decide(SCHEMA, SCHEMA.release(source), SCHEMA.release(target), scenario), scenario)


def test_equal_fingerprints_are_decided_alike() -> None:
    """7.1.3 and 7.1.13 behave alike: the very same prediction."""
    first, second = SCHEMA.release("7.1.3"), SCHEMA.release("7.1.13")
    assert SCHEMA.fingerprint(first) == SCHEMA.fingerprint(second)
    baseline = LIBRARY["baseline"]
    assert decide(SCHEMA, first, first, baseline) is decide(SCHEMA, second, first, baseline)


def test_many_is_the_same_decision() -> None:
    pairs = [(s, t) for s in SCHEMA.releases for t in SCHEMA.releases]
    baseline = LIBRARY["baseline"]
    expected = [decide(SCHEMA, s, t, baseline).worst for s, t in pairs]
    assert list(decide_many(SCHEMA, pairs, baseline)) == expected


def test_decision_is_pure() -> None:
    """Another schema object with the same data, another order of questions: the same answers."""
    other: Schema = load()
    for name in ("mixed", "neighbours-unknown", "handler-missing-two-sessions"):
        for source in reversed(other.releases):
            for target in other.releases:
                mine = decide(SCHEMA, SCHEMA.release(source.label), SCHEMA.release(target.label), LIBRARY[name])
                assert decide(other, source, target, LIBRARY[name]) == mine


def test_explanation_covers_everything() -> None:
    story = explain(SCHEMA, SCHEMA.release("6.19"), SCHEMA.release("7.0"), LIBRARY["mixed"])
    assert [o.object_id for o in story.objects] == list(LIBRARY["mixed"].object_ids)
    assert {s.component for s in story.steps} >= {"kho", "luo", "luo-flb", "memfd", "reserve-mem"}
    assert story.steps[0].component == "kho"
    assert [h.component for h in story.headlines] == ["luo"]
    memfd = next(o for o in story.objects if o.component == "memfd")
    assert memfd.chain[0] == "kho"
    assert memfd.chain[-1] == "memfd"
    assert {c.rule.id for c in memfd.causes} == {"LUO002"}
    assert all(c.reason.advice for c in story.causes)


def test_files_of_a_run_count_towards_the_limit() -> None:
    """A run of files that does not fit is refused as a whole; what comes after it and fits is not."""
    files = (
        Memfd(token=1, count=129, size=4096, at=0x31000000),
        Memfd(token=1000, count=128, size=4096, at=0x32000000),
    )
    session = LIBRARY["files-129"].objects[0].model_copy(update={"files": files})
    scenario = LIBRARY["files-129"].model_copy(update={"id": "runs", "objects": (session,)})
    scenario = Scenario.model_validate(scenario.model_dump())
    found = decide(SCHEMA, SCHEMA.release("7.1"), SCHEMA.release("7.1"), scenario).objects
    assert [o.worst for o in found] == [Verdict.RESTORED, Verdict.UNSUPPORTED, Verdict.RESTORED]
