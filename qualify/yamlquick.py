# SPDX-License-Identifier: Apache-2.0
"""The files of this package, read by libyaml: every command needs them, and in Python they take ten times as long.

Not for files of users, who are owed places and reasons, and whose nesting crashes libyaml. A word means here what it
means in YAML 1.2: `on` is a key of ours.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

import yaml

from qualify.yamlbounds import bounded_parser

__all__ = ["read_quickly"]

_WORDS = {
    "tag:yaml.org,2002:bool": ("true|True|TRUE|false|False|FALSE", "tTfF"),
    "tag:yaml.org,2002:int": ("[-+]?(?:0|[1-9][0-9]*)|0x[0-9a-fA-F]+", "-+0123456789"),
    "tag:yaml.org,2002:float": (r"[-+]?[0-9]+\.[0-9]+(?:[eE][-+]?[0-9]+)?", "-+0123456789"),
    "tag:yaml.org,2002:null": ("~|null|Null|NULL|", ["~", "n", "N", ""]),
    "tag:yaml.org,2002:merge": ("<<", "<"),
}
_SafeLoader: Any = getattr(yaml, "CSafeLoader", None)  # None where PyYAML was built without libyaml


def read_quickly(text: str) -> Any:
    """What a YAML text of this package says; equal to what bounded_parser() makes of it."""
    return bounded_parser().load(text) if _SafeLoader is None else yaml.load(text, _loader())


def _loader() -> Any:
    class Loader(_SafeLoader):  # type: ignore[misc]
        yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}  # not those of YAML 1.1

    for tag, (pattern, first) in _WORDS.items():
        Loader.add_implicit_resolver(tag, re.compile(f"^(?:{pattern})$"), first)
    return Loader
