# SPDX-License-Identifier: Apache-2.0
"""YAML files beyond what anybody means, told with their place: endless nesting, numbers of thousands of digits, and
aliases that stand for more than could be written out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import StringMark, YAMLError
from ruamel.yaml.events import CollectionEndEvent, CollectionStartEvent, ScalarEvent
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from qualify.errors import Problem

__all__ = ["UnfitError", "bounded_parser", "is_deep", "long_number", "too_deep"]

_DIGITS = 1000
_DEPTH = 100
_MOST_BY_ALIAS = 100_000  # values that aliases may add to what is written out
_TEXT = 64  # so many characters count as another value
_NUMBER = re.compile(r"[-+]?(0x[0-9a-fA-F_]+|0[ob]?[0-7_]+|[0-9_]+)")
_LONG = re.compile(f"[0-9a-fA-F_]{{{_DIGITS},}}")


def long_number(text: str, name: str) -> Problem | None:
    """A number that is longer than any that means something; Python would refuse to read or to show it."""
    if _LONG.search(text) is None:
        return None
    for event in _events(text):
        plain = isinstance(event, ScalarEvent) and event.style is None
        if plain and len(event.value) > _DIGITS and _NUMBER.fullmatch(event.value):
            return Problem(name, *_place(event), f"is a number of more than {_DIGITS} digits", "shorten it")
    return None


def is_deep(data: Any) -> bool:
    """Whether it is nested deeper than anybody means it, or without end (an alias within itself)."""
    level = [data] if isinstance(data, dict | list) else []
    for _ in range(_DEPTH):
        inside = (child for here in level for child in (here.values() if isinstance(here, dict) else here))
        # Each once: aliases may lead to one thing in more ways than can be counted.
        level = list({id(child): child for child in inside if isinstance(child, dict | list)}.values())
        if not level:
            return False
    return True


def too_deep(text: str, name: str) -> Problem:
    """The place where nesting becomes too deep."""
    place, depth = (0, 0), 0
    for event in _events(text):
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if depth > _DEPTH:
            place = _place(event)
            break
    return Problem(name, *place, "is nested too deeply", "no file needs more than a few levels")


class UnfitError(Exception):
    """YAML all right, but nothing that a file of ours can be."""

    def __init__(self, message: str, mark: StringMark) -> None:
        super().__init__(message)
        self.mark = mark


class _Extent:
    """How many values a tree stands for, every alias taken for what it names, and how many are `written`."""

    def __init__(self) -> None:
        self.written = 0
        self._known: dict[int, int | None] = {}

    def of(self, node: Node) -> int:
        if id(node) in self._known:
            known = self._known[id(node)]
            if known is None:
                raise UnfitError("an alias stands within what it names", node.start_mark)
            return known
        self._known[id(node)] = None
        children: list[Node] = []
        if isinstance(node, MappingNode):
            children = [part for pair in node.value for part in pair]
        elif isinstance(node, SequenceNode):
            children = node.value
        total = 1 if children else 1 + len(node.value) // _TEXT
        self.written += total
        for child in children:
            total += self.of(child)
        self._known[id(node)] = total
        return total


class _Constructor(SafeConstructor):
    """Looks at what aliases stand for before anything is made of it: merging (``<<``) copies, and so do our models."""

    def construct_document(self, node: Node) -> Any:
        extent = _Extent()
        if extent.of(node) - extent.written > _MOST_BY_ALIAS:
            text = f"its aliases stand for more than {_MOST_BY_ALIAS:,} values; write out what they should mean"
            raise UnfitError(text, node.start_mark)
        return super().construct_document(node)


def bounded_parser() -> YAML:
    """Raises UnfitError for what aliases make too large.

    Never the parser in C, which is taken where it happens to be installed: endless nesting crashes the process there.
    """
    parser = YAML(typ="safe", pure=True)
    parser.Constructor = _Constructor
    return parser


def _events(text: str) -> Iterator[Any]:
    """What the file consists of, as far as it can be read."""
    try:
        yield from YAML(typ="safe", pure=True).parse(text)
    except YAMLError:
        return


def _place(event: Any) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1
