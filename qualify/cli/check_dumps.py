# SPDX-License-Identifier: Apache-2.0
"""The part of `qualify check` that compares two VMState dumps of QEMU."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import typer

from qualify.cli.output import print_json
from qualify.cli.style import put, table
from qualify.compat import (
    RULES,
    Accepted,
    AcceptedFinding,
    DumpComparer,
    Rename,
    Severity,
    Sorted,
    VmFinding,
    load_accepted,
    shipped_accepted,
    sort_findings,
)
from qualify.errors import Problems, UsageError
from qualify.schema.vmstate import load_dumps

__all__ = ["are_dumps", "check_dumps"]

_EVIDENCE = "evidence: static, from the two dumps alone; nothing was migrated"


def are_dumps(source: str, target: str) -> bool:
    """Whether the two arguments are files of dumps and not releases; UsageError where only one is."""
    found = [name.endswith(".json") for name in (source, target)]
    if any(found) and not all(found):
        dump, other = (source, target) if found[0] else (target, source)
        raise UsageError(f"'{dump}' is a VMState dump and '{other}' is none; give two releases or two .json files")
    return all(found)


def check_dumps(source: str, target: str, accepted: Path | None, json_: bool) -> NoReturn:
    """Print what breaks when A is loaded by B; ends with exit status 0 or 1, raises InputError for bad files."""
    problems = Problems()
    dumps = problems.take(partial(load_dumps, (Path(source), Path(target))))
    own = problems.take(partial(load_accepted, accepted)) if accepted else Accepted()
    problems.check()
    assert dumps is not None
    assert own is not None
    comparer = DumpComparer(shipped_accepted().renames + own.renames)  # of two equal ones the user's is used
    found = sort_findings(comparer.compare(*dumps), own, comparer.used)
    status = int(any(f.severity is Severity.ERROR for f in found.left))
    if json_:
        print_json(_plain(source, target, found, status))
    else:
        put(_lines(source, target, found, accepted))
    raise typer.Exit(status)


def _lines(source: str, target: str, found: Sorted, accepted: Path | None) -> Iterator[str]:
    left = sorted(found.left, key=lambda f: f.rule)
    errors = sum(f.severity is Severity.ERROR for f in left)
    yield f"{source} → {target}: {_count(errors, 'error')}, {_count(len(left) - errors, 'warning')}"
    if left:
        yield ""
        yield from table([(f.rule, f.severity.value, f.path, f.text) for f in left], ["rule", "level", "path", "what"])
        yield ""
        yield from (f"{rule} {RULES[rule].purpose}" for rule in dict.fromkeys(f.rule for f in left))
    if found.accepted:
        yield ""
        yield from (f"accepted: {f.rule} {f.path}: {entry.reason}" for f, entry in found.accepted)
    if found.unused:
        yield ""
        yield from (f"{accepted}: unused: {_named(entry)}" for entry in found.unused)
    yield ""
    yield _EVIDENCE
    yield "no: 'qualify rules show ID' says what a rule means" if errors else "yes: no difference that B would refuse"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _named(entry: Rename | AcceptedFinding) -> str:
    if isinstance(entry, AcceptedFinding):
        return f"{entry.rule} {entry.path}"
    names = " and ".join(sorted(entry.names))
    return f"{names} in {entry.where}" if entry.where else f"sections {names}"


def _plain(source: str, target: str, found: Sorted, status: int) -> dict[str, Any]:
    return {
        "kind": "vmstate",
        "source": source,
        "target": target,
        "evidence": "static",
        "answer": "no" if status else "yes",
        "exit_status": status,
        "findings": [_finding(f) for f in found.left],
        "accepted": [_finding(f) | {"reason": entry.reason} for f, entry in found.accepted],
        "unused": [_entry(entry) for entry in found.unused],
    }


def _finding(found: VmFinding) -> dict[str, Any]:
    return {
        "rule": found.rule,
        "path": found.path,
        "level": found.severity.value,
        "text": found.text,
        "peer": found.peer,
    }


def _entry(entry: Rename | AcceptedFinding) -> dict[str, Any]:
    if isinstance(entry, AcceptedFinding):
        return {"rule": entry.rule, "path": entry.path, "reason": entry.reason}
    return {"where": entry.where, "names": sorted(entry.names), "reason": entry.reason}
