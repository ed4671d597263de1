# SPDX-License-Identifier: Apache-2.0
"""Structs to bytes and back, driven by the schema's layouts; single ones and whole arrays (numpy).

Bit-fields are carried as their members: ``pfn`` and ``flags`` of one u64 are two values here.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from qualify.errors import EncodeError, TruncatedError
from qualify.schema import FlatField, Schema
from qualify.wire.memory import Array

__all__ = ["StructCodec"]

Value = int | bytes | tuple[int, ...]

_PACK = {"u8": "B", "u16": "H", "u32": "I", "u64": "Q", "s32": "i", "s64": "q", "phys": "Q"}
_NUMPY = {"u8": "u1", "u16": "u2", "u32": "u4", "u64": "u8", "s32": "i4", "s64": "i8", "phys": "u8"}


class StructCodec:
    """Codec of one struct. Unknown members given to `pack` are ignored, so that one caller serves several versions."""

    def __init__(self, schema: Schema, struct_id: str, endian: str = "little") -> None:
        self.id = struct_id
        self.size = schema.structs[struct_id].size
        self.fields: tuple[FlatField, ...] = schema.flat(struct_id)
        self._order = "<" if endian == "little" else ">"
        self._units: dict[int, tuple[str, list[FlatField]]] = {}
        names, formats, offsets, plan = [], [], [], []
        for member in self.fields:
            if member.bits is not None and member.offset in self._units:
                self._units[member.offset][1].append(member)
                continue
            name = member.name
            if member.bits is not None:
                name = f"@{member.offset}"
                self._units[member.offset] = (name, [member])
            names.append(name)
            offsets.append(member.offset)
            formats.append(self._numpy_format(member))
            plan.append((member.offset, name, self._pack_format(member)))
        self.dtype = np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": self.size})
        self._names = frozenset(f.name for f in self.fields)
        self._bits = {f.name: (f"@{f.offset}", *f.bits) for f in self.fields if f.bits is not None}
        self._struct, self._plan = self._compile(plan)

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def member(self, name: str) -> FlatField:
        """The member with that (dotted) name; KeyError when this version has none."""
        for member in self.fields:
            if member.name == name:
                return member
        raise KeyError(name)

    def pack(self, values: Mapping[str, Value]) -> bytes:
        """One struct; members not given are zero. EncodeError when a value does not fit its member."""
        flat: list[int | bytes] = []
        for name, count in self._plan:
            value: Value = (
                self._unit_value(name, values) if name.startswith("@") else values.get(name, b"" if count < 0 else 0)
            )
            if count < 0:  # text: NUL-padded, and like strscpy() always terminated
                text = value if isinstance(value, bytes) else b""
                if len(text) >= -count:
                    raise EncodeError(f"'{name}' of {self.id} takes {-count - 1} bytes of text, got {len(text)}")
                flat.append(text)
            elif count > 1:
                items = value if isinstance(value, tuple) else ()
                flat.extend(items + (0,) * (count - len(items)))
            else:
                flat.append(value if isinstance(value, int) else 0)
        try:
            return self._struct.pack(*flat)
        except struct.error as error:
            raise EncodeError(f"{self.id}: {error}") from None

    def unpack(self, data: bytes, offset: int = 0) -> dict[str, Value]:
        """One struct from `data` at `offset`; text keeps its padding. TruncatedError when it does not fit."""
        if offset < 0 or len(data) - offset < self.size:
            raise TruncatedError(
                f"{self.id} needs {self.size} bytes, {max(len(data) - offset, 0)} are left", offset=offset
            )
        flat = self._struct.unpack_from(data, offset)
        out: dict[str, Value] = {}
        index = 0
        for name, count in self._plan:
            if count > 1:
                out[name] = flat[index : index + count]
                index += count
                continue
            value = flat[index]
            index += 1
            if name.startswith("@"):
                for member in self._units[int(name[1:])][1]:
                    low, width = member.bits or (0, 64)
                    out[member.name] = (value >> low) & ((1 << width) - 1)
            else:
                out[name] = value
        return out

    def pack_array(self, columns: Mapping[str, npt.NDArray[np.uint64] | int], count: int) -> Array:
        """`count` structs from columns of unsigned values; shape (count * size,) bytes."""
        rows = np.zeros(count, dtype=self.dtype)
        for name, column in columns.items():
            if name in self._bits:
                unit, low, width = self._bits[name]
                part = np.asarray(column, dtype=np.uint64)
                if np.any(part >> np.uint64(width)):
                    raise EncodeError(f"'{name}' of {self.id} has {width} bits, a value needs more")
                rows[unit] |= (part << np.uint64(low)).astype(rows[unit].dtype)
            elif name in self._names:
                part, kind = np.asarray(column, dtype=np.uint64), rows.dtype[name]
                if kind.kind in "iu" and np.any(part > np.uint64(np.iinfo(kind).max)):
                    raise EncodeError(f"'{name}' of {self.id} has {8 * kind.itemsize} bits, a value needs more")
                rows[name] = part
        return rows.view(np.uint8).reshape(-1)

    def unpack_array(self, data: Array | bytes, count: int) -> npt.NDArray[np.void]:
        """`count` structs as a numpy record array; use `column` to read members."""
        if count < 0 or len(data) < count * self.size:
            raise TruncatedError(f"{count} x {self.id} need {count * self.size} bytes, {len(data)} are there")
        return np.frombuffer(data, dtype=self.dtype, count=count)

    def column(self, rows: npt.NDArray[np.void], name: str) -> npt.NDArray[np.uint64]:
        """One integer member of every row."""
        if name in self._bits:
            unit, low, width = self._bits[name]
            return (rows[unit].astype(np.uint64) >> np.uint64(low)) & np.uint64((1 << width) - 1)
        return rows[name].astype(np.uint64)

    def _unit_value(self, name: str, values: Mapping[str, Value]) -> int:
        total = 0
        for member in self._units[int(name[1:])][1]:
            low, width = member.bits or (0, 64)
            value = values.get(member.name, 0)
            if not isinstance(value, int) or not 0 <= value < 1 << width:
                raise EncodeError(f"'{member.name}' of {self.id} has {width} bits, got {value!r}")
            total |= value << low
        return total

    def _numpy_format(self, member: FlatField) -> str:
        if member.type == "char":
            return f"S{max(member.count, 1)}"
        prefix = f"({member.count},)" if member.count else ""
        return prefix + self._order + _NUMPY[member.type]

    def _pack_format(self, member: FlatField) -> tuple[str, int]:
        if member.type == "char":
            return f"{max(member.count, 1)}s", -max(member.count, 1)
        return (f"{member.count}" if member.count else "") + _PACK[member.type], max(member.count, 1)

    def _compile(self, plan: list[tuple[int, str, tuple[str, int]]]) -> tuple[struct.Struct, list[tuple[str, int]]]:
        text, at, members = self._order, 0, []
        for offset, name, (code, count) in sorted(plan):
            text += f"{offset - at}x" if offset > at else ""
            text += code
            at = offset + struct.calcsize(self._order + code)
            members.append((name, count))
        text += f"{self.size - at}x" if self.size > at else ""
        return struct.Struct(text), members
