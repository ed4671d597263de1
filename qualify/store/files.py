# SPDX-License-Identifier: Apache-2.0
"""Finding artefacts: by the beginning of their digest, or by the cell whose newest result they belong to."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from qualify.matrix import Cell
from qualify.store.artefacts import Artefact
from qualify.store.models import ArtefactRow, ResultArtefactRow, latest_result
from qualify.store.reader import load_artefacts

__all__ = ["find_by_cell", "find_by_digest"]


def find_by_digest(session: Session, prefix: str) -> list[Artefact]:
    """Every artefact whose digest begins so, each once, under one of its names."""
    query = (
        select(ResultArtefactRow.name, ArtefactRow.sha256, ArtefactRow.size)
        .join(ArtefactRow, ArtefactRow.sha256 == ResultArtefactRow.sha256)
        .where(ArtefactRow.sha256.startswith(prefix, autoescape=True))
        .order_by(ArtefactRow.sha256, ResultArtefactRow.name)
    )
    found: dict[str, Artefact] = {}
    for name, sha256, size in session.execute(query):
        found.setdefault(sha256, Artefact(name, sha256, size))
    return list(found.values())


def find_by_cell(session: Session, source: str, target: str, scenario: str) -> dict[Cell, tuple[Artefact, ...]]:
    """Every backend's cell of that pair and scenario that has a result -> the files of its newest one."""
    view = latest_result.c
    query = (
        select(view.backend, view.id, view.shared_from)
        .where(view.source == source, view.target == target, view.scenario == scenario)
        .order_by(view.backend)
    )
    ran = {
        Cell(source, target, scenario, backend): shared_from or result_id
        for backend, result_id, shared_from in session.execute(query)
    }
    files = load_artefacts(session, set(ran.values()))
    return {cell: files.get(result_id, ()) for cell, result_id in ran.items()}
