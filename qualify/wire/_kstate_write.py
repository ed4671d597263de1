# SPDX-License-Identifier: Apache-2.0
"""KSTATE v3: values to bytes.

Source: save_kstate(), save_kstates() and kstate_save_state() in kernel/liveupdate/kstate.c of KSTATE v3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from qualify.errors import EncodeError
from qualify.schema.kstate import ENTRY_BYTES, FieldKind, KstateDescription, KstateField
from qualify.wire._kstate_entries import FIRST, KS_EOF, KSTATE_MAGIC, Entry, SectionType

__all__ = ["Value", "Values", "leaf", "mapping", "write"]

# Of a struct a mapping, of an array of pointers to structs a sequence of them, of a subsection a mapping by its name.
Value: TypeAlias = "bytes | int | Mapping[str, Value] | Sequence[Mapping[str, Value]]"
Values: TypeAlias = Mapping[str, Value]


def write(states: Sequence[tuple[KstateDescription, Values]]) -> bytes:
    """The stream of these states, given in the order of registration: the last registered comes first.

    Fields beyond their description's version are left out, as are deprecated ones; only the subsections of a state
    itself are written, not those of what it nests. Raises EncodeError.
    """
    stream = KSTATE_MAGIC.to_bytes(FIRST, "little")
    for description, values in reversed(states):
        instance = description.instance_id
        stream += _section(description, values, instance, SectionType.SECTION, description.name)
        for sub in description.subsections:
            path = f"{description.name}.{sub.name}"
            inner = mapping(_value(values, sub.name, path), path)
            stream += _section(sub, inner, instance, SectionType.SUBSECTION, path)
    return stream + KS_EOF.to_bytes(4, "little", signed=True)


def leaf(value: Value, size: int, path: str) -> bytes:
    """A plain value as its `size` bytes; numbers little-endian. Raises EncodeError."""
    if isinstance(value, int):
        try:
            return value.to_bytes(size, "little", signed=value < 0)
        except OverflowError:
            raise EncodeError(f"'{path}': {value:#x} does not fit {size} bytes") from None
    if not isinstance(value, bytes):
        raise EncodeError(f"'{path}': expected bytes or a number, got {type(value).__name__}")
    if len(value) != size:
        raise EncodeError(f"'{path}': expected {size} bytes, got {len(value)}")
    return value


def _section(
    description: KstateDescription, values: Values, instance: int, section_type: SectionType, path: str
) -> bytes:
    data = b"".join(
        _field(f, _value(values, f.name, f"{path}.{f.name}"), section_type, f"{path}.{f.name}")
        for f in description.written()
    )
    if len(data) + ENTRY_BYTES >= 1 << 31:
        raise EncodeError(f"'{path}': {len(data)} bytes do not fit an entry")
    head = Entry(0, section_type, description.id, description.version_id, instance, len(data))
    return head.pack() + data


def _field(field: KstateField, value: Value, section_type: SectionType, path: str) -> bytes:
    nested = field.description
    if nested is None:
        return leaf(value, field.size * field.count, path)
    if field.kind is FieldKind.STRUCT:
        return _section(nested, mapping(value, path), 0, section_type, path)
    if isinstance(value, int | bytes | Mapping) or len(value) != field.count:
        raise EncodeError(f"'{path}': expected a sequence of {field.count} mappings")
    return b"".join(_section(nested, mapping(v, path), 0, section_type, path) for v in value)


def _value(values: Values, name: str, path: str) -> Value:
    try:
        return values[name]
    except KeyError:
        raise EncodeError(f"'{path}' has no value") from None


def mapping(value: Value, path: str) -> Values:
    """A value of what has fields. Raises EncodeError."""
    if not isinstance(value, Mapping):
        raise EncodeError(f"'{path}': expected a mapping, got {type(value).__name__}")
    return value
