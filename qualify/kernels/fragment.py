# SPDX-License-Identifier: Apache-2.0
"""The options that every kernel needs here: `data/fragment.config`, in which each says why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from qualify.errors import InputError, Problem
from qualify.kernels.config import parse_config

__all__ = ["FRAGMENT", "Unmet", "read_fragment", "unmet"]

FRAGMENT = Path(__file__).parent / "data" / "fragment.config"


@dataclass(frozen=True)
class Unmet:
    """An option that did not take effect. `known` is whether the tree has it at all, where that is known."""

    option: str
    wanted: str
    got: str
    known: bool = True


def read_fragment(path: Path = FRAGMENT) -> Mapping[str, str]:
    """The options of a fragment; InputError when it is none."""
    try:
        options = parse_config(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8 text"
        raise InputError([Problem(str(path), 0, 0, f"cannot be read: {reason}")]) from error
    if not options:
        text = "sets no option; expected lines such as CONFIG_NUMA=y or '# CONFIG_NUMA is not set'"
        raise InputError([Problem(str(path), 0, 0, text)])
    return options


def unmet(
    wanted: Mapping[str, str], options: Mapping[str, str], tree: frozenset[str] | None = None
) -> tuple[Unmet, ...]:
    """Options of a fragment that a configuration does not have so; `tree` are the options that the tree declares."""
    found = []
    for option, value in wanted.items():
        got = options.get(option, "" if value == "" else "n")
        if got != value:
            found.append(Unmet(option, value, got, tree is None or option in tree))
    return tuple(found)
