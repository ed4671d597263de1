# SPDX-License-Identifier: Apache-2.0
"""FDT properties as the schema describes them: width and byte order are its facts, not the codecs'."""

from __future__ import annotations

from typing import Literal

from qualify.errors import EncodeError
from qualify.schema import FdtProperty
from qualify.wire.fdt import Node

__all__ = ["read_number", "write_number"]

_WIDTH = {"u32": 4, "u64": 8}

Endian = Literal["little", "big"]


def write_number(prop: FdtProperty, value: int, native: Endian = "little") -> bytes:
    """The payload of a number; EncodeError when it does not fit. `native` is the byte order of the machine."""
    try:
        return value.to_bytes(_width(prop), _endian(prop, native))
    except OverflowError:
        raise EncodeError(f"'{prop.name}' is a {prop.type}, {value:#x} does not fit") from None


def read_number(node: Node, prop: FdtProperty, native: Endian = "little") -> int | None:
    """A number, or None if the property is absent or of another length: kernels refuse both alike."""
    payload = node.get(prop.name)
    if payload is None or len(payload) != _width(prop):
        return None
    return int.from_bytes(payload, _endian(prop, native))


def _width(prop: FdtProperty) -> int:
    if prop.type not in _WIDTH:
        raise EncodeError(f"'{prop.name}' is no number but {prop.type}")
    return _WIDTH[prop.type]


def _endian(prop: FdtProperty, native: Endian) -> Endian:
    return "big" if prop.endian == "big" else native
