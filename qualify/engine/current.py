# SPDX-License-Identifier: Apache-2.0
"""Which stored results are about schema, scenarios and tool as they are now. The rest is evidence of something else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress

from sqlalchemy.orm import Session

from qualify.backends import Backend
from qualify.backends import backend as installed
from qualify.engine.inputs import Inputs, tool_version
from qualify.errors import HarnessError, UsageError
from qualify.matrix import Cell
from qualify.scenario import Scenario
from qualify.schema import Schema
from qualify.store import StoredResult
from qualify.store.history import Subject, load_subjects

__all__ = ["load_current"]


def load_current(
    session: Session,
    results: Mapping[Cell, StoredResult],
    schema: Schema,
    library: Mapping[str, Scenario],
    backend: Callable[[str], Backend] = installed,
) -> frozenset[Cell]:
    """The cells, among these newest results, whose result has the input that `run` would give the cell today.

    The seed is that of the result's own run: another seed is another measurement of the same thing. Of a backend that
    is not installed here only the name is known; its results are current when releases and scenario are the same and
    the run was of this very version of the tool.
    """
    backends = _installed({cell.backend for cell in results}, backend)
    inputs = Inputs(schema, library, backends.__getitem__)
    ours = {c: r for c, r in results.items() if c.backend in backends}
    current = {c for c, r in ours.items() if inputs.digest(c, r.seed) == r.input_digest}
    if strange := results.keys() - ours.keys():
        subjects, tool = load_subjects(session), tool_version()
        current |= {c for c in strange if results[c].tool_version == tool and subjects[c] == _today(c, schema, library)}
    return frozenset(current)


def _installed(names: Iterable[str], backend: Callable[[str], Backend]) -> dict[str, Backend]:
    found = {}
    for name in names:
        with suppress(UsageError, HarnessError):
            found[name] = backend(name)
    return found


def _today(cell: Cell, schema: Schema, library: Mapping[str, Scenario]) -> Subject:
    source, target = (schema.fingerprint(schema.release(label)) for label in (cell.source, cell.target))
    return Subject(source, target, library[cell.scenario].digest)
