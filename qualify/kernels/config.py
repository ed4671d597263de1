# SPDX-License-Identifier: Apache-2.0
"""Kernel configurations: `.config` files and `/proc/config.gz`, as what each option is set to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["parse_config", "setting"]

_SET = re.compile(r"CONFIG_(\w+)=(.*)")
_UNSET = re.compile(r"# CONFIG_(\w+) is not set")


def parse_config(text: str) -> Mapping[str, str]:
    """Option without ``CONFIG_`` -> its value; ``n`` for those that the text says are not set.

    Quotes around text are left out. Lines that set nothing are skipped; of two lines for one option the last counts, as
    for the kernel's own tools (scripts/kconfig/confdata.c, conf_read_simple(), of 7.1.13).
    """
    found: dict[str, str] = {}
    for line in text.splitlines():
        if match := _SET.fullmatch(line.strip()):
            value = match[2]
            found[match[1]] = value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
        elif match := _UNSET.fullmatch(line.strip()):
            found[match[1]] = "n"
    return MappingProxyType(found)


def setting(options: Mapping[str, str], option: str) -> str:
    """What an option is set to; ``n`` when the configuration does not name it: the tree has none, or hides it."""
    return options.get(option, "n")
