# SPDX-License-Identifier: Apache-2.0
"""What every schema model shares: immutability, strictness, provenance."""

from __future__ import annotations

import enum

from pydantic import BaseModel, ConfigDict, model_validator

__all__ = ["Frozen", "Provenance", "ProvenanceKind"]


class Frozen(BaseModel):
    """Immutable, and unknown keys are errors: a misspelt key must never be silently ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ProvenanceKind(enum.StrEnum):
    """How a fact is known, strongest first."""

    READ = "read"  # in the source of that release
    OBSERVED = "observed"  # on a booted kernel
    DERIVED = "derived"  # concluded from the source of another release or a patch
    INFERRED = "inferred"  # the likeliest reading, nothing stronger
    PROPOSED = "proposed"  # posted, not merged


class Provenance(Frozen):
    """Where a fact comes from. `read` must name the file and the release it was read in, `observed` what was booted.

    `file` is a file of that release's source; of what was observed, the page of this project that tells of it.
    """

    kind: ProvenanceKind
    release: str = ""
    file: str = ""
    where: str = ""
    note: str = ""

    @model_validator(mode="after")
    def _names_its_source(self) -> Provenance:
        if self.kind is ProvenanceKind.READ and not (self.release and self.file):
            raise ValueError("provenance 'read' needs both release and file")
        if self.kind is ProvenanceKind.OBSERVED and not self.release:
            raise ValueError("provenance 'observed' needs the release that was booted")
        return self

    def __str__(self) -> str:
        parts = [self.kind.value, self.release, self.file, self.where]
        return " ".join(p for p in parts if p) + (f" ({self.note})" if self.note else "")
