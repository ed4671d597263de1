# SPDX-License-Identifier: Apache-2.0
"""Structs as a C compiler lays them out: C text from (name, type, bits), and what the compiled program prints."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from qualify.schema.layout import Struct, parse_type

__all__ = ["CC", "Laid", "Member", "Shape", "lay_out", "needs_cc", "shape_of"]

CC = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
needs_cc = pytest.mark.skipif(CC is None, reason="needs a C compiler (cc, gcc or clang)")

_C_TYPES = {
    "u8": "uint8_t",
    "u16": "uint16_t",
    "u32": "uint32_t",
    "u64": "uint64_t",
    "s32": "int32_t",
    "s64": "int64_t",
    "phys": "uint64_t",
    "char": "char",
}


@dataclass(frozen=True)
class Member:
    """What C needs to know of a member; `bits` is the width of a bit-field, 0 for none."""

    name: str
    type: str
    bits: int = 0


@dataclass(frozen=True)
class Shape:
    """A struct without offsets."""

    name: str
    packed: bool
    members: Sequence[Member]


@dataclass
class Laid:
    """What the compiler made of it: size in bytes; (lowest bit, width in bits) by member."""

    size: int = 0
    places: dict[str, tuple[int, int]] = field(default_factory=dict)


def shape_of(struct: Struct) -> Shape:
    members = [Member(f.name, f.type, f.bits[1] if f.bits else 0) for f in struct.fields]
    return Shape(struct.id, struct.packed, members)


def lay_out(shapes: Sequence[Shape], folder: Path) -> Mapping[str, Laid]:
    """Compile a program that prints sizes and places, and run it. Inner structs must come before outer ones."""
    source, program = folder / "layout.c", folder / "layout"
    source.write_text(_text(shapes))
    assert CC is not None
    subprocess.run([CC, "-std=c11", "-Wall", "-Werror", "-o", str(program), str(source)], check=True, timeout=60)
    found = {shape.name: Laid() for shape in shapes}
    for line in subprocess.run(
        [str(program)], check=True, capture_output=True, text=True, timeout=60
    ).stdout.splitlines():
        index, name, low, width = line.split()
        laid = found[shapes[int(index)].name]
        if name == "-":
            laid.size = int(low)
        else:
            laid.places[name] = (int(low), int(width))
    return found


def _text(shapes: Sequence[Shape]) -> str:
    lines = ["#include <stddef.h>", "#include <stdint.h>", "#include <stdio.h>", "#include <string.h>", ""]
    for shape in shapes:
        body = " ".join(_declaration(m) for m in shape.members)
        attribute = " __attribute__((packed))" if shape.packed else ""
        lines.append(f"struct {_identifier(shape.name)} {{ {body} }}{attribute};")
    lines += ["", "int main(void)", "{"]
    for index, shape in enumerate(shapes):
        name = f"struct {_identifier(shape.name)}"
        lines.append(f'\tprintf("{index} - %zu 0\\n", sizeof({name}));')
        for m in shape.members:
            if m.bits:
                lines.append(_find_bits(index, name, m))
            else:
                where = f"8 * offsetof({name}, {m.name}), 8 * sizeof((({name} *)0)->{m.name})"
                lines.append(f'\tprintf("{index} {m.name} %zu %zu\\n", {where});')
    return "\n".join([*lines, "\treturn 0;", "}", ""])


def _find_bits(index: int, name: str, member: Member) -> str:
    """No offsetof() for bit-fields: fill the field and see which bits of the struct are set."""
    return f"""\
\t{{
\t\t{name} value;
\t\tunsigned char bytes[sizeof(value)];
\t\tint low = -1, width = 0;

\t\tmemset(&value, 0, sizeof(value));
\t\tvalue.{member.name} = ~0ULL >> {64 - member.bits};
\t\tmemcpy(bytes, &value, sizeof(value));
\t\tfor (int i = 0; i < 8 * (int)sizeof(value); i++)
\t\t\tif (bytes[i / 8] >> (i % 8) & 1) {{
\t\t\t\tif (low < 0)
\t\t\t\t\tlow = i;
\t\t\t\twidth++;
\t\t\t}}
\t\tprintf("{index} {member.name} %d %d\\n", low, width);
\t}}"""


def _declaration(member: Member) -> str:
    spec = parse_type(member.type)
    base = f"struct {_identifier(spec.base)}" if spec.is_struct else _C_TYPES[spec.base]
    array = f"[{spec.count}]" if spec.count else ""
    bits = f" : {member.bits}" if member.bits else ""
    return f"{base} {member.name}{array}{bits};"


def _identifier(name: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in name)
