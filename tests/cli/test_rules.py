# SPDX-License-Identifier: Apache-2.0
"""`qualify rules` from the command line."""

from __future__ import annotations

import json

from typer.testing import CliRunner, Result

from qualify.cli.main import app
from qualify.compat import CATEGORIES, RULES


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["rules", *arguments])


def test_every_rule_is_listed_once() -> None:
    listed = [line.split()[0] for line in run("list").stdout.splitlines()[2:]]
    assert listed == list(RULES)
    plain = json.loads(run("list", "--json").stdout)
    assert [r["id"] for r in plain] == list(RULES)
    assert all(r["purpose"] and r["text"] and r["advice"] and r["documentation"] and r["category"] for r in plain)


def test_a_category_selects_rules() -> None:
    listed = json.loads(run("list", "--category", "kho", "--json").stdout)
    assert [r["id"] for r in listed] == [name for name in RULES if name.startswith("KHO")]
    assert {r["category"] for r in listed} == {CATEGORIES["KHO"]}


def test_one_rule_in_full() -> None:
    rule = RULES["KHO003"]
    assert run("show", "kho003").stdout == (
        f"KHO003: {rule.purpose}\n"
        f"  about: {CATEGORIES['KHO']}\n"
        f"  {rule.text}\n"
        f"  what to do: {rule.advice}\n"
        "  documentation: docs/rules.md#kho003\n"
    )
    assert json.loads(run("show", "KHO003", "--json").stdout)["purpose"] == rule.purpose


def test_unknown_names_come_with_suggestions() -> None:
    result = run("show", "KHO999")
    assert result.exit_code == 2
    assert "qualify: unknown rule 'KHO999'; did you mean KHO009" in result.stderr
    result = run("list", "--category", "KHOO")
    assert result.exit_code == 2
    assert "qualify: no category 'KHOO'; did you mean KHO?" in result.stderr
