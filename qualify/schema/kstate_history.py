# SPDX-License-Identifier: Apache-2.0
"""How a KSTATE description came to be: a first version and what each step changed, expanded to every version.

Steps may do what Documentation/core-api/kstate.rst of v3 forbids: what that leads to is what a history is for.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, ValidationError, model_validator

from qualify.errors import Problem, SchemaError
from qualify.schema.base import Frozen
from qualify.schema.kstate import FieldKind, KstateDescription, KstateField
from qualify.yamlfile import read, suggest, validate

__all__ = [
    "Add",
    "Change",
    "Deprecate",
    "KstateHistory",
    "MoveIntoSubsection",
    "RaiseMinVersion",
    "Remove",
    "Rename",
    "Retype",
    "Step",
    "load_history",
]

Fields: TypeAlias = tuple[KstateField, ...]


class Add(Frozen):
    """A new field, at the end or before another; `versioned` is the _V form, with the version of its step."""

    do: Literal["add"]
    new: KstateField
    before: str | None = None
    versioned: bool = True


class Deprecate(Frozen):
    """KSTATE_BASE_TYPE_DEPRECATED in its place; the last version that had it is that before the step."""

    do: Literal["deprecate"]
    field: str


class Remove(Frozen):
    """The field goes and leaves nothing."""

    do: Literal["remove"]
    field: str


class Rename(Frozen):
    """Another name; the stream has none."""

    do: Literal["rename"]
    field: str
    to: str


class Retype(Frozen):
    """Another size, in bytes."""

    do: Literal["retype"]
    field: str
    size: Annotated[int, Field(ge=1, strict=True)]


class MoveIntoSubsection(Frozen):
    """The field goes, deprecated or without a trace, and ends a subsection, a new one if there is none of that name."""

    do: Literal["move-into-subsection"]
    field: str
    subsection: str
    id: int | None = None  # of a new subsection
    deprecate: bool = False


class RaiseMinVersion(Frozen):
    """Another min_version_id."""

    do: Literal["raise-min-version"]
    to: int


Change: TypeAlias = Annotated[
    Add | Deprecate | Remove | Rename | Retype | MoveIntoSubsection | RaiseMinVersion, Field(discriminator="do")
]


class Step(Frozen):
    """What one commit changes, with or without a new version_id."""

    changes: Annotated[tuple[Change, ...], Field(min_length=1)]
    bump: bool = True


class KstateHistory(Frozen):
    """A description and what became of it. Impossible steps do not validate."""

    first: KstateDescription
    steps: tuple[Step, ...] = ()

    @model_validator(mode="after")
    def _can_be_walked(self) -> KstateHistory:
        self.descriptions()
        return self

    def descriptions(self) -> tuple[KstateDescription, ...]:
        """The description after each step, the first one before all; steps without a bump share a version_id."""
        found = [self.first]
        for number, step in enumerate(self.steps, 1):
            try:
                found.append(_after(found[-1], step))
            except ValidationError as error:
                text = error.errors()[0]["msg"].removeprefix("Value error, ")
                raise ValueError(f"step {number}: {text}") from None
            except ValueError as error:
                raise ValueError(f"step {number}: {error}") from None
        return tuple(found)


def load_history(path: Path) -> KstateHistory:
    """The history of one file. Raises SchemaError."""
    document = read(path)
    if isinstance(document, Problem):
        raise SchemaError([document])
    found = validate(KstateHistory, document.data, document)
    if isinstance(found, list):
        raise SchemaError(found)
    return found


def _after(before: KstateDescription, step: Step) -> KstateDescription:
    now = _with(before, version_id=before.version_id + step.bump)
    for change in step.changes:
        now = _changed(now, change, before.version_id)
    # Only the end of a step need be right: a new version may come before the min_version_id that needs it, or behind.
    return KstateDescription.model_validate(now.model_dump(exclude_unset=True))


def _changed(now: KstateDescription, change: Change, last: int) -> KstateDescription:
    """`last` is the version before the step."""
    match change:
        case Add():
            new = _with_field(change.new, version_id=now.version_id) if change.versioned else change.new
            at = len(now.fields) if change.before is None else _index(now, change.before)
            return _with(now, fields=(*now.fields[:at], new, *now.fields[at:]))
        case Deprecate():
            at = _index(now, change.field)
            return _put(now, at, _deprecated(now.fields[at], last))
        case Remove():
            return _put(now, _index(now, change.field))
        case Rename():
            at = _index(now, change.field)
            return _put(now, at, _with_field(now.fields[at], name=change.to))
        case Retype():
            at = _index(now, change.field)
            return _put(now, at, _with_field(now.fields[at], size=change.size))
        case MoveIntoSubsection():
            return _moved(now, change, last)
        case RaiseMinVersion():
            if change.to < now.min_version_id:
                raise ValueError(f"min_version_id is {now.min_version_id} already and cannot be raised to {change.to}")
            return _with(now, min_version_id=change.to)


def _moved(now: KstateDescription, change: MoveIntoSubsection, last: int) -> KstateDescription:
    at = _index(now, change.field)
    field = now.fields[at]
    if field.kind is FieldKind.DEPRECATED:
        raise ValueError(f"field '{field.name}' is deprecated: there is nothing to move")
    now = _put(now, at, *([_deprecated(field, last)] if change.deprecate else []))
    moved = _with_field(field, version_id=0)
    for number, sub in enumerate(now.subsections):
        if sub.name == change.subsection:
            grown = _with(sub, fields=(*sub.fields, moved))
            return _with(now, subsections=(*now.subsections[:number], grown, *now.subsections[number + 1 :]))
    if change.id is None:
        raise ValueError(f"there is no subsection '{change.subsection}' yet: a new one needs an 'id'")
    fresh = KstateDescription.model_validate({"name": change.subsection, "id": change.id, "fields": (moved,)})
    return _with(now, subsections=(*now.subsections, fresh))


def _deprecated(field: KstateField, last: int) -> KstateField:
    if field.description is not None or field.kind is FieldKind.DEPRECATED:
        raise ValueError(f"field '{field.name}' of kind '{field.kind}' cannot be deprecated: that skips plain bytes")
    size = field.size * field.count
    keys = {"name": field.name, "kind": FieldKind.DEPRECATED, "size": size, "version_id": last}
    return KstateField.model_validate(keys)


def _index(now: KstateDescription, name: str) -> int:
    names = [f.name for f in now.fields]
    if name not in names:
        raise ValueError(f"version {now.version_id} has no field '{name}'; {suggest(name, names)}")
    return names.index(name)


def _put(now: KstateDescription, at: int, *fields: KstateField) -> KstateDescription:
    return _with(now, fields=(*now.fields[:at], *fields, *now.fields[at + 1 :]))


def _with(now: KstateDescription, **keys: object) -> KstateDescription:
    return now.model_copy(update=keys)


def _with_field(field: KstateField, **keys: object) -> KstateField:
    return KstateField.model_validate(field.model_dump(exclude_unset=True) | keys)
