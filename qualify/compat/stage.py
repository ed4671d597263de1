# SPDX-License-Identifier: Apache-2.0
"""What the later stages share: the desk they work at, and the options that they answer with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from qualify.compat.cargo import Cargo, Consignment, Item
from qualify.compat.meeting import Gap, Meeting
from qualify.compat.profile import Part
from qualify.compat.reach import Cover, Tables
from qualify.model import Consequence, Reason, Verdict
from qualify.scenario import Flb, KexecMetadata, KhoTest, Memfd, Session
from qualify.scenario.objects import PAGE
from qualify.schema import Architecture, Condition, Reaction, Schema

__all__ = ["LEAKED", "NONE", "WARNED", "Desk", "Fate", "Option", "kho_test_pages", "listed", "react"]

NONE: frozenset[Consequence] = frozenset()
LEAKED = frozenset({Consequence.LEAKED})
WARNED = frozenset({Consequence.WARNED})


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one object. `unsure`: what may come with it and need not."""

    index: int
    verdict: Verdict
    consequences: frozenset[Consequence] = NONE
    reasons: tuple[Reason, ...] = ()
    unsure: frozenset[Consequence] = NONE

    @property
    def possible(self) -> frozenset[Consequence]:
        return self.consequences | self.unsure

    @property
    def certain(self) -> frozenset[Consequence]:
        return self.consequences - self.unsure


@dataclass(frozen=True, slots=True)
class Option:
    """One way that a stage can go. A panic takes every object with it.

    `panics_for`: the objects whose retrieval panics; where none of them can be retrieved, nothing does.
    """

    condition: str = ""
    panic: bool = False
    fates: tuple[Fate, ...] = ()
    reasons: tuple[Reason, ...] = ()
    panics_for: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything a stage may look at: the cargo, what arrived of it, and the two sides' parts and meetings."""

    schema: Schema
    cargo: Cargo
    sent: Consignment
    covers: tuple[Cover, ...]
    tables: Tables
    subtrees: bool
    source: Mapping[str, Part]
    target: Mapping[str, Part]
    arch: Architecture
    meetings: Mapping[str, Meeting] = field(default_factory=dict)

    def handed(self, *components: str) -> tuple[Item, ...]:
        """The objects of those components that were handed over."""
        items = self.cargo.items
        return tuple(items[i] for i in self.sent.handed if not components or items[i].component in components)

    def leaked(self, item: Item) -> frozenset[Consequence]:
        """LEAKED if any of the object's memory was reserved: contents, and the tables that lead to them."""
        held = self.covers[item.index].any or any(self.tables.holds(pages) for pages in self._tables(item))
        return LEAKED if held else NONE

    def _tables(self, item: Item) -> Iterator[int]:
        """How many pages each of the object's own tables takes."""
        match item.model:
            case Session():
                yield self._container("luo-session")
                if any(other.owner == item.index for other in self.handed("memfd")):
                    yield from (self._container("luo-file"), 1)  # and the files' descriptors
            case KhoTest(folios=folios):
                yield kho_test_pages(len(folios))
                if self.meetings["kho-vmalloc"].written is not None:
                    yield 1
            case Memfd() | Flb() | KexecMetadata():
                yield 1

    def _container(self, component: str) -> int:
        """Pages of a component's table in one piece."""
        form = self.meetings[component].written
        return form.container.pages if form and form.container and form.container.kind == "array" else 1

    def lost(self, items: Iterable[Item], *why: Reason, more: frozenset[Consequence] = NONE) -> tuple[Fate, ...]:
        """LOST, with their memory held if it was reserved."""
        return tuple(Fate(i.index, Verdict.LOST, self.leaked(i) | more, why) for i in items)


def kho_test_pages(folios: int) -> int:
    """Pages of kho_test's FDT: room for one page and eight bytes a folio. Source: kho_test_save() in lib/test_kho.c."""
    return 1 + -(-8 * folios // PAGE)


def react(desk: Desk, part: Part, met: Condition, otherwise: Reaction, items: Iterable[Item], *why: Reason) -> Option:
    """What `part` does on a condition, to these objects."""
    reaction = part.on(met, otherwise)
    if reaction is Reaction.PANIC:
        return Option(panic=True, reasons=why)
    if reaction.errno or reaction in (Reaction.OPEN_FAILS, Reaction.FILE_MISSING):
        refused = tuple(Fate(i.index, Verdict.REFUSED, desk.leaked(i), why) for i in items)
        return Option(fates=refused)
    logged = reaction in (Reaction.WARNING, Reaction.FRESH_ALLOCATION)
    return Option(fates=desk.lost(items, *why, more=WARNED if logged else NONE))


def listed(gaps: Iterable[Gap]) -> str:
    """The texts of some differences."""
    return "; ".join(g.text for g in gaps)
