# SPDX-License-Identifier: Apache-2.0
"""Differences between VMState dumps that are accepted for a reason: two names of one thing, and findings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, StringConstraints

from qualify.compat.rules import RULES
from qualify.compat.vmstate import Rename, VmFinding
from qualify.errors import Problem, SchemaError
from qualify.yamlfile import Document, read, suggest, validate

__all__ = ["Accepted", "AcceptedFinding", "Sorted", "load_accepted", "shipped_accepted", "sort_findings"]

_SHIPPED = Path(__file__).parent / "vmstate_accepted.yaml"
_HINT = "an example: docs/examples/vmstate-accepted.yaml"

_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _File(_Entry):
    accepted: list[Any]


class _RenameEntry(_Entry):
    where: str
    names: tuple[_Text, _Text]
    reason: _Text


class _FindingEntry(_Entry):
    rule: _Text
    path: _Text
    reason: _Text


@dataclass(frozen=True, slots=True)
class AcceptedFinding:
    """One finding, by its rule and its whole path."""

    rule: str
    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """One file."""

    renames: tuple[Rename, ...] = ()
    findings: tuple[AcceptedFinding, ...] = ()


@dataclass(frozen=True, slots=True)
class Sorted:
    """What is left, what is accepted (with its entry), and the entries that nothing needed, in the file's order."""

    left: tuple[VmFinding, ...]
    accepted: tuple[tuple[VmFinding, AcceptedFinding], ...]
    unused: tuple[Rename | AcceptedFinding, ...]


def load_accepted(path: Path) -> Accepted:
    """Raises SchemaError (exit status 2) with every mistake of the file, each with its line and column."""
    document = read(path)
    if isinstance(document, Problem):
        raise SchemaError([document])
    file = validate(_File, document.data, document)
    if isinstance(file, list):
        raise SchemaError([Problem(p.file, p.line, p.column, p.message, p.hint or _HINT) for p in file])
    known: dict[object, Rename | AcceptedFinding] = {}
    problems: list[Problem] = []
    for number, data in enumerate(file.accepted):
        entry = _entry(document, number, data)
        if isinstance(entry, list):
            problems += entry
        elif (key := _key(entry)) in known:
            problems.append(document.problem(("accepted", number), "this is accepted twice", "remove one of the two"))
        else:
            known[key] = entry
    if problems:
        raise SchemaError(problems)
    entries = known.values()
    return Accepted(
        tuple(e for e in entries if isinstance(e, Rename)), tuple(e for e in entries if isinstance(e, AcceptedFinding))
    )


def _key(entry: Rename | AcceptedFinding) -> object:
    return (entry.where, entry.names) if isinstance(entry, Rename) else (entry.rule, entry.path)


def _entry(document: Document, number: int, data: Any) -> Rename | AcceptedFinding | list[Problem]:
    at = ("accepted", number)
    if isinstance(data, dict) and "rule" in data:
        finding = validate(_FindingEntry, data, document, at)
        if isinstance(finding, list):
            return finding
        known = [name for name in RULES if name.startswith("VMS")]
        if finding.rule not in known:
            return [document.problem((*at, "rule"), f"unknown rule '{finding.rule}'", suggest(finding.rule, known))]
        return AcceptedFinding(finding.rule, finding.path, finding.reason)
    rename = validate(_RenameEntry, data, document, at)
    if isinstance(rename, list):
        return rename
    if len(set(rename.names)) == 1:
        return [document.problem((*at, "names"), "the two names are the same", "give the old name and the new one")]
    return Rename(rename.where, frozenset(rename.names), rename.reason)


def shipped_accepted() -> Accepted:
    """The renames that hold for every pair."""
    return load_accepted(_SHIPPED)


def sort_findings(findings: tuple[VmFinding, ...], accepted: Accepted, used: set[Rename]) -> Sorted:
    """Take the accepted ones out; `used` are the renames that the comparison needed."""
    entries = {(entry.rule, entry.path): entry for entry in accepted.findings}
    taken = tuple((f, entries[f.rule, f.path]) for f in findings if (f.rule, f.path) in entries)
    needed: set[Rename | AcceptedFinding] = {*used, *(entry for _, entry in taken)}
    all_: tuple[Rename | AcceptedFinding, ...] = (*accepted.renames, *accepted.findings)
    return Sorted(
        tuple(f for f in findings if (f.rule, f.path) not in entries),
        taken,
        tuple(entry for entry in all_ if entry not in needed),
    )
