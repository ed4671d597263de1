# SPDX-License-Identifier: Apache-2.0
"""The quick reader says of every file that ships what the careful one says, as to type and value."""

from __future__ import annotations

from pathlib import Path

import pytest

import qualify
from qualify import yamlquick
from qualify.yamlbounds import bounded_parser
from qualify.yamlquick import read_quickly

ROOT = Path(qualify.__file__).parent
SHIPPED = sorted(ROOT.rglob("*.yaml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: str(p.relative_to(ROOT)))
def test_shipped_files(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert repr(read_quickly(text)) == repr(bounded_parser().load(text))  # 1 == True


def test_there_are_some() -> None:
    assert len(SHIPPED) > 25


WORDS = [
    "on",
    "off",
    "yes",
    "true",
    "False",
    "~",
    "null",
    "0",
    "-7",
    "12",
    "0x1F",
    "7.1",
    "7.1.13",
    "12:30",
    "'7'",
    '"on"',
    "kho-v1",
    "0.5",
    "1.5e-3",
    "<",
    "n",
    "y",
    "N",
]


@pytest.mark.parametrize("word", ["", *WORDS])
def test_words(word: str) -> None:
    """All that our files use; dates they put in quotes."""
    assert repr(read_quickly(f"a: {word}\n")) == repr(bounded_parser().load(f"a: {word}\n"))


def test_without_libyaml(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yamlquick, "_SafeLoader", None)
    assert read_quickly("on: {a: [1, 0x10], <<: {b: true}}") == {"on": {"a": [1, 16], "b": True}}
