# SPDX-License-Identifier: Apache-2.0
"""The tables, typed. Rows are never updated: what is known now is the view `latest_result`.

A run executes cells; each gives one result per run. What cells have in common is stored once, under its digest:
an outcome (its objects with their properties) and documents (predictions, logs). Sharing them keeps rows small.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

__all__ = [
    "ArtefactRow",
    "Base",
    "CellRow",
    "DocumentRow",
    "ObjectRow",
    "OutcomeRow",
    "PropertyRow",
    "ReleaseRow",
    "ResultArtefactRow",
    "ResultRow",
    "RunEndRow",
    "RunRow",
    "ScenarioRow",
    "UtcTime",
    "latest_result",
]


class UtcTime(TypeDecorator[datetime]):
    """An aware datetime, stored in UTC; SQLite knows no time zones and would give back naive ones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value if value is None or value.tzinfo else value.replace(tzinfo=UTC)


Digest = String(64)


class Base(DeclarativeBase):
    """Every table of the store."""

    type_annotation_map = {datetime: UtcTime, dict[str, Any]: JSON, list[str]: JSON, str: Text}  # noqa: RUF012


class RunRow(Base):
    """One `qualify run`. It has ended when it has a run_end."""

    __tablename__ = "run"
    id: Mapped[int] = mapped_column(primary_key=True)
    uid: Mapped[str] = mapped_column(String(32), unique=True)  # the same in every database it is merged into
    matrix: Mapped[str]
    matrix_digest: Mapped[str] = mapped_column(Digest)
    schema_digest: Mapped[str] = mapped_column(Digest)
    tool_version: Mapped[str]
    seed: Mapped[int | None] = mapped_column(BigInteger)  # None: every scenario used its own
    started: Mapped[datetime]
    host: Mapped[dict[str, Any]]


class RunEndRow(Base):
    """When and how a run ended. A killed run has none."""

    __tablename__ = "run_end"
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"), primary_key=True)
    finished: Mapped[datetime]
    summary: Mapped[dict[str, Any]]


class ReleaseRow(Base):
    """A release as one schema described it."""

    __tablename__ = "release"
    __table_args__ = (UniqueConstraint("label", "fingerprint", "schema_digest"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str]
    fingerprint: Mapped[str] = mapped_column(Digest)
    schema_digest: Mapped[str] = mapped_column(Digest)
    provenance: Mapped[str]


class ScenarioRow(Base):
    """A scenario as it was when it ran."""

    __tablename__ = "scenario"
    __table_args__ = (UniqueConstraint("name", "digest"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    digest: Mapped[str] = mapped_column(Digest)


class CellRow(Base):
    """A cell by name: what results are the history of."""

    __tablename__ = "cell"
    __table_args__ = (UniqueConstraint("source", "target", "scenario", "backend"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    source: Mapped[str]
    target: Mapped[str]
    scenario: Mapped[str]
    backend: Mapped[str]


class DocumentRow(Base):
    """A JSON text that many results have in common: a prediction, a log."""

    __tablename__ = "document"
    id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(Digest, unique=True)
    body: Mapped[str]


class OutcomeRow(Base):
    """The objects of a cell, judged. `digest` covers them and their properties."""

    __tablename__ = "outcome"
    id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(Digest, unique=True)


class ObjectRow(Base):
    """One object of an outcome, in the scenario's order. `predicted` holds every verdict that could happen to it."""

    __tablename__ = "object"
    outcome_id: Mapped[int] = mapped_column(ForeignKey("outcome.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    object_id: Mapped[str]
    component: Mapped[str]
    verdict: Mapped[str]
    interface: Mapped[str]
    reply: Mapped[str]
    errno: Mapped[str]
    why: Mapped[str]
    consequences: Mapped[list[str]]
    notes: Mapped[list[str]]
    predicted: Mapped[list[str]]


class PropertyRow(Base):
    """One property of an object that came back."""

    __tablename__ = "property"
    __table_args__ = (
        ForeignKeyConstraint(["outcome_id", "object_position"], ["object.outcome_id", "object.position"]),
    )
    outcome_id: Mapped[int] = mapped_column(primary_key=True)
    object_position: Mapped[int] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    state: Mapped[str]
    expected: Mapped[str]
    observed: Mapped[str]
    critical: Mapped[bool]


class ResultRow(Base):
    """What one run found out about one cell. `measured` is when its machine ran, `created` when the row was written:
    they differ where `shared_from` names the result whose run this one shares."""

    __tablename__ = "result"
    __table_args__ = (
        UniqueConstraint("run_id", "cell_id"),
        Index("result_latest", "cell_id", "created", "id"),
        Index("result_input", "input_digest"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"))
    cell_id: Mapped[int] = mapped_column(ForeignKey("cell.id"))
    source_id: Mapped[int] = mapped_column(ForeignKey("release.id"))
    target_id: Mapped[int] = mapped_column(ForeignKey("release.id"))
    scenario_id: Mapped[int] = mapped_column(ForeignKey("scenario.id"))
    input_digest: Mapped[str] = mapped_column(Digest)
    status: Mapped[str]
    verdict: Mapped[str | None]
    evidence: Mapped[str]
    detail: Mapped[str]
    consequences: Mapped[list[str]]
    timings: Mapped[dict[str, Any]]
    counters: Mapped[dict[str, Any]]
    predicted_worst: Mapped[str | None]
    predicted: Mapped[list[str]]
    agrees: Mapped[bool | None]
    machine: Mapped[str]
    measured: Mapped[datetime]
    created: Mapped[datetime]
    shared_from: Mapped[int | None] = mapped_column(ForeignKey("result.id"))
    outcome_id: Mapped[int | None] = mapped_column(ForeignKey("outcome.id"))
    prediction_id: Mapped[int | None] = mapped_column(ForeignKey("document.id"))
    log_id: Mapped[int | None] = mapped_column(ForeignKey("document.id"))


class ArtefactRow(Base):
    """A file in the artefact store, named by its contents."""

    __tablename__ = "artefact"
    sha256: Mapped[str] = mapped_column(Digest, primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger)


class ResultArtefactRow(Base):
    """A file that a result's run left, under the name the backend gave it."""

    __tablename__ = "result_artefact"
    result_id: Mapped[int] = mapped_column(ForeignKey("result.id"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(ForeignKey("artefact.sha256"))


#: The view of the newest result of every cell; a Core table of its own, for views take no part in migrations of tables.
latest_result = Table(
    "latest_result",
    MetaData(),
    *(Column(column.name, column.type) for column in CellRow.__table__.columns if column.name != "id"),
    *(Column(column.name, column.type) for column in ResultRow.__table__.columns),
)
