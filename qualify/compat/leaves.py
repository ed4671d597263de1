# SPDX-License-Identifier: Apache-2.0
"""From worlds and options to a prediction: every joint way is a leaf that says what becomes of every object."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from qualify.compat.cargo import Cargo, Consignment
from qualify.compat.reach import Tables
from qualify.compat.stage import NONE, Fate, Option
from qualify.compat.worlds import End, World
from qualify.model import Alternative, Consequence, ObjectPrediction, Prediction, Reason, Verdict, worst

__all__ = ["Branch", "assemble"]

# a world, which of its tables are reserved, and what each later stage answers
Branch = tuple[World, Tables | None, tuple[tuple[Option, ...], ...]]


@dataclass(frozen=True, slots=True)
class _Leaf:
    """One joint way. `fates` by index of the object."""

    condition: str
    fates: Mapping[int, Fate]
    consequences: frozenset[Consequence] = NONE
    machine: Verdict = Verdict.UNSUPPORTED  # PANIC where the target died, also of what no object stands for
    reasons: tuple[Reason, ...] = ()


def assemble(cargo: Cargo, sent: Consignment, branches: Iterable[Branch]) -> Prediction:
    """The prediction. Without branches nothing jumps and nothing happens."""
    leaves = [leaf for branch in branches for leaf in _leaves(sent, branch)] or [_Leaf("", {})]
    objects = tuple(_object(cargo, sent, leaves, item.index) for item in cargo.items)
    ways = []
    for leaf in leaves:
        verdict = worst([leaf.machine, *(f.verdict for f in leaf.fates.values())])
        possible = leaf.consequences.union(*(f.possible for f in leaf.fates.values()))
        certain = leaf.consequences.union(*(f.certain for f in leaf.fates.values()))
        ways.append(Alternative(verdict, leaf.condition, possible, certain))
    reasons = dict.fromkeys(
        itertools.chain((r for leaf in leaves for r in leaf.reasons), *(o.reasons for o in objects))
    )
    return Prediction(_merge(ways), objects, tuple(reasons))


def _leaves(sent: Consignment, branch: Branch) -> Iterator[_Leaf]:
    world, tables, stages = branch
    if world.end is not End.ALIVE or tables is None:
        verdict = Verdict.PANIC if world.end is End.PANIC else Verdict.LOST
        fates = {i: Fate(i, verdict, NONE, world.reasons) for i in sent.handed}
        machine = Verdict.PANIC if world.end is End.PANIC else Verdict.UNSUPPORTED
        yield _Leaf(world.condition, fates, NONE, machine, world.reasons)
        return
    place = ""
    if world.reach is not None and len(world.reach.tables) > 1:
        inside = tables == world.reach.tables[0]
        place = f"the source's tables lie {'within' if inside else 'partly behind'} what the target reads of the map"
    for options in itertools.product(*stages):
        yield _joint(sent, world, place, options)


def _joint(sent: Consignment, world: World, place: str, options: tuple[Option, ...]) -> _Leaf:
    condition = " and ".join(c for c in (world.condition, place, *(o.condition for o in options)) if c)
    # LUO comes last, and overrules what the files' own handler would have answered
    found = {f.index: f for o in options for f in o.fates}
    deadly = [o for o in options if o.panic and (not o.panics_for or o.panics_for - found.keys())]
    own = tuple(r for o in options if not o.panic for r in o.reasons)
    if deadly:
        why = (*world.reasons, *(r for o in deadly for r in o.reasons))
        fates = {i: Fate(i, Verdict.PANIC, NONE, why) for i in sent.handed}
        return _Leaf(condition, fates, NONE, Verdict.PANIC, why)
    fates = {
        i: replace(f, reasons=(*world.reasons, *f.reasons), unsure=f.unsure | _unsure(f, world))
        for i, f in found.items()
    }
    return _Leaf(condition, fates, world.consequences, reasons=(*world.reasons, *own))


def _unsure(fate: Fate, world: World) -> frozenset[Consequence]:
    return world.unsure if fate.verdict in (Verdict.LOST, Verdict.REFUSED) else NONE


def _object(cargo: Cargo, sent: Consignment, leaves: list[_Leaf], index: int) -> ObjectPrediction:
    item = cargo.items[index]
    why = sent.refused[index]
    if why is not None:
        alternatives: tuple[Alternative, ...] = (Alternative(Verdict.UNSUPPORTED),)
        return ObjectPrediction(item.object_id, item.component, alternatives, (why,))
    found = [(leaf.condition, leaf.fates[index]) for leaf in leaves]
    ways = [Alternative(f.verdict, condition, f.possible, f.certain) for condition, f in found]
    reasons = dict.fromkeys(r for _, fate in found for r in fate.reasons)
    return ObjectPrediction(item.object_id, item.component, _merge(ways), tuple(reasons))


def _merge(ways: Iterable[Alternative]) -> tuple[Alternative, ...]:
    """One alternative per verdict, worst first; no condition where there is no other."""
    grouped: dict[Verdict, list[Alternative]] = {}
    for way in ways:
        grouped.setdefault(way.verdict, []).append(way)
    only = len(grouped) == 1
    merged = []
    for verdict, same in grouped.items():
        conditions = list(dict.fromkeys(w.condition for w in same))
        text = "" if only or "" in conditions else ", or ".join(conditions)
        every = same[0].certain.intersection(*(w.certain for w in same))
        merged.append(Alternative(verdict, text, NONE.union(*(w.consequences for w in same)), every))
    return tuple(sorted(merged, key=lambda w: -w.verdict.severity))
