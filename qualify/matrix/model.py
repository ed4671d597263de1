# SPDX-License-Identifier: Apache-2.0
"""What a matrix file says, checked as far as the file alone allows. Names are looked up in `qualify.matrix.cells`."""

from __future__ import annotations

import enum
import hashlib
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    PrivateAttr,
    Tag,
    field_validator,
    model_validator,
)

from qualify.model import Direction
from qualify.scenario.sizes import parse_size
from qualify.yamlfile import Document

__all__ = ["Matrix", "PairRule", "PairSelection", "ReleaseSelection", "ScenarioSelection", "Tags", "Window"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", str_min_length=1)


class Window(_Frozen):
    """``last: 3`` is N-2..N: the newest release of each of the last three x.y series."""

    last: int = Field(ge=1, strict=True)


class ReleaseSelection(_Frozen):
    """``all``, a list of labels, one series, or a window of series; less what `exclude` names."""

    all: bool = False
    labels: tuple[str, ...] = ()
    series: str | None = None
    window: Window | None = None
    exclude: tuple[str, ...] = Field(
        default=(),
        description="Labels or aliases to leave out, before a window is counted. Alone it means all but these.",
    )

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, value: Any) -> Any:
        expected = "expected 'all', a list of labels, 'series: \"x.y\"', 'window: {last: N}' or 'exclude: […]'"
        value = _short_forms(value, "labels", expected)
        return {"all": True, **value} if set(value) == {"exclude"} else value

    @model_validator(mode="after")
    def _one_way(self) -> ReleaseSelection:
        if sum((self.all, bool(self.labels), self.series is not None, self.window is not None)) > 1:
            raise ValueError("choose one of 'all', a list of labels, 'series' and 'window'")
        if self.labels and self.exclude:
            raise ValueError("a list of labels needs no 'exclude': leave them out of the list")
        return self

    @field_validator("exclude")
    @classmethod
    def _no_repeats(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _once(value)


class PairRule(enum.StrEnum):
    """Which of the chosen releases meet.

    Neighbours are one version apart. A variant (same version, another configuration) is the neighbour of its base only.
    """

    ALL = "all"
    NEIGHBOURS = "neighbours"
    SAME = "same"
    SAME_AND_NEIGHBOURS = "same-and-neighbours"


class PairSelection(_Frozen):
    """One directed pair, spelt out."""

    source: str
    target: str


def _form(value: Any) -> str:
    return "list" if isinstance(value, list | tuple) else "rule"


# A tagged union: an untagged one would report one mistake once for every form that it could have had.
Pairs = Annotated[
    Annotated[PairRule, Tag("rule")] | Annotated[tuple[PairSelection, ...], Tag("list")], Discriminator(_form)
]


class Tags(_Frozen):
    """A scenario is chosen when it has every `include` tag and no `exclude` tag."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


class ScenarioSelection(_Frozen):
    """``all``, a list of ids, or by tags."""

    all: bool = False
    ids: tuple[str, ...] = ()
    tags: Tags | None = None

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, value: Any) -> Any:
        return _short_forms(value, "ids", "expected 'all', a list of ids, or 'tags: {include: […], exclude: […]}'")

    @model_validator(mode="after")
    def _one_way(self) -> ScenarioSelection:
        if sum((self.all, bool(self.ids), self.tags is not None)) > 1:
            raise ValueError("choose one of 'all', a list of ids and 'tags'")
        return self


def _short_forms(value: Any, items: str, expected: str) -> Any:
    if value == "all":
        return {"all": True}
    if isinstance(value, list):
        return {items: value}
    if not isinstance(value, dict):
        raise ValueError(expected)
    return value


def _once(value: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(set(value)) != len(value):
        raise ValueError("lists something twice")
    return value


class Matrix(_Frozen):
    """One matrix file. An empty selection is no mistake of the file: the schema may have nothing that fits."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    title: str
    releases: ReleaseSelection = ReleaseSelection(all=True)
    pairs: Pairs = PairRule.ALL
    directions: tuple[Direction, ...] = Field(default=tuple(Direction), min_length=1)
    scenarios: ScenarioSelection
    backends: tuple[str, ...] = Field(default=("simulator",), min_length=1)
    max_touched_bytes: int | None = Field(default=None, ge=0)
    seed: int | None = Field(default=None, ge=0, lt=1 << 63, strict=True)

    _document: Document | None = PrivateAttr(default=None)

    @field_validator("pairs", mode="before")
    @classmethod
    def _pairs_are_a_rule_or_a_list(cls, value: Any) -> Any:
        if isinstance(value, list | tuple) or (isinstance(value, str) and value in list(PairRule)):
            return value
        rules = ", ".join(f"'{rule}'" for rule in PairRule)
        raise ValueError(f"expected {rules}, or a list of {{source: …, target: …}}")

    @field_validator("directions", "backends")
    @classmethod
    def _no_repeats(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _once(value)

    @field_validator("max_touched_bytes", mode="before")
    @classmethod
    def _size_with_unit(cls, value: Any) -> Any:
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        size = parse_size(value.strip()) if isinstance(value, str) else None
        if size is None:
            raise ValueError("expected a number of bytes, or a number with KiB, MiB, GiB or TiB ('64 MiB')")
        return size

    @property
    def digest(self) -> str:
        """Hex SHA-256 of what the file says, whatever its layout and comments."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    @property
    def document(self) -> Document:
        """The file it came from, for places in messages; an empty one for a matrix made in code."""
        return self._document or Document(self.name, None, "")

    def in_document(self, document: Document) -> Matrix:
        """The same matrix, remembering its file."""
        copy = self.model_copy()
        copy._document = document
        return copy
