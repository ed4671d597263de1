# SPDX-License-Identifier: Apache-2.0
"""Two VMState dumps, source to target: what would break a migration. Pure; goes on after a difference."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from qualify.schema.vmstate import MACHINE, VmDescription, VmDump, VmField, VmSection

__all__ = ["DumpComparer", "Rename", "Severity", "VmFinding", "compare_dumps", "compare_many"]

UNUSED = "unused"


class Severity(StrEnum):
    """A warning does not make the pair incompatible."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Rename:
    """Two names for one thing, in either direction. `where` is the description, or "" for section names."""

    where: str
    names: frozenset[str]
    reason: str


@dataclass(frozen=True, slots=True)
class VmFinding:
    """One difference. `peer`: the rules of vmstate-static-checker count it too."""

    rule: str
    path: str
    severity: Severity
    text: str
    peer: bool


class _Walk:
    """One section beside another; notes in `used` which renames made names equal."""

    def __init__(self, same: Mapping[tuple[str, frozenset[str]], Rename], used: set[Rename]) -> None:
        self.same, self.used = same, used
        self.found: list[VmFinding] = []

    def add(self, rule: int, path: str, text: str, peer: bool) -> None:
        self.found.append(VmFinding(f"VMS{rule:03}", path, Severity.ERROR, text, peer))

    def match(self, where: str, source: str, target: str) -> bool:
        if source == target:
            return True
        if (rename := self.same.get((where, frozenset((source, target))))) is None:
            return False
        self.used.add(rename)
        return True

    def version(self, source: int, target: int, minimum: int | None, path: str, peer: bool, peer_minimum: bool) -> None:
        if source > target:
            self.add(3, path, f"version {source} is newer than the target's {target}", peer)
        if minimum is not None and source < minimum:
            text = f"version {source} is older than the target's minimum {minimum}"
            self.add(3, path, text, peer and peer_minimum)

    def keys(self, source: tuple[str, ...], target: tuple[str, ...], path: str, peer: bool) -> None:
        for key in source:
            if key not in target:
                self.add(4, path, f"the target has no entry {key!r}", peer)

    def section(self, source: VmSection, target: VmSection) -> None:
        path = source.name
        self.version(source.version_id, target.version_id, target.minimum_version_id, path, True, False)
        self.keys(source.keys, target.keys, path, True)
        if source.description and target.description:
            self.description(source.description, target.description, source.name, path, True)

    def description(self, source: VmDescription, target: VmDescription, section: str, path: str, peer: bool) -> None:
        path = f"{path}/{source.name}"
        self.version(source.version_id, target.version_id, target.minimum_version_id, path, peer, True)
        if not self.match(section, source.name, target.name):
            self.add(5, path, f"the target has description {target.name!r} instead", peer)
            peer = False
        self.keys(source.keys, target.keys, path, peer)
        if "Fields" in target.keys:
            self.fields(source, target, section, path, peer)
        if "Subsections" in source.keys and "Subsections" in target.keys:
            self.subsections(source, target, section, path, peer)

    def subsections(self, source: VmDescription, target: VmDescription, section: str, path: str, peer: bool) -> None:
        for mine in source.subsections:
            theirs = [other for other in target.subsections if other.name == mine.name]
            if not theirs:
                self.add(13, f"{path}/{mine.name}", "the target has no such subsection", peer)
            for other in theirs:
                self.description(mine, other, section, path, peer)

    def opens(self, struct: VmField, name: str) -> bool:
        inner = struct.description
        return inner is not None and bool(inner.fields) and self.match(inner.name, inner.fields[0].name, name)

    def fields(self, source: VmDescription, target: VmDescription, section: str, path: str, peer: bool) -> None:
        left, right = deque(source.fields), deque(target.fields)
        while left:
            mine = left.popleft()
            at = f"{path}/{mine.name}"
            if not right:
                self.add(7, at, "the target has no further fields", peer)
                peer = False
                continue
            other = right.popleft()
            if self.match(source.name, mine.name, other.name):
                self.field(mine, other, section, at, peer)
            elif self.opens(other, mine.name) and other.description:
                right.extendleft(reversed(other.description.fields))
                left.appendleft(mine)
            elif self.opens(mine, other.name) and mine.description:
                left.extendleft(reversed(mine.description.fields))
                right.appendleft(other)
            elif UNUSED in (mine.name, other.name):
                if over := _balance(mine, other, left if other.name == UNUSED else right):
                    # the peer stops without a word when the source ends within the target's padding
                    counted = peer and not (over > 0 and other.name == UNUSED)
                    self.add(9, at, f"the sizes of the padding beside {other.name!r} do not balance", counted)
                    peer = False
            else:
                self.add(10, at, f"the target has field {other.name!r} here", peer)
                peer = False
                self.resynchronise(source.name, mine, other, left, right)

    def resynchronise(
        self, where: str, mine: VmField, other: VmField, left: deque[VmField], right: deque[VmField]
    ) -> None:
        """Go on at the place where the names meet again; where they never do, at the next pair."""
        if any(self.match(where, mine.name, later.name) for later in right):
            while not self.match(where, mine.name, right[0].name):
                right.popleft()
            left.appendleft(mine)
        elif any(self.match(where, later.name, other.name) for later in left):
            right.appendleft(other)

    def field(self, mine: VmField, other: VmField, section: str, at: str, peer: bool) -> None:
        self.version(mine.version_id, other.version_id, None, at, peer, True)
        if mine.description is None:
            if mine.size != other.size:
                self.add(11, at, f"{mine.size} bytes, in the target {other.size}", peer)
        elif other.description is None:
            self.add(12, at, "the target's field has no description", peer)
        else:
            self.description(mine.description, other.description, section, at, peer)


