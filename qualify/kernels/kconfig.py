# SPDX-License-Identifier: Apache-2.0
"""What a kernel tree says about its options: which there are, and what they depend on: enough to explain."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from qualify.kernels.config import setting

__all__ = ["Declared", "declared_options", "merged", "why_not"]

_DECLARES = re.compile(r"^(?:menu)?config[ \t]+(\w+)\s*$")
_DEPENDS = re.compile(r"^\s+depends on\s+(.+)$")
_SYMBOL = re.compile(r"\b[A-Z0-9][A-Z0-9_]*\b")
_LINE = re.compile(r"(?:# )?CONFIG_(\w+)(?:=| is not set)")
_OTHER_ARCHITECTURES = re.compile(r"arch/(?!x86/)")


@dataclass(frozen=True)
class Declared:
    """Where an option is declared and what it says that it depends on; what encloses it may ask for more."""

    file: str
    depends: tuple[str, ...]


def declared_options(tree: Path) -> Mapping[str, Declared]:
    """Every option that the Kconfig files of a tree declare for x86; of several declarations the first."""
    found: dict[str, Declared] = {}
    for path in _files(tree):
        name = str(path.relative_to(tree))
        for option, depends in _declarations(path.read_text(encoding="utf-8", errors="replace")):
            found.setdefault(option, Declared(name, depends))
    return found


def why_not(option: str, declared: Mapping[str, Declared], options: Mapping[str, str]) -> str:
    """Why an option may not have taken effect, in words: what it depends on, with what that is set to."""
    where = declared.get(option)
    if where is None:
        return "this tree has no such option"
    if not where.depends:
        return f"{where.file} gives no condition; a menu around it, or another option that selects it, decides"
    symbols = dict.fromkeys(s for text in where.depends for s in _SYMBOL.findall(text))
    values = ", ".join(f"{s}={setting(options, s)}" for s in symbols)
    return f"{where.file}: depends on {' && '.join(where.depends)}; here {values}"


def merged(base: str, fragments: Sequence[Mapping[str, str]]) -> str:
    """A configuration with the options of fragments in place of its own; of several fragments the last counts."""
    wanted: dict[str, str] = {}
    for fragment in fragments:
        wanted |= fragment
    lines = [line for line in base.splitlines() if not ((m := _LINE.match(line)) and m[1] in wanted)]
    return "\n".join([*lines, *(_line(option, value) for option, value in wanted.items())]) + "\n"


def _line(option: str, value: str) -> str:
    if value == "n":
        return f"# CONFIG_{option} is not set"
    plain = value in ("y", "m") or re.fullmatch(r"-?\d+|0x[0-9a-fA-F]+", value)
    return f"CONFIG_{option}={value}" if plain else f'CONFIG_{option}="{value}"'


def _files(tree: Path) -> Iterator[Path]:
    for folder, below, names in os.walk(tree):
        below[:] = [
            b
            for b in sorted(below)
            if not b.startswith(".") and not _OTHER_ARCHITECTURES.match(f"{Path(folder, b).relative_to(tree)}/")
        ]
        yield from (Path(folder, name) for name in sorted(names) if name.startswith("Kconfig"))


def _declarations(text: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    option, depends = "", []  # type: str, list[str]
    for line in text.replace("\\\n", " ").splitlines():
        if match := _DECLARES.match(line):
            if option:
                yield option, tuple(depends)
            option, depends = match[1], []
        elif line[:1].strip() and not line.startswith("#"):  # another entry ends it
            if option:
                yield option, tuple(depends)
            option = ""
        elif option and (match := _DEPENDS.match(line)):
            depends.append(" ".join(match[1].split()))
    if option:
        yield option, tuple(depends)
