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


DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/*.md"))]
_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"^ {4}.*", re.MULTILINE)
_INLINE = re.compile(r"`([^`]+)`")
# where a command can begin; help texts on the page of commands hold prose, too
_CALLED = re.compile(r"(?:^|[;&|(]|: |\$ ) *qualify((?: +[a-z][a-z-]*)+)", re.MULTILINE)


def named(text: str) -> list[str]:
    """Every `qualify WORD ...` within the code of a document: spans, indented and fenced blocks."""
    code = _FENCED.findall(text)
    text = _FENCED.sub("", text)
    code += [*_INDENTED.findall(text), *(span.replace("\n", " ") for span in _INLINE.findall(text))]
    return [words.strip() for part in code for words in _CALLED.findall(part)]


def unknown(words: str) -> str:
    """The part of a command line that is no command; '' when it is one, a whole group, or one with arguments."""
    known = {name for name, _ in COMMANDS}
    groups = {name.rsplit(" ", 1)[0] for name in known if " " in name}
    for end in range(1, len(words.split()) + 1):
        name = " ".join(words.split()[:end])
        if name in known:
            return ""
        if name not in groups:
            return name
    return ""


@pytest.mark.parametrize("document", DOCUMENTS, ids=[d.name for d in DOCUMENTS])
def test_commands_in_the_documents_exist(document: Path) -> None:
    words = named(document.read_text(encoding="utf-8"))
    assert [w for w in words if unknown(w)] == []


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("see `qualify schema lint`, then go on", ["schema lint"]),
        ("wrapped as `qualify\nschema\nlint X`", ["schema lint"]),
        ("    qualify ask 7.1 7.2", ["ask"]),
        ("```sh\ncd x && qualify chek a b\n```", ["chek"]),
        (
            "the folder `qualify/schema/data`, the group `qualify schema`, `qualify schema show 7.1`, `qualify` itself",
            [],
        ),
        ("plain words: qualify everything", []),
        ("```text\nwhat qualify wrote is kept. Examples: qualify matrix list; qualify matrx list\n```", ["matrx"]),
    ],
)
def test_a_command_that_does_not_exist_is_found(text: str, missing: list[str]) -> None:
    assert [u for w in named(text) if (u := unknown(w))] == missing


def test_markers_in_the_documents_are_those_that_tests_have() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    sources = [p.read_text(encoding="utf-8") for p in (ROOT / "tests").rglob("test_*.py")]
    named_here = set(re.findall(r"^\| marked `(\w+)`", text, re.MULTILINE))
    assert named_here
    assert {m for m in named_here if not any(f"pytest.mark.{m}" in s for s in sources)} == set()


def test_links_between_documents_hold() -> None:
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name} links to {target}, which is not there"
