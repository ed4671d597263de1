# SPDX-License-Identifier: Apache-2.0
"""What a source stores for a memfd, and which files tell two layouts apart and which do not."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from qualify.compat.images import Value, misread
from qualify.compat.meeting import Grade, Meeting
from qualify.compat.rules import reason
from qualify.model import Reason
from qualify.scenario import Memfd, Scenario, Session, library
from qualify.scenario.objects import PAGE
from qualify.schema import Format, Schema

__all__ = ["blind", "entry_size", "values_of"]


def entry_size(schema: Schema, form: Format) -> int:
    """Bytes of one folio's entry."""
    return schema.structs[form.structs["folio"]].size


def values_of(schema: Schema, scenario: Scenario, file: Memfd, written: Format) -> dict[str, Value]:
    """What the source stores, with addresses of the kind it would have."""
    folios = -(-file.size // (PAGE << file.order))
    pages = -(-folios * entry_size(schema, written) // PAGE)
    table = scenario.placement.metadata + 0x10000
    values: dict[str, Value] = {
        "pos": file.position,
        "size": file.size,
        "nr_folios": folios,
        "folios.first": table if folios else 0,
        "folios.total_pages": pages,
        "folios.flags": 1 if folios else 0,
        "folios.order": 0,
    }
    if written.struct and any(f.name == "seals" for f in schema.flat(written.struct)):
        values |= {"seals": file.seal_mask, "flags": 0}
    return values


def blind(schema: Schema, scenario: Scenario, meeting: Meeting, file: Memfd) -> tuple[Reason, ...]:
    """Why a file that comes back equal says nothing: members moved, and what it holds there reads the same.

    Names a shipped scenario with a file that shows the difference.
    """
    written, read = meeting.written, meeting.read
    if written is None or read is None or not (written.struct and read.struct):
        return ()
    values = values_of(schema, scenario, file, written)
    gaps = [g.name for g in meeting.of(Grade.SILENT) if g.where == "root"]
    moved = [name for name in values if name in gaps]
    if not moved or misread(schema, written.struct, read.struct, values):
        return ()
    held = ", ".join(f"{name} {values[name]!r}" for name in moved)
    better = next(_telling(schema, written, read), "")
    hint = f"scenario '{better}' can" if better else "nor can any scenario that ships"
    text = (
        f"this file cannot tell the two layouts apart, that it comes back equal proves nothing: what it holds in the"
        f" members that moved ({held}) reads the same in both; {hint}"
    )
    return (reason("MFD007", "memfd", text),)


def _telling(schema: Schema, written: Format, read: Format) -> Iterator[str]:
    """Shipped scenarios with a file that a reader of `read` does not get as it was written, the baseline first."""
    for scenario in _shipped():
        files = (f for o in scenario.objects if isinstance(o, Session) for f in o.files)
        held = (values_of(schema, scenario, file, written) for file in files)
        if any(misread(schema, written.struct, read.struct, values) for values in held):
            yield scenario.id


@cache
def _shipped() -> tuple[Scenario, ...]:
    return tuple(library().values())
