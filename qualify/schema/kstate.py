# SPDX-License-Identifier: Apache-2.0
"""KSTATE descriptions as data: what a kernel hands to kstate_register(), without the functions behind it.

Source: include/linux/kstate.h of KSTATE v3 <20250909201446.13138-1-arbn@yandex-team.com>, never merged. Where a name
exists there, it is used here; docs/kstate.md says what is modelled.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import Field, model_validator

from qualify.errors import Problem, SchemaError
from qualify.schema.base import Frozen
from qualify.yamlfile import Document, Loc, read, validate

__all__ = ["ENTRY_BYTES", "FieldKind", "KstateDescription", "KstateField", "load_descriptions"]

ENTRY_BYTES = 20  # of an entry header: five s32
T = TypeVar("T")

_WORD_BYTES = 8  # of an address or a physical address

S32 = Annotated[int, Field(ge=-(1 << 31), lt=1 << 31, strict=True)]
Version = Annotated[int, Field(ge=0, lt=1 << 31, strict=True)]
StateId = Annotated[int, Field(ge=1, lt=1 << 31, strict=True)]  # -1 is KSTATE_LAST_ID and, as KS_EOF, ends a stream
Bytes = Annotated[int, Field(ge=0, lt=1 << 31, strict=True)]
Name = Annotated[str, Field(min_length=1)]


class FieldKind(enum.StrEnum):
    """What a field puts into the stream; the macro that declares it stands behind."""

    BASE = "base"  # KSTATE_BASE_TYPE: the value
    POINTER = "pointer"  # KSTATE_POINTER: what it points to
    STRUCT = "struct"  # KS_STRUCT, no macro: a nested entry with its header
    ARRAY_OF_POINTERS = "array-of-pointers"  # KS_ARRAY_OF_POINTER: what each points to, plain or a nested entry
    ADDRESS = "address"  # KSTATE_ADDRESS: distance from VMEMMAP_START or PAGE_OFFSET
    FOLIO = "folio"  # KSTATE_FOLIO: physical address of a preserved folio
    CUSTOM = "custom"  # KS_CUSTOM: what its save() writes
    DEPRECATED = "deprecated"  # KSTATE_BASE_TYPE_DEPRECATED: nothing any more


class KstateField(Frozen):
    """One field. `version_id` is 0 or that of the _V macro; of a deprecated field the last version that had it."""

    name: Name
    kind: FieldKind
    size: Bytes = 0  # of one element; with a description none: it is as long as that says
    version_id: Version = 0
    count: Annotated[int, Field(ge=1, lt=1 << 31, strict=True)] = 1
    description: KstateDescription | None = None

    @model_validator(mode="before")
    @classmethod
    def _words_have_one_size(cls, data: object) -> object:
        words = (FieldKind.ADDRESS, FieldKind.FOLIO)
        if isinstance(data, dict) and data.get("kind") in words and "size" not in data:
            return {**data, "size": _WORD_BYTES}
        return data

    @model_validator(mode="after")
    def _fits_its_kind(self) -> KstateField:
        if self.kind is FieldKind.STRUCT and self.description is None:
            raise ValueError("a field of kind 'struct' needs a nested 'description'")
        if self.description is not None and self.kind not in (FieldKind.STRUCT, FieldKind.ARRAY_OF_POINTERS):
            raise ValueError(f"a field of kind '{self.kind}' has no nested 'description'")
        if self.description is not None and self.size:
            raise ValueError("a field with a 'description' has no 'size': it is as long as that says")
        if self.description is None and self.size < 1:
            raise ValueError(f"a field of kind '{self.kind}' needs a 'size' of at least 1 byte")
        if self.kind in (FieldKind.ADDRESS, FieldKind.FOLIO) and self.size != _WORD_BYTES:
            raise ValueError(f"a field of kind '{self.kind}' has {_WORD_BYTES} bytes")
        if self.count != 1 and self.kind is not FieldKind.ARRAY_OF_POINTERS:
            raise ValueError(f"'count' is for array-of-pointers, a field of kind '{self.kind}' is one")
        if self.kind is FieldKind.DEPRECATED and "version_id" not in self.model_fields_set:
            raise ValueError("a deprecated field needs 'version_id': the last version that had it")
        return self


class KstateDescription(Frozen):
    """A kstate_description. KSTATE_END_OF_LIST and the terminating NULL are the end of the lists here."""

    name: Name
    id: StateId
    instance_id: S32 = 0
    version_id: Version = 1
    min_version_id: Version = 0
    fields: tuple[KstateField, ...] = ()
    subsections: tuple[KstateDescription, ...] = ()

    @model_validator(mode="after")
    def _is_consistent(self) -> KstateDescription:
        if self.min_version_id > self.version_id:
            raise ValueError(
                f"min_version_id {self.min_version_id} is beyond version_id {self.version_id}: it could not read itself"
            )
        # One name space, because the values of both are given by name.
        names = [f.name for f in self.fields] + [s.name for s in self.subsections]
        if twice := _twice(names):
            raise ValueError(f"names of fields and subsections must differ; used twice: {', '.join(twice)}")
        if again := _twice(s.id for s in self.subsections):
            raise ValueError(f"subsections must differ in id; used twice: {', '.join(map(str, again))}")
        return self

    def unwritten(self) -> tuple[KstateField, ...]:
        """Fields beyond the description's own version: save_kstate() warns of each and leaves it out."""
        return tuple(f for f in self.fields if f.version_id > self.version_id)

    def written(self) -> tuple[KstateField, ...]:
        """Fields that save_kstate() writes, in order."""
        return tuple(f for f in self.fields if f.kind is not FieldKind.DEPRECATED and f.version_id <= self.version_id)


