# SPDX-License-Identifier: Apache-2.0
"""The three findings that must stand out, with what differs and what the receiver does."""

from __future__ import annotations

import pytest

from qualify.compat import Comparison, compare, decide
from qualify.model import Finding, Verdict
from qualify.scenario import library
from qualify.schema import load

SCHEMA = load()


def found(source: str, target: str, component: str) -> Comparison:
    return {c.component: c for c in compare(SCHEMA, SCHEMA.release(source), SCHEMA.release(target))}[component]


@pytest.mark.parametrize(
    ("source", "target", "happens"),
    [
        ("6.17.8", "6.17.13", "3584 bytes behind every bitmap for further bits"),
        ("6.17.13", "6.17.8", "reads 512 of 4096 bytes of every bitmap"),
    ],
)
def test_false_accept_of_the_bitmap(source: str, target: str, happens: str) -> None:
    kho = found(source, target, "kho")
    assert kho.finding is Finding.FALSE_ACCEPT
    assert happens in kho.what_happens
    assert any("bitmap" in d and "16 MiB" in d and "128 MiB" in d for d in kho.differences)


def test_false_accept_of_the_flb_node() -> None:
    luo = found("6.19", "7.0", "luo")
    assert luo.finding is Finding.FALSE_ACCEPT
    assert luo.what_happens == "the target accepts the string, does not find 'luo-flb', and panics"
    assert luo.differences == ("node /luo-flb: not written, and the target insists on it",)
    assert found("7.0", "6.19", "luo").finding is Finding.AGREE
    assert found("7.0", "6.19", "luo-flb").finding is Finding.NO_READER


def test_false_accept_of_folios_info() -> None:
    for pair in (("6.17.9+", "6.18"), ("6.18", "6.17.9+")):
        test = found(*pair, "kho-test")
        assert test.finding is Finding.FALSE_ACCEPT
        assert any("kho_vmalloc" in d for d in test.differences)


def test_true_refusal() -> None:
    kho = found("6.19", "7.1", "kho")
    assert kho.finding is Finding.TRUE_REFUSAL
    assert kho.differences[0] == "string: 'kho-v1' vs 'kho-v3'"
    assert "boots cold" in kho.what_happens
    memfd = found("6.19", "7.1", "memfd")
    assert memfd.finding is Finding.TRUE_REFUSAL
    assert "memfd_luo_ser.nr_folios: u64@16 vs u64@24" in memfd.differences
    assert "memfd_luo_ser: 40 bytes vs 48 bytes" in memfd.differences
    assert not memfd.reached


@pytest.mark.parametrize("pair", [("7.1", "7.2"), ("7.2", "7.1"), ("7.1", "7.3")])
def test_over_strict_refusal(pair: tuple[str, str]) -> None:
    kho = found(*pair, "kho")
    assert kho.finding is Finding.OVER_STRICT_REFUSAL
    assert len(kho.differences) == 1
    regions = found(*pair, "reserve-mem")
    assert regions.finding is Finding.AGREE
    assert not regions.reached
    assert regions.what_happens == "the bytes agree; never read: the target refuses the handover"


@pytest.mark.parametrize("release", SCHEMA.releases, ids=lambda r: r.label)
def test_a_release_agrees_with_itself(release: object) -> None:
    label = getattr(release, "label", "")
    for entry in compare(SCHEMA, SCHEMA.release(label), SCHEMA.release(label)):
        assert entry.finding is Finding.AGREE
        assert entry.differences == ()
        assert entry.reached


def test_only_known_pairs_are_false_accepts() -> None:
    """Over all shipped pairs, of what the target gets to read: bitmap, FLB node, kho_test, and the mistake we keep."""
    seen = set()
    for source in SCHEMA.releases:
        for target in SCHEMA.releases:
            for entry in compare(SCHEMA, source, target):
                if entry.reached and entry.finding is Finding.FALSE_ACCEPT:
                    seen.add((entry.component, entry.source_format, entry.target_formats))
    assert seen == {
        ("kho", "kho-v1-b512", ("kho-v1-b4096",)),
        ("kho", "kho-v1-b4096", ("kho-v1-b512",)),
        ("luo", "luo-v1", ("luo-v1-flb",)),
        ("kho-test", "kho-test-v1-inline", ("kho-test-v1-vmalloc",)),
        ("kho-test", "kho-test-v1-vmalloc", ("kho-test-v1-inline",)),
        ("memfd", "memfd-v2", ("memfd-v2-drift",)),
        ("memfd", "memfd-v2-drift", ("memfd-v2",)),
    }


def test_a_file_that_cannot_tell_two_layouts_apart_names_a_scenario_that_can() -> None:
    drift = SCHEMA.release("7.1.13-drift")
    plain = SCHEMA.release("7.1.13")
    scenarios = library()
    found = decide(SCHEMA, plain, drift, scenarios["memfd-position-at-end"])
    (why,) = (r for r in found.reasons if r.rule == "MFD007")
    assert "pos 65536, size 65536" in why.message
    named = why.message.split("scenario '")[1].split("'")[0]
    assert decide(SCHEMA, plain, drift, scenarios[named]).worst is Verdict.CORRUPT
