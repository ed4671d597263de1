# SPDX-License-Identifier: Apache-2.0
"""As much of the BPF Type Format as it takes to read struct layouts (Documentation/bpf/btf.rst)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

__all__ = ["BtfStruct", "read_btf"]

_MAGIC = 0xEB9F
_INT, _ARRAY, _STRUCT, _UNION, _ENUM, _FUNC_PROTO = 1, 3, 4, 5, 6, 13
_VAR, _DATASEC, _DECL_TAG, _ENUM64 = 14, 15, 17, 19
_TRANSPARENT = (8, 9, 10, 11, 18)  # typedef, volatile, const, restrict, type tag
# bytes behind the 12 of every type: fixed, and per element of vlen
_TAIL = {_INT: (4, 0), _ARRAY: (12, 0), _STRUCT: (0, 12), _UNION: (0, 12), _ENUM: (0, 8), _FUNC_PROTO: (0, 8)}
_TAIL |= {_VAR: (4, 0), _DATASEC: (0, 12), _DECL_TAG: (4, 0), _ENUM64: (0, 12)}


@dataclass(frozen=True)
class BtfStruct:
    """Size in bytes; by member name (nested ones dotted) the lowest bit."""

    size: int
    members: dict[str, int]


def read_btf(path: Path, names: set[str]) -> dict[str, BtfStruct]:
    """The structs of those names that the file describes."""
    data = path.read_bytes()
    magic, _, _, header = struct.unpack_from("<HBBI", data)
    assert magic == _MAGIC, f"{path} is no little-endian BTF"
    type_off, type_len, str_off, _ = struct.unpack_from("<4I", data, 8)
    strings = header + str_off
    types: list[tuple[int, int, int]] = [(0, 0, 0)]  # offset of the type, kind, vlen
    at, end = header + type_off, header + type_off + type_len
    while at < end:
        info = struct.unpack_from("<I", data, at + 4)[0]
        kind, vlen = info >> 24 & 0x1F, info & 0xFFFF
        types.append((at, kind, vlen))
        fixed, each = _TAIL.get(kind, (0, 0))
        at += 12 + fixed + each * vlen

    def text(offset: int) -> str:
        start = strings + offset
        return data[start : data.index(b"\0", start)].decode()

    def members(index: int) -> dict[str, int]:
        at, kind, vlen = types[index]
        while kind in _TRANSPARENT:
            at, kind, vlen = types[struct.unpack_from("<I", data, at + 8)[0]]
        if kind not in (_STRUCT, _UNION):
            return {}
        bitfields = struct.unpack_from("<I", data, at + 4)[0] >> 31
        found: dict[str, int] = {}
        for number in range(vlen):
            name_off, inner, offset = struct.unpack_from("<3I", data, at + 12 + 12 * number)
            low = offset & 0xFFFFFF if bitfields else offset
            name = text(name_off)
            if name:
                found[name] = low
            # only what lies within the struct itself: pointers are not followed
            for below, where in members(inner).items():
                found[f"{name}.{below}" if name else below] = low + where
        return found

    result = {}
    for index, (at, kind, _) in enumerate(types):
        if kind == _STRUCT:
            name_off, _, size = struct.unpack_from("<3I", data, at)
            name = text(name_off)
            if name in names:
                result[name] = BtfStruct(size, members(index))
    return result
