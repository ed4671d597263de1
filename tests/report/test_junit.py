# SPDX-License-Identifier: Apache-2.0
"""JUnit XML, read back with the same library and with the standard library's parser."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from junitparser import Error, Failure, JUnitXml, Skipped

from qualify.model import Verdict
from qualify.report import ReportData, assemble
from qualify.report.junit import render
from tests.report.sample import DIGEST, NOW, RELEASES, SCENARIOS, build, cell, directions, with_stale


@pytest.fixture(scope="module")
def text() -> str:
    return render(build())


def case(text: str, suite: str, name: str) -> ET.Element:
    (found,) = ET.fromstring(text).findall(f"testsuite[@name='{suite}']/testcase[@name='{name}']")
    return found


def test_a_suite_per_pair_and_a_case_per_scenario(text: str) -> None:
    document = JUnitXml.fromstring(text.encode())
    assert len(list(document)) == len(RELEASES) ** 2
    assert document.tests == len(RELEASES) ** 2 * len(SCENARIOS) + 1  # one disagreement
    kinds = [type(r) for suite in document for c in suite for r in c.result]
    assert (document.errors, document.failures, document.skipped) == (
        kinds.count(Error),
        kinds.count(Failure),
        kinds.count(Skipped),
    )
    assert document.errors == 3


@pytest.mark.parametrize(
    ("suite", "name", "tag", "type_"),
    [
        ("6.18.15 → 6.18.15", "baseline", None, None),
        ("6.16.12 → 6.16.12", "memfd-dense", "skipped", "UNSUPPORTED"),
        ("6.18.15 → 6.17.8", "baseline", "failure", "CORRUPT"),
        ("6.19.8 → 7.0.13", "baseline", "failure", "PANIC"),
        ("6.16.12 → 7.3.4", "baseline", "error", "MISSING"),
        ("7.3.4 → 6.16.12", "baseline", "error", "TIMEOUT"),
        ("7.3.4 → 7.2.13", "regions-01", "error", "ERROR"),
        ("7.2.13 → 7.3.4", "memfd-dense", "failure", "DEGRADED"),
        ("7.2.13 → 7.3.4", "memfd-dense: prediction", "failure", "disagreement"),
    ],
)
def test_what_becomes_what(text: str, suite: str, name: str, tag: str | None, type_: str | None) -> None:
    found = [child for child in case(text, suite, name) if child.tag not in ("system-out", "properties")]
    assert [(c.tag, c.get("type")) for c in found] == ([] if tag is None else [(tag, type_)])


def test_a_failure_says_why_and_what_to_do(text: str) -> None:
    failure = case(text, "6.18.15 → 6.17.8", "files-128").find("failure")
    # 6.18 has no LUO: the case is skipped, so look at one that hands something over
    assert failure is None
    failure = case(text, "7.0.13 → 6.17.8", "files-128").find("failure")
    assert failure is not None
    assert failure.text is not None
    assert failure.text.splitlines()[1] == (
        "qual/0x1 and 126 more (memfd): The target said yes and gave wrong contents (digest was 3f…, is 5a…)."
    )
    assert "KHO002 kho: " in failure.text
    assert failure.text.endswith("Load the target with kho=off and drain the host.")


def test_a_failure_names_consequences_and_instability() -> None:
    data = build(releases=7)
    chosen = next(c for p in data.pairs for c in p.cells if c.consequences and c.verdict is Verdict.LOST)
    text = render(replace(data, pairs=(replace(data.pairs[0], cells=(replace(chosen, unstable=True),)),)))
    failure = ET.fromstring(text).find(".//failure")
    assert failure is not None
    assert str(failure.get("message")).endswith("cold one (leaked, UNSTABLE: repeats differ)")


def test_a_suite_says_how_many_of_its_results_are_stale() -> None:
    root = ET.fromstring(render(with_stale(2)))
    said = [p.get("value") for p in root.iterfind("testsuite/properties/property[@name='stale']")]
    stale = "2 results were measured with another version of schema, scenario or tool; run the matrix again"
    assert said == [stale, "none", "none", "none"]


def test_a_timeout_carries_its_detail(text: str) -> None:
    error = case(text, "7.3.4 → 6.16.12", "baseline").find("error")
    assert error is not None
    assert error.text == "no answer within 60 s"


def test_text_that_xml_cannot_hold_is_replaced() -> None:
    bad = "a\x00b\x1b[31m<&\"'\ud800\uffff"
    first = cell(RELEASES[6], RELEASES[0], "baseline", NOW)
    objects = (replace(first.objects[0], object_id=bad, why=bad),)
    hostile = replace(first, detail=bad, log=(bad,), objects=objects)
    data: ReportData = assemble(
        title=bad,
        generated=NOW,
        tool_version="0",
        schema_digest=DIGEST,
        releases=build(releases=7).releases,
        scenarios=SCENARIOS,
        directions=directions(),
        cells=[hostile],
        comparisons={},
    )
    root = ET.fromstring(render(data))
    failure = root.find(".//failure")
    assert failure is not None
    assert failure.get("type") == Verdict.CORRUPT.value
    assert failure.text is not None
    assert "a\ufffdb\ufffd[31m<&\"'\ufffd\ufffd" in failure.text
