# SPDX-License-Identifier: Apache-2.0
"""One `qemu-system-* -dump-vmstate` file as a format set. Reads it, judges nothing.

Shape as QEMU 7.2 writes it (observed: `qemu-system-x86_64 -M pc-q35-7.2 -dump-vmstate FILE`).
"""

from __future__ import annotations

import json
import marshal
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from qualify.errors import Problem, Problems, SchemaError

__all__ = ["MACHINE", "VmDescription", "VmDump", "VmField", "VmSection", "load_dump", "load_dumps"]

MACHINE = "vmschkmachine"
_HINT = "make the file with: qemu-system-ARCH -M TYPE -dump-vmstate FILE"


@dataclass(frozen=True, slots=True)
class VmField:
    """One field. `size` is in bytes per element; `keys` are all keys the file gives, known or not."""

    name: str
    version_id: int
    size: int
    num: int
    description: VmDescription | None
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VmDescription:
    """A VMStateDescription: fields in stream order, subsections in file order."""

    name: str
    version_id: int
    minimum_version_id: int
    fields: tuple[VmField, ...]
    subsections: tuple[VmDescription, ...]
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VmSection:
    """One top-level entry: a device and its description."""

    name: str
    version_id: int
    minimum_version_id: int
    description: VmDescription | None
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VmDump:
    """One file. `machine` is "" where the file names none."""

    machine: str
    sections: dict[str, VmSection]


class _ShapeError(Exception):
    """A structure error, worded with its JSON path."""


def _object(value: object, path: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise _ShapeError(f"{path}: expected an object, got {type(value).__name__}")
    return value


def _list(value: object, path: str) -> list[object]:
    if not isinstance(value, list):
        raise _ShapeError(f"{path}: expected a list, got {type(value).__name__}")
    return value


def _int(obj: dict[str, object], key: str, path: str) -> int:
    value = obj.get(key)
    if type(value) is not int:
        raise _ShapeError(f"{path}.{key}: expected an integer, got {value!r}")
    return value


def _str(obj: dict[str, object], key: str, path: str) -> str:
    value = obj.get(key)
    if not isinstance(value, str):
        raise _ShapeError(f"{path}.{key}: expected a string, got {value!r}")
    return value


def _field(value: object, path: str) -> VmField:
    obj = _object(value, path)
    inner = _description(obj["Description"], f"{path}.Description") if "Description" in obj else None
    num = _int(obj, "num", path) if "num" in obj else 1
    return VmField(
        _str(obj, "field", path), _int(obj, "version_id", path), _int(obj, "size", path), num, inner, tuple(obj)
    )


def _description(value: object, path: str) -> VmDescription:
    obj = _object(value, path)
    fields = _list(obj.get("Fields", []), f"{path}.Fields")
    subsections = _list(obj.get("Subsections", []), f"{path}.Subsections")
    return VmDescription(
        _str(obj, "name", path),
        _int(obj, "version_id", path),
        _int(obj, "minimum_version_id", path),
        tuple(_field(item, f"{path}.Fields[{at}]") for at, item in enumerate(fields)),
        tuple(_description(item, f"{path}.Subsections[{at}]") for at, item in enumerate(subsections)),
        tuple(obj),
    )


def _section(name: str, value: object, path: str) -> VmSection:
    obj = _object(value, path)
    inner = _description(obj["Description"], f"{path}.Description") if "Description" in obj else None
    return VmSection(name, _int(obj, "version_id", path), _int(obj, "minimum_version_id", path), inner, tuple(obj))


def _key(name: str, value: Any) -> bytes:
    # version 2 of marshal writes equal values alike, and faster than all else in the standard library
    return marshal.dumps((name, value), 2)


def load_dumps(paths: Iterable[Path]) -> tuple[VmDump, ...]:
    """Several files; equal sections are one object in all of them. Raises SchemaError with the mistakes of every file.

    A file has one mistake at most: the first.
    """
    known: dict[bytes, VmSection] = {}
    problems = Problems()
    dumps = [problems.take(partial(_load, path, known)) for path in paths]
    if problems.found:
        raise SchemaError(problems.found)
    return tuple(dump for dump in dumps if dump is not None)


def load_dump(path: Path) -> VmDump:
    """Raises SchemaError (exit status 2) with line and column for bad JSON, with the JSON path for a bad shape."""
    return _load(path, {})


def _load(path: Path, known: dict[bytes, VmSection]) -> VmDump:
    try:
        top = _object(json.loads(path.read_text(encoding="utf-8")), "$")
        machine = ""
        sections = {}
        for name, value in top.items():
            at = f"$[{json.dumps(name)}]"
            if name == MACHINE:
                machine = _str(_object(value, at), "Name", at)
            else:
                key = _key(name, value)
                if key not in known:
                    known[key] = _section(name, value, at)
                sections[name] = known[key]
    except json.JSONDecodeError as error:
        raise SchemaError([Problem(str(path), error.lineno, error.colno, f"not JSON: {error.msg}", _HINT)]) from None
    except (OSError, ValueError, RecursionError) as error:
        raise SchemaError([Problem(str(path), 0, 0, f"cannot be read: {error}", _HINT)]) from None
    except _ShapeError as error:
        raise SchemaError([Problem(str(path), 1, 1, str(error), _HINT)]) from None
    return VmDump(machine, sections)
