# SPDX-License-Identifier: Apache-2.0
"""What a reader gets when it reads one layout's bytes as another: small images of structs, made from the schema.

Only for pairs whose strings agree and whose layouts do not, where nothing but the bytes can tell what happens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qualify.schema import FlatField, Schema

__all__ = ["Misread", "Table", "Value", "decode", "encode", "misread", "read_table"]

Value = int | bytes


@dataclass(frozen=True, slots=True)
class Misread:
    """One member that the reader does not get as it was written. `got` is None when the reader has no such member."""

    name: str
    want: Value
    got: Value | None


@dataclass(frozen=True, slots=True)
class Table:
    """Header and entries as a reader decodes them."""

    header: Mapping[str, Value]
    entries: tuple[Mapping[str, Value], ...]


def _is_bytes(member: FlatField) -> bool:
    return member.type == "char" or member.count > 0


def encode(schema: Schema, struct: str, values: Mapping[str, Value]) -> bytes:
    """The bytes of a struct; members without a value are zero."""
    image = bytearray(schema.structs[struct].size)
    for member in schema.flat(struct):
        value = values.get(member.name, 0)
        if _is_bytes(member):
            raw = value if isinstance(value, bytes) else b""
            image[member.offset : member.offset + member.size] = raw[: member.size].ljust(member.size, b"\0")
            continue
        number = value if isinstance(value, int) else 0
        if member.bits is not None:
            low, width = member.bits
            number = (number & ((1 << width) - 1)) << low
            number |= int.from_bytes(image[member.offset : member.offset + member.size], "little")
        number &= (1 << 8 * member.size) - 1
        image[member.offset : member.offset + member.size] = number.to_bytes(member.size, "little")
    return bytes(image)


def decode(schema: Schema, struct: str, image: bytes) -> dict[str, Value]:
    """The members of a struct; bytes past the end of the image are zero, as in the page it lies in."""
    image = image.ljust(schema.structs[struct].size, b"\0")
    values: dict[str, Value] = {}
    for member in schema.flat(struct):
        raw = image[member.offset : member.offset + member.size]
        if _is_bytes(member):
            values[member.name] = raw.rstrip(b"\0")
        else:
            number = int.from_bytes(raw, "little")
            if member.bits is not None:
                number = number >> member.bits[0] & ((1 << member.bits[1]) - 1)
            values[member.name] = number
    return values


def misread(schema: Schema, written: str, read: str, values: Mapping[str, Value]) -> tuple[Misread, ...]:
    """Every member of `values` that a reader of `read` does not get from the bytes of `written`."""
    got = decode(schema, read, encode(schema, written, values))
    return tuple(Misread(name, want, got.get(name)) for name, want in values.items() if got.get(name) != want)


def read_table(
    schema: Schema,
    written: tuple[str, str],
    read: tuple[str, str],
    header: Mapping[str, Value],
    entries: Sequence[Mapping[str, Value]],
) -> Table:
    """(header struct, entry struct) of both sides; a header may be ''. As many entries as were written are read."""
    image = encode(schema, written[0], header) if written[0] else b""
    image += b"".join(encode(schema, written[1], entry) for entry in entries)
    start = schema.structs[read[0]].size if read[0] else 0
    step = schema.structs[read[1]].size
    return Table(
        decode(schema, read[0], image) if read[0] else {},
        tuple(decode(schema, read[1], image[start + i * step :][:step]) for i in range(len(entries))),
    )
