# SPDX-License-Identifier: Apache-2.0
"""Structs as the compiler lays them out: kernel field names, types, offsets, packing, bit-fields, arrays.

A type is one of ``u8 u16 u32 u64 s32 s64`` (integers of that width), ``phys`` (a u64 physical address),
``char`` (one byte of text), ``struct ID`` (another struct of the schema), or any of these followed by ``[N]``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import Field as PydanticField
from pydantic import field_validator, model_validator

from qualify.schema.base import Frozen, Provenance

__all__ = [
    "SCALARS",
    "Field",
    "FlatField",
    "Struct",
    "TypeSpec",
    "flatten",
    "layout_problems",
    "parse_type",
    "unresolved",
]

# type name -> size in bytes; alignment equals size on x86-64 (System V ABI)
SCALARS: Mapping[str, int] = {"u8": 1, "u16": 2, "u32": 4, "u64": 8, "s32": 4, "s64": 8, "phys": 8, "char": 1}

_TYPE = re.compile(r"^(?P<struct>struct )?(?P<name>[A-Za-z_][\w@.+-]*)(\[(?P<count>[1-9]\d*)\])?$")


@dataclass(frozen=True, slots=True)
class TypeSpec:
    """A parsed type: `base` is a scalar name or a struct id, `count` is 0 for a single value."""

    base: str
    is_struct: bool
    count: int


def parse_type(text: str) -> TypeSpec:
    """Parse a type expression; ValueError says what is wrong with it."""
    match = _TYPE.match(text)
    if not match:
        raise ValueError(f"'{text}' is not a type; expected one of {', '.join(SCALARS)}, 'struct ID', optionally [N]")
    is_struct = bool(match["struct"])
    if not is_struct and match["name"] not in SCALARS:
        raise ValueError(f"'{match['name']}' is not a scalar type; expected one of {', '.join(SCALARS)}")
    return TypeSpec(match["name"], is_struct, int(match["count"] or 0))


class Field(Frozen):
    """One member. `bits` is (lowest bit, width) within the storage unit at `offset`."""

    name: str = PydanticField(pattern=r"^[A-Za-z_]\w*$")
    type: str
    offset: int = PydanticField(ge=0)
    bits: tuple[int, int] | None = None
    text: str = ""

    @field_validator("type")
    @classmethod
    def _type_parses(cls, value: str) -> str:
        parse_type(value)
        return value

    @model_validator(mode="after")
    def _bits_fit(self) -> Field:
        if self.bits is not None:
            spec = parse_type(self.type)
            low, width = self.bits
            if spec.is_struct or spec.count or low < 0 or width < 1 or low + width > 8 * SCALARS[spec.base]:
                raise ValueError(f"bit-field {self.bits} does not fit in a single {self.type}")
        return self


class Struct(Frozen):
    """One version of a kernel struct. `id` tells versions apart, `name` is what the kernel calls it. Size in bytes."""

    id: str = PydanticField(pattern=r"^[A-Za-z_][\w@.+-]*$")
    name: str
    size: int = PydanticField(gt=0)
    packed: bool = False
    fields: tuple[Field, ...] = PydanticField(min_length=1)
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class FlatField:
    """A scalar member with nested structs flattened: ``folios.first``. Sizes and offsets in bytes."""

    name: str
    type: str
    offset: int
    count: int  # 0 for a single value
    bits: tuple[int, int] | None

    @property
    def size(self) -> int:
        return SCALARS[self.type] * max(self.count, 1)


def flatten(struct: Struct, structs: Mapping[str, Struct], prefix: str = "", base: int = 0) -> Iterator[FlatField]:
    """Yield the scalar members of `struct` in declaration order, nested ones with dotted names."""
    for field in struct.fields:
        spec = parse_type(field.type)
        if not spec.is_struct:
            yield FlatField(prefix + field.name, spec.base, base + field.offset, spec.count, field.bits)
            continue
        inner = structs[spec.base]
        for i in range(max(spec.count, 1)):
            label = f"{field.name}[{i}]" if spec.count else field.name
            yield from flatten(inner, structs, f"{prefix}{label}.", base + field.offset + i * inner.size)


def unresolved(struct: Struct, structs: Mapping[str, Struct], outer: tuple[str, ...] = ()) -> list[str]:
    """Ids of the structs that `struct` contains, at any depth, and that do not exist or contain themselves."""
    names = []
    for spec in (parse_type(field.type) for field in struct.fields):
        if spec.is_struct:
            if spec.base not in structs or spec.base in (*outer, struct.id):
                names.append(spec.base)
            else:
                names.extend(unresolved(structs[spec.base], structs, (*outer, struct.id)))
    return names


def _member(field: Field, structs: Mapping[str, Struct]) -> tuple[int, int]:
    """(size, alignment) of one member; a packed inner struct has alignment 1."""
    spec = parse_type(field.type)
    if spec.is_struct:
        inner = structs[spec.base]
        align = 1 if inner.packed else max((_member(f, structs)[1] for f in inner.fields), default=1)
        size = inner.size
    else:
        size = align = SCALARS[spec.base]
    return size * max(spec.count, 1), align


def layout_problems(struct: Struct, structs: Mapping[str, Struct]) -> list[tuple[tuple[str | int, ...], str]]:
    """Mistakes in a layout as (path, message): what the compiler would lay out otherwise (System V ABI), overruns."""
    problems: list[tuple[tuple[str | int, ...], str]] = []
    for index, field in enumerate(struct.fields):
        alone = struct.model_copy(update={"fields": (field,)})
        for name in unresolved(alone, structs):
            why = "contains itself" if name in structs else "is not in the schema"
            problems.append((("fields", index, "type"), f"struct '{name}' {why}"))
        if any(field.name == other.name for other in struct.fields[:index]):
            problems.append((("fields", index, "name"), f"the name '{field.name}' is used twice"))
    if any(loc[-1] == "type" for loc, _ in problems):
        return problems
    kind = "packed" if struct.packed else "naturally aligned"
    end, widest = 0, 1  # in bits, in bytes
    for index, field in enumerate(struct.fields):
        size, align = _member(field, structs)
        align = 1 if struct.packed else align
        widest = max(widest, align)
        if field.bits is None:
            start = _up(end, 8 * align)
            if 8 * field.offset != start:
                text = f"'{field.name}' is at {field.offset}, a {kind} layout puts it at {start // 8}"
                problems.append((("fields", index, "offset"), text))
            end = max(end, 8 * (field.offset + size))
            continue
        # a bit-field starts at the next free bit, unless it would cross a boundary of its own type
        low, width = field.bits
        start = end
        if not struct.packed and start // (8 * size) != (start + width - 1) // (8 * size):
            start = _up(start, 8 * size)
        if 8 * field.offset + low != start:
            text = f"'{field.name}' starts at bit {8 * field.offset + low}, a {kind} layout puts it at bit {start}"
            problems.append((("fields", index, "bits"), text))
        if field.offset + size > struct.size:
            text = f"'{field.name}' is read as {size} bytes at {field.offset}, beyond the size of {struct.size}"
            problems.append((("fields", index, "offset"), text))
        end = max(end, 8 * field.offset + low + width)
    total = _up(end, 8 * widest) // 8
    if total != struct.size:
        problems.append((("size",), f"size is {struct.size}, the fields add up to {total}"))
    return problems


def _up(value: int, step: int) -> int:
    return -(-value // step) * step
