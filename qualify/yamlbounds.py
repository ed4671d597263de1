# SPDX-License-Identifier: Apache-2.0
"""YAML files beyond what anybody means: numbers of thousands of digits, nesting without end. Told with their place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import CollectionEndEvent, CollectionStartEvent, ScalarEvent

from qualify.errors import Problem

__all__ = ["is_deep", "long_number", "too_deep"]

_DIGITS = 1000
_DEPTH = 100
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


def _events(text: str) -> Iterator[Any]:
    """What the file consists of, as far as it can be read."""
    try:
        yield from YAML(typ="safe", pure=True).parse(text)
    except YAMLError:
        return


def _place(event: Any) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1
