# SPDX-License-Identifier: Apache-2.0
"""What the engine hands to the store: plain, ready to insert, cheap to send between processes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from qualify.matrix import Cell
from qualify.store.artefacts import Artefact

__all__ = ["CellKeys", "Document", "NewRun", "ReleaseKey", "ResultRecord", "ScenarioKey", "StoredObjects"]


@dataclass(frozen=True, slots=True)
class Document:
    """A JSON text and its digest."""

    digest: str
    body: str


@dataclass(frozen=True, slots=True)
class StoredObjects:
    """The objects of an outcome as rows: dicts with the columns of `object` and `property` but for the outcome's id."""

    digest: str
    objects: list[dict[str, Any]]
    properties: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class ResultRecord:
    """What came of one machine run."""

    status: str
    verdict: str | None
    evidence: str
    detail: str
    measured: datetime
    machine: str
    consequences: list[str] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)
    predicted_worst: str | None = None
    predicted: list[str] = field(default_factory=list)
    agrees: bool | None = None
    outcome: StoredObjects | None = None
    prediction: Document | None = None
    log: Document | None = None
    artefacts: tuple[Artefact, ...] = ()


@dataclass(frozen=True, slots=True)
class ReleaseKey:
    """Identifies a release as a schema described it."""

    label: str
    fingerprint: str
    schema_digest: str
    provenance: str


@dataclass(frozen=True, slots=True)
class ScenarioKey:
    """Identifies a scenario as it is now."""

    name: str
    digest: str


@dataclass(frozen=True, slots=True)
class NewRun:
    """The row of a run that begins."""

    uid: str
    matrix: str
    matrix_digest: str
    schema_digest: str
    tool_version: str
    seed: int | None
    started: datetime
    host: dict[str, Any]


@dataclass(frozen=True, slots=True)
class CellKeys:
    """A cell with the digest of everything that went into it."""

    cell: Cell
    input_digest: str