def load_descriptions(path: Path) -> tuple[KstateDescription, ...]:
    """The descriptions of one file: a list under ``descriptions``, or a single one. Raises SchemaError."""
    document = read(path)
    if isinstance(document, Problem):
        raise SchemaError([document])
    problems: list[Problem] = []
    loaded = list(_load(document, problems))
    names: dict[str, Loc] = {}
    keys: dict[tuple[int, int], Loc] = {}
    for at, description in loaded:
        key = (description.id, description.instance_id)
        if description.name in names:
            problems.append(_again(document, at, "name", f"description '{description.name}'", names[description.name]))
        elif key in keys:
            what = f"id {key[0]} with instance_id {key[1]}"
            problems.append(_again(document, at, "id", what, keys[key]))
        names.setdefault(description.name, at)
        keys.setdefault(key, at)
    if problems:
        raise SchemaError(problems)
    return tuple(description for _, description in loaded)


def _load(document: Document, problems: list[Problem]) -> Iterator[tuple[Loc, KstateDescription]]:
    data = document.data
    entries: list[tuple[Loc, object]]
    if isinstance(data, dict) and isinstance(data.get("descriptions"), list) and len(data) == 1:
        entries = [(("descriptions", i), entry) for i, entry in enumerate(data["descriptions"])]
    elif isinstance(data, dict) and "name" in data:
        entries = [((), data)]
    else:
        hint = "expected one description (with a name), or a list under the single key 'descriptions'"
        problems.append(document.problem((), "is not a file of KSTATE descriptions", hint))
        return
    for at, entry in entries:
        found = validate(KstateDescription, entry, document, at)
        if isinstance(found, list):
            problems.extend(found)
        else:
            yield at, found


def _again(document: Document, at: Loc, key: str, what: str, first: Loc) -> Problem:
    line, _ = document.position((*first, key))
    return document.problem((*at, key), f"{what} is defined twice", f"first at {document.name}:{line}")


def _twice(items: Iterable[T]) -> list[T]:
    return [item for item, count in Counter(items).items() if count > 1]
