# SPDX-License-Identifier: Apache-2.0
"""What a release policy says, checked as far as the file alone allows. `qualify.gate.selection` looks names up."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_validator, model_validator

from qualify.matrix.model import ScenarioSelection
from qualify.model import Consequence, Direction, Evidence, Verdict
from qualify.yamlfile import Document

__all__ = ["PairSelector", "Policy"]

_AGE = re.compile(r"(\d{1,5}) ?(h|d|w)")
_HOURS = {"h": 1, "d": 24, "w": 168}


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", str_min_length=1)


class PairSelector(_Frozen):
    """One directed pair spelt out, or the pairs of a matrix, of which `directions` keeps some."""

    source: str | None = None
    target: str | None = None
    matrix: str | None = None
    directions: tuple[Direction, ...] = Field(default=tuple(Direction), min_length=1)

    @model_validator(mode="after")
    def _one_way(self) -> PairSelector:
        spelt = (self.source is not None, self.target is not None)
        if any(spelt) == (self.matrix is not None) or any(spelt) != all(spelt):
            raise ValueError("expected either 'source' and 'target', or 'matrix' (with 'directions' if wanted)")
        if self.matrix is None and "directions" in self.model_fields_set:
            raise ValueError("'directions' goes with 'matrix'; a spelt-out pair has only one")
        return self

    def __str__(self) -> str:
        if self.matrix is None:
            return f"{self.source} → {self.target}"
        return f"{', '.join(self.directions)} pairs of matrix '{self.matrix}'"


class Policy(_Frozen):
    """One policy file: what must be known, how well, and what may come out."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    title: str = ""
    required_pairs: tuple[PairSelector, ...]
    scenarios: ScenarioSelection = ScenarioSelection(ids=("baseline",))
    allowed_verdicts: tuple[Verdict, ...] = Field(default=(Verdict.RESTORED,), min_length=1)
    forbidden_consequences: tuple[Consequence, ...] = ()
    minimum_evidence: Evidence = Evidence.SIMULATED
    maximum_age: timedelta | None = None
    allow_unsupported: bool = Field(default=True, strict=True)
    allow_disagreement: bool = Field(default=False, strict=True)
    allow_predicted_worse: bool = Field(default=False, strict=True)

    _document: Document | None = PrivateAttr(default=None)

    @field_validator("maximum_age", mode="before")
    @classmethod
    def _age_with_unit(cls, value: Any) -> Any:
        if value is None or isinstance(value, timedelta):
            return value
        match = _AGE.fullmatch(value.strip()) if isinstance(value, str) else None
        if match is None or int(match[1]) == 0:
            raise ValueError("expected a number of hours, days or weeks, such as '12h', '30d' or '2w'")
        return timedelta(hours=int(match[1]) * _HOURS[match[2]])

    @field_validator("allowed_verdicts", "forbidden_consequences")
    @classmethod
    def _no_repeats(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) != len(value):
            raise ValueError("lists something twice")
        return value

    @model_validator(mode="after")
    def _unsupported_has_its_own_switch(self) -> Policy:
        if Verdict.UNSUPPORTED in self.allowed_verdicts:
            raise ValueError("'allowed_verdicts' cannot list UNSUPPORTED; say 'allow_unsupported: true' instead")
        return self

    @property
    def document(self) -> Document:
        """The file it came from, for places in messages; an empty one for a policy made in code."""
        return self._document or Document(self.name, None, "")

    def in_document(self, document: Document) -> Policy:
        """The same policy, remembering its file."""
        copy = self.model_copy()
        object.__setattr__(copy, "__pydantic_private__", {"_document": document})
        return copy
