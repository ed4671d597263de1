# SPDX-License-Identifier: Apache-2.0
"""Accepted differences: what a file may say, and how it is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from qualify.compat import Accepted, AcceptedFinding, Rename, load_accepted, shipped_accepted, sort_findings
from qualify.compat.vmstate import Severity, VmFinding
from qualify.errors import SchemaError

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "vmstate-accepted.yaml"


def test_the_example_has_each_kind_of_entry() -> None:
    found = load_accepted(EXAMPLE)
    assert [(r.where, r.names) for r in found.renames] == [
        ("serial", {"state.lsr", "lsr"}),
        ("", {"acme-nic", "acme-nic-pci"}),
    ]
    assert [(f.rule, f.path) for f in found.findings] == [("VMS010", "acme-nic/acme_nic/irq_mask")]
    assert all(entry.reason for entry in (*found.renames, *found.findings))


def test_two_section_renames_ship() -> None:
    assert {r.names for r in shipped_accepted().renames} == {
        frozenset(("ICH9 LPC", "ICH9-LPC")),
        frozenset(("e1000-82540em", "e1000")),
    }
    assert all(r.where == "" and r.reason for r in shipped_accepted().renames)


@pytest.mark.parametrize(
    ("entry", "line", "message"),
    [
        ("{where: d, names: [a, b]}", 4, "'accepted.1.reason' is missing"),
        ("{where: d, names: [a, b], reason: ' '}", 4, "accepted.1.reason"),
        ("{names: [a, b], reason: r}", 4, "'accepted.1.where' is missing"),
        ("{where: d, names: [a], reason: r}", 4, "accepted.1.names"),
        ("{where: d, names: [a, a], reason: r}", 4, "the two names are the same"),
        ("{where: d, names: [b, c], reasn: r}", 4, "unknown key 'accepted.1.reasn'"),
        ("{rule: VMS099, path: x, reason: r}", 4, "unknown rule 'VMS099'"),
        ("{rule: KHO001, path: x, reason: r}", 4, "unknown rule 'KHO001'"),
        ("{rule: VMS010, reason: r}", 4, "'accepted.1.path' is missing"),
        ("{where: d, names: [v, u], reason: r}", 4, "accepted twice"),
        ("{where: d, names: [v, u], reason: for another reason}", 4, "accepted twice"),
        ("text", 4, "expected a mapping"),
    ],
)
def test_mistakes_come_with_their_line(tmp_path: Path, entry: str, line: int, message: str) -> None:
    file = tmp_path / "ok.yaml"
    file.write_text(f"# one\naccepted:\n  - {{where: d, names: [u, v], reason: r}}\n  - {entry}\n")
    with pytest.raises(SchemaError) as caught:
        load_accepted(file)
    assert [p.line for p in caught.value.problems] == [line] * len(caught.value.problems)
    assert any(message in p.message for p in caught.value.problems)


@pytest.mark.parametrize("text", ["", "[]", "accepted: 3", "accept: []", "accepted: [", "x: &a [*a]"])
def test_what_is_no_such_file_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "ok.yaml"
    file.write_text(text)
    with pytest.raises(SchemaError, match=r"ok\.yaml"):
        load_accepted(file)


def test_a_finding_is_accepted_by_rule_and_whole_path() -> None:
    one, other = (VmFinding("VMS010", path, Severity.ERROR, "text", True) for path in ("dev/d/a", "dev/d/ab"))
    entry = AcceptedFinding("VMS010", "dev/d/a", "r")
    idle = AcceptedFinding("VMS011", "dev/d/ab", "r")
    needed, unneeded = (Rename("d", frozenset(names), "r") for names in ("ab", "cd"))
    found = sort_findings((one, other), Accepted((needed, unneeded), (entry, idle)), {needed})
    assert found.left == (other,)
    assert found.accepted == ((one, entry),)
    assert found.unused == (unneeded, idle)
