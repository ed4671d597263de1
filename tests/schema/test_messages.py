# SPDX-License-Identifier: Apache-2.0
"""Log messages: real records say what they should, records that only quote say nothing, sources hold the words."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from qualify.schema import LogMessage, Meaning, ProvenanceKind, load, match

MESSAGES = load().messages
OBSERVED = (Path(__file__).parents[2] / "docs" / "observed.md").read_text(encoding="utf-8")
VECTORS = Path(__file__).parents[1] / "vectors" / "log" / "records.yaml"


def records() -> Iterator[Any]:
    for boot in YAML(typ="safe").load(VECTORS.read_text(encoding="utf-8"))["boots"]:
        for item in boot["records"]:
            yield pytest.param(item["record"], item["says"], id=f"{boot['boot']}: {item['record'][:40]}")


@pytest.mark.parametrize(("record", "says"), list(records()))
def test_a_record_says_what_it_says(record: str, says: dict[str, dict[str, str]]) -> None:
    assert {m.means.value: dict(m.groups) for m in match(MESSAGES, record)} == says
    assert match(MESSAGES, record + "\r\n") == match(MESSAGES, record)


def test_what_is_quoted_is_not_said() -> None:
    for quote in (
        "Kernel command line: x=KHO: found kexec handover data.",
        "agent: Kernel panic - not syncing: no",
        "",
    ):
        assert match(MESSAGES, quote) == ()


def test_every_meaning_has_a_message() -> None:
    assert {m.means for m in MESSAGES} == set(Meaning)


def test_messages_are_part_of_the_digest_and_of_no_fingerprint(tmp_path: Path) -> None:
    more = tmp_path / "more.yaml"
    more.write_text("messages:\n  - {id: ours, means: kho-found, pattern: '^ours', provenance: {kind: inferred}}\n")
    plain, taught = load(), load([more])
    assert [m.message.id for m in match(taught.messages, "ours: yes")] == ["ours"]
    assert taught.digest != plain.digest
    assert [taught.fingerprint(r) for r in taught.releases] == [plain.fingerprint(r) for r in plain.releases]


def test_what_was_observed_names_a_section_of_the_page() -> None:
    sections = set(re.findall(r"^## (.+)$", OBSERVED, re.MULTILINE))
    seen = [m.provenance for m in MESSAGES if m.provenance.kind is ProvenanceKind.OBSERVED]
    assert {p.where for p in seen} <= sections
    assert {p.file for p in seen} == {"docs/observed.md"}


def longest_text(pattern: str) -> str:
    """The longest piece of plain text in a pattern."""
    plain = re.sub(r"\(\?P?<?[^)]*\)|\[[^]]*\][+*]?|\\[dS]\+?|[.]\*|[$^]", "\0", pattern.replace(r"\(", "\1"))
    return max(plain.replace("\\", "").replace("\1", "(").split("\0"), key=len)


@pytest.mark.kernels
@pytest.mark.skipif("QUALIFY_KERNELS" not in os.environ, reason="needs QUALIFY_KERNELS, a folder with RELEASE/source")
@pytest.mark.parametrize(
    "message", [m for m in MESSAGES if m.provenance.kind is ProvenanceKind.READ], ids=lambda m: m.id
)
def test_the_source_that_is_named_has_these_words(message: LogMessage) -> None:
    source = Path(os.environ["QUALIFY_KERNELS"]) / message.provenance.release / "source" / message.provenance.file
    text = re.sub(r'"\s*\n\s*"', "", source.read_text(encoding="utf-8"))
    prefix = re.compile(r"^\^(?:KHO|luo|memfd_luo|test_kho|liveupdate test|Kernel panic - not syncing): ")
    # macros stand for strings, so only the text between conversions is looked for
    pieces = re.split(r"['\[(]|\bLUO\b|\bmemblock\b", longest_text(prefix.sub("", message.pattern)))
    sought = [p.strip() for p in pieces if len(p.strip()) > 3]
    assert sought
    assert [p for p in sought if p not in text] == []
    for function in re.findall(r"(\w+)\(\)", message.provenance.where):
        assert f"{function}(" in text
