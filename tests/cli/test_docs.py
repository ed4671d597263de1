# SPDX-License-Identifier: Apache-2.0
"""Documentation that cannot rot: every command is on the page, explains itself, and the page is what --help says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.commands_page import PAGE, commands, page

ROOT = Path(__file__).parents[2]
COMMANDS = commands()


def test_page_is_what_help_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m tests.cli.commands_page"


@pytest.mark.parametrize(("name", "command"), COMMANDS, ids=[name for name, _ in COMMANDS])
def test_every_command_teaches_by_example(name: str, command: object) -> None:
    text = getattr(command, "help", "") or ""
    assert f"qualify {name}" in text, "its help shows no example"
    assert all(getattr(p, "help", None) for p in getattr(command, "params", []) if p.name != "help"), (
        "an option is not explained"
    )


def test_commands_in_the_documents_exist() -> None:
    known = {name.split()[0] for name, _ in COMMANDS}
    for document in [ROOT / "README.md", *ROOT.glob("docs/*.md"), ROOT / "CONTRIBUTING.md"]:
        for word in re.findall(r"^ {4}qualify ([a-z][a-z-]*)", document.read_text(encoding="utf-8"), re.MULTILINE):
            assert word in known, f"{document.name} names 'qualify {word}', which does not exist"


def test_links_between_documents_hold() -> None:
    for document in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name} links to {target}, which is not there"
