# SPDX-License-Identifier: Apache-2.0
"""KSTATE v3: what a kernel with given descriptions makes of a stream, right or wrong.

Source: kstate_restore(), restore_kstate(), find_subsection() and subsection_load() in kernel/liveupdate/kstate.c of
KSTATE v3 <20250909201446.13138-1-arbn@yandex-team.com>; as-documented after Documentation/core-api/kstate.rst.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from qualify.errors import EncodeError, MagicError, TruncatedError
from qualify.schema.kstate import FieldKind, KstateDescription, KstateField
from qualify.wire._kstate_entries import Entry, SectionType, check_magic, entry_at, section_type, walk
from qualify.wire._kstate_write import Value, Values, leaf, mapping

__all__ = ["ReaderProfile", "RestoreError", "Restored", "read"]

Tree: TypeAlias = dict[str, Value]


class ReaderProfile(enum.StrEnum):
    """Which KSTATE reads: the code as posted, or what its documentation promises."""

    AS_CODED = "as-coded"
    AS_DOCUMENTED = "as-documented"


class RestoreError(enum.StrEnum):
    """What kstate_restore() returns, or would as documented."""

    ENOENT = "ENOENT"
    EINVAL = "EINVAL"  # as-documented only; the documentation names no number


@dataclass(frozen=True)
class Restored:
    """What became of the values. Paths: 'field', 'struct.field', 'array[0].field', 'subsection.field'."""

    values: Values  # those before, with what was read; plain values as bytes
    set: Mapping[str, bytes] = field(default_factory=dict)  # path -> what was read, in order
    untouched: tuple[str, ...] = ()  # paths that keep what they had; of a struct or subsection as a whole its own
    warnings: tuple[str, ...] = ()  # of each WARN_ONCE, also where an earlier one keeps the kernel silent
    error: RestoreError | None = None
    detail: str = ""  # of the error, what for


def read(
    stream: bytes,
    description: KstateDescription,
    before: Values,
    profile: ReaderProfile = ReaderProfile.AS_CODED,
) -> Restored:
    """kstate_restore() of one state whose values were `before`, which may be partial.

    Raises TruncatedError or CountError where the kernel would read outside of the stream or search without end, and
    EncodeError where `before` does not fit the description.
    """
    values = _normal(description, before)
    try:
        check_magic(stream)
    except MagicError as error:
        return _not_found(description, values, str(error))
    for number, entry in enumerate(walk(stream)):
        if number == 0 and entry.state_id == 0:
            return _not_found(description, values, "the first entry has state_id 0", "state_id 0")
        # The type is not asked for: a subsection of that id will do.
        if (entry.state_id, entry.instance_id) == (description.id, description.instance_id):
            return _Reader(stream, profile, entry.offset).load(description, values)
    what = f"no entry of state_id {description.id} and instance_id {description.instance_id}"
    return _not_found(description, values, what)


def _not_found(description: KstateDescription, values: Tree, detail: str, *warnings: str) -> Restored:
    untouched = tuple(f.name for f in description.fields if f.kind is not FieldKind.DEPRECATED)
    untouched += tuple(s.name for s in description.subsections)
    return Restored(values, {}, untouched, warnings, RestoreError.ENOENT, detail)


def _normal(description: KstateDescription, values: Values, path: str = "") -> Tree:
    """A copy that can be changed, plain values as bytes; what has no value stays without."""
    tree: Tree = {}
    for one in description.fields:
        if one.name not in values or one.kind is FieldKind.DEPRECATED:
            continue
        value, at = values[one.name], path + one.name
        if one.description is None:
            tree[one.name] = leaf(value, one.size * one.count, at)
        elif one.kind is FieldKind.STRUCT:
            tree[one.name] = _normal(one.description, mapping(value, at), f"{at}.")
        elif isinstance(value, int | bytes | Mapping):
            raise EncodeError(f"'{at}': expected a sequence of mappings")
        else:
            tree[one.name] = [_normal(one.description, mapping(v, at), f"{at}[{n}].") for n, v in enumerate(value)]
    for sub in description.subsections:
        if sub.name in values:
            at = path + sub.name
            tree[sub.name] = _normal(sub, mapping(values[sub.name], at), f"{at}.")
    return tree


class _RefusedError(Exception):
    """As documented, a version that is not read."""


class _Reader:
    """The stream with the position that restore_kstate() moves, and what happened so far."""

    def __init__(self, stream: bytes, profile: ReaderProfile, pos: int) -> None:
        self.stream, self.profile, self.pos = stream, profile, pos
        self.set: dict[str, bytes] = {}
        self.untouched: list[str] = []
        self.warnings: list[str] = []

    def load(self, description: KstateDescription, values: Tree) -> Restored:
        error, detail = None, ""
        try:
            self._restore(description, description.instance_id, values, "")
            self._subsections(description, values)
        except _RefusedError as refused:
            error, detail = RestoreError.EINVAL, str(refused)
        return Restored(values, self.set, tuple(self.untouched), tuple(self.warnings), error, detail)

    def _restore(self, description: KstateDescription, instance: int, values: Tree, path: str) -> None:
        """restore_kstate(): the header at the position is taken for one of this description, unseen id and size."""
        entry = entry_at(self.stream, self.pos)
        self.pos = entry.data
        self._compare(description, entry, instance, path)
        for one in description.fields:
            at = path + one.name
            if one.kind is FieldKind.DEPRECATED:
                if self._has_deprecated(one, entry.version_id):
                    self.pos += one.size
            elif one.version_id > entry.version_id:
                self.untouched.append(at)
            elif one.description is None:
                values[one.name] = self.set[at] = self._take(one.size * one.count, at)
            elif one.kind is FieldKind.STRUCT:
                inner = _below(values.get(one.name))
                values[one.name] = inner
                self._restore(one.description, 0, inner, f"{at}.")
            else:
                self._array(one, one.description, values, at)

    def _array(self, one: KstateField, nested: KstateDescription, values: Tree, at: str) -> None:
        before = values.get(one.name)
        old = list(before) if isinstance(before, list) else []
        inner = [_below(old[n] if n < len(old) else None) for n in range(one.count)]
        values[one.name] = inner
        for number, element in enumerate(inner):
            self._restore(nested, 0, element, f"{at}[{number}].")

    def _has_deprecated(self, one: KstateField, version: int) -> bool:
        """As coded, field versions beyond the stream's are sorted out first, so only the very last version is left."""
        return version == one.version_id if self.profile is ReaderProfile.AS_CODED else version <= one.version_id

    def _compare(self, description: KstateDescription, entry: Entry, instance: int, path: str) -> None:
        where = f"'{path.rstrip('.') or description.name}'"
        if entry.version_id != description.version_id:
            text = f"{where}: version mismatch {entry.version_id} {description.version_id}"
            self.warnings.append(text)
        if entry.instance_id != instance:
            self.warnings.append(f"{where}: instance id mismatch {entry.instance_id} {instance}")
        low, high = description.min_version_id, description.version_id
        if self.profile is ReaderProfile.AS_DOCUMENTED and not low <= entry.version_id <= high:
            raise _RefusedError(f"{where}: version {entry.version_id} is not within {low} to {high}")

    def _take(self, size: int, path: str) -> bytes:
        """The next bytes, whatever entry they belong to."""
        if self.pos + size > len(self.stream):
            raise TruncatedError(f"'{path}' of {size} bytes runs past the end of the stream", offset=self.pos)
        self.pos += size
        return self.stream[self.pos - size : self.pos]

    def _subsections(self, description: KstateDescription, values: Tree) -> None:
        """subsection_load(): from where the fields ended, not from where the entry does; by state_id alone."""
        start = self.pos
        for sub in description.subsections:
            found = self._find(start, sub.id)
            if found is None:
                self.untouched.append(sub.name)
                continue
            self.pos = found
            inner = _below(values.get(sub.name))
            values[sub.name] = inner
            self._restore(sub, description.instance_id, inner, f"{sub.name}.")

    def _find(self, offset: int, state_id: int) -> int | None:
        while section_type(self.stream, offset) == SectionType.SUBSECTION:
            entry = entry_at(self.stream, offset)
            if entry.state_id == state_id:
                return offset
            offset = entry.end
        return None


def _below(value: object) -> Tree:
    return value if isinstance(value, dict) else {}