def _balance(mine: VmField, other: VmField, rest: deque[VmField]) -> int:
    """Take fields from the side that is not padding while the padding is longer; how much longer it stays, in bytes."""
    padding, named = (other, mine) if other.name == UNUSED else (mine, other)
    over = padding.size * padding.num - named.size * named.num
    while over > 0 and rest:
        taken = rest.popleft()
        over -= taken.size * taken.num
    return over


class DumpComparer:
    """Compares dumps and remembers pairs of sections by identity: many dumps that share sections cost one each.

    `used` are the renames that were needed so far.
    """

    def __init__(self, accepted: tuple[Rename, ...] = ()) -> None:
        self.used: set[Rename] = set()
        self._same = {(rename.where, rename.names): rename for rename in accepted}
        # The sections are kept with the result: an id means nothing once its object is gone.
        self._known: dict[tuple[int, int], tuple[VmSection, VmSection, tuple[VmFinding, ...]]] = {}

    def compare(self, source: VmDump, target: VmDump) -> tuple[VmFinding, ...]:
        """All findings, in the source's order; sections that only the target has are none."""
        found: list[VmFinding] = []
        if source.machine != target.machine:
            text = f"machine type {source.machine!r}, in the target {target.machine!r}"
            found.append(VmFinding("VMS002", MACHINE, Severity.WARNING, text, False))
        for name, section in source.sections.items():
            there = target.sections.get(name) or self._renamed(name, target)
            if there is None:
                found.append(VmFinding("VMS001", name, Severity.ERROR, "the target has no such section", True))
            else:
                found.extend(self._sections(section, there))
        return tuple(found)

    def _renamed(self, name: str, target: VmDump) -> VmSection | None:
        walk = _Walk(self._same, self.used)
        return next((section for key, section in target.sections.items() if walk.match("", name, key)), None)

    def _sections(self, source: VmSection, target: VmSection) -> tuple[VmFinding, ...]:
        key = (id(source), id(target))
        if key not in self._known:
            walk = _Walk(self._same, self.used)
            walk.section(source, target)
            self._known[key] = (source, target, tuple(walk.found))
        return self._known[key][2]


def compare_dumps(source: VmDump, target: VmDump, accepted: tuple[Rename, ...] = ()) -> tuple[VmFinding, ...]:
    """All findings of one pair; see DumpComparer.compare."""
    return DumpComparer(accepted).compare(source, target)


def compare_many(
    dumps: Mapping[str, VmDump], accepted: tuple[Rename, ...] = ()
) -> dict[tuple[str, str], tuple[VmFinding, ...]]:
    """Every dump as the source of every one, itself included: findings by (source, target)."""
    comparer = DumpComparer(accepted)
    return {(a, b): comparer.compare(dumps[a], dumps[b]) for a in dumps for b in dumps}
