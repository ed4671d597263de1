# SPDX-License-Identifier: Apache-2.0
"""Small helpers of those who read: whose tree this is, how a property compares, what leaked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from qualify.machine.booting import Booting
from qualify.model import Consequence, ObjectObservation, PropertyObservation, PropertyState, Reply
from qualify.schema import Component, Format
from qualify.wire import fdt
from qualify.wire.structs import Value

__all__ = ["compare", "names", "text_of", "with_leak", "worst_of_run"]


def compare(component: Component, form: Format | None, name: str, expected: str, observed: str) -> PropertyObservation:
    """One property: not-carried when the format documents it so, else equal or different."""
    if form is not None and name in form.not_carried:
        state = PropertyState.NOT_CARRIED
    else:
        state = PropertyState.EQUAL if expected == observed else PropertyState.DIFFERENT
    return PropertyObservation(name, state, expected, observed, critical=name in component.contents)


def names(root: fdt.Node, form: Format) -> bool:
    """Whether a tree carries the compatible string of `form`."""
    return form.fdt is not None and fdt.node_check_compatible(root, form.fdt.compatible) == 0


def with_leak(target: Booting, seen: ObjectObservation, *more: Consequence) -> ObjectObservation:
    """`seen` with `more` consequences, and with `leaked` if memory of the object stays reserved."""
    leaked = {Consequence.LEAKED} if target.leaked(seen.object_id) else set()
    return replace(seen, consequences=seen.consequences | {*more} | leaked)


def text_of(value: Value) -> str:
    """A NUL-terminated name out of a struct."""
    return value.split(b"\0")[0].decode("latin-1") if isinstance(value, bytes) else str(value)


def _badness(seen: ObjectObservation) -> int:
    """0 for a file that came back as it was; the order is that of the verdicts."""
    if seen.reply is not Reply.GIVEN:
        return 2 if seen.reply is Reply.REFUSED else 3
    different = [p for p in seen.properties if p.state is PropertyState.DIFFERENT]
    return 4 if any(p.critical for p in different) else len(different[:1])


def worst_of_run(seen: Sequence[ObjectObservation]) -> ObjectObservation:
    """One observation for a run of files: the first of the worst, and how many are as they should be."""
    chosen = max(seen, key=_badness)
    if len(seen) == 1:
        return chosen
    good = sum(not _badness(o) for o in seen)
    consequences = frozenset(c for o in seen for c in o.consequences)
    notes = (f"{good} of {len(seen)} came back unchanged", *chosen.notes)
    return replace(chosen, consequences=consequences, notes=notes)
