# SPDX-License-Identifier: Apache-2.0
"""The one decision: what happens to a scenario's objects when `source` jumps into `target`, from the schema alone.

A decision is put together from stages - the source, early boot, each user of the handover - and every stage is decided
once for all releases that behave alike in what it looks at. A million pairs cost a million look-ups, and a few thousand
decisions.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from qualify.compat.cargo import Consignment, consign, pack
from qualify.compat.leaves import Branch, assemble
from qualify.compat.luo import luo_options
from qualify.compat.meeting import Match
from qualify.compat.memfds import memfd_options
from qualify.compat.profile import Profile, Profiles
from qualify.compat.reach import Cover, Tables
from qualify.compat.small import metadata_options, region_options, test_options
from qualify.compat.stage import Desk, Option
from qualify.compat.worlds import World, worlds
from qualify.model import Prediction, Verdict
from qualify.scenario import Scenario
from qualify.schema import Release, Schema

__all__ = ["Decider", "decide", "decide_many", "decider"]

# what each stage looks at, on either side
_LUO = ("luo", "luo-session", "luo-file", "luo-flb", "kho-block")
_STAGES: dict[str, tuple[tuple[str, ...], Callable[[Desk], tuple[Option, ...]]]] = {
    "reserve-mem": (("reserve-mem", "kho"), region_options),
    "memfd": (("memfd", "kho-vmalloc", "kho"), memfd_options),
    "kexec-metadata": (("kexec-metadata",), metadata_options),
    "kho-test": (("kho-test", "kho-vmalloc", "kho"), test_options),
}


@dataclass(frozen=True, slots=True, eq=False)
class _Side:
    """A release as one side of a pair: `keys` are the ids of the parts that each stage looks at."""

    profile: Profile
    keys: dict[str, int]
    sent: Consignment | None = None
    sent_id: int = -1


class Decider:
    """Decides pairs of one schema under one scenario, and remembers."""

    def __init__(self, schema: Schema, scenario: Scenario, profiles: Profiles | None = None) -> None:
        self.schema = schema
        self.scenario = scenario
        self.cargo = pack(scenario)
        self._profiles = profiles or Profiles(schema)
        self._values: dict[object, int] = {}
        self._sources: dict[int, _Side] = {}
        self._targets: dict[int, _Side] = {}
        self._views: dict[tuple[int, int, int], int] = {}
        self._worlds: dict[tuple[object, ...], tuple[int, tuple[World, ...]]] = {}
        self._options: dict[tuple[object, ...], tuple[int, tuple[Option, ...]]] = {}
        self._found: dict[tuple[object, ...], Prediction] = {}
        self._pairs: dict[tuple[int, int], Prediction] = {}

    def decide(self, source: Release, target: Release) -> Prediction:
        """The prediction for one pair; equal ones are the same object."""
        mine = self._sources.get(id(source)) or self._source(source)
        theirs = self._targets.get(id(target)) or self._target(target)
        key = mine.profile.id, theirs.profile.id
        if (found := self._pairs.get(key)) is None:
            found = self._pairs[key] = self._compose(mine, theirs)
        return found

    def _intern(self, value: object) -> int:
        return self._values.setdefault(value, len(self._values))

    def _keys(self, profile: Profile) -> dict[str, int]:
        looked_at = {name: names for name, (names, _) in _STAGES.items()} | {"luo": _LUO, "kho": ("kho",)}
        # FLBs are asked for by users that are bound to a handler
        bound = tuple(sorted({b for c in self.schema.components.values() for b in c.bound_to if b in profile.parts}))
        return {
            name: self._intern((name, profile.ids(*names), bound, profile.arch)) for name, names in looked_at.items()
        }

    def _source(self, release: Release) -> _Side:
        profile = self._profiles.profile(release)
        sent = consign(self.schema, self.cargo, profile)
        side = _Side(profile, self._keys(profile), sent, self._intern(sent))
        self._sources[id(release)] = side
        return side

    def _target(self, release: Release) -> _Side:
        profile = self._profiles.profile(release, self.scenario.target.without)
        side = self._targets[id(release)] = _Side(profile, self._keys(profile))
        return side

    def _compose(self, source: _Side, target: _Side) -> Prediction:
        sent = source.sent
        assert sent is not None
        if not sent.jumps:
            return self._remember(("stays", source.sent_id), lambda: assemble(self.cargo, sent, ()))
        number, ways = self._early(source, target, sent)
        branches: list[Branch] = []
        key: list[object] = [source.sent_id, number]
        for place, world in enumerate(ways):
            if world.reach is None:
                branches.append((world, None, ()))
                continue
            for part, tables in enumerate(world.reach.tables):
                view = self._view((number, place, part), world, tables)
                stages, ids = self._late(source, target, sent, (view, world, tables))
                branches.append((world, tables, stages))
                key.append(ids)
        return self._remember(tuple(key), lambda: assemble(self.cargo, sent, tuple(branches)))

    def _remember(self, key: tuple[object, ...], make: Callable[[], Prediction]) -> Prediction:
        if (found := self._found.get(key)) is None:
            found = self._found[key] = make()
        return found

    def _early(self, source: _Side, target: _Side, sent: Consignment) -> tuple[int, tuple[World, ...]]:
        mine, theirs = source.profile, target.profile
        shapes = tuple((p.page_size, p.endian, p.arch) for p in (mine, theirs))
        key = source.keys["kho"], target.keys["kho"], source.sent_id, shapes
        if (found := self._worlds.get(key)) is None:
            meeting = self._profiles.meeting("kho", mine, theirs)
            ways = worlds(self.cargo, sent, mine, theirs, meeting)
            found = self._worlds[key] = (self._intern(ways), ways)
        return found

    def _view(self, key: tuple[int, int, int], world: World, tables: Tables) -> int:
        """A number for what later stages see of a world."""
        if (found := self._views.get(key)) is None:
            covers = world.reach.covers if world.reach else ()
            found = self._views[key] = self._intern((covers, tables, world.subtrees))
        return found

    def _late(
        self, source: _Side, target: _Side, sent: Consignment, place: tuple[int, World, Tables]
    ) -> tuple[tuple[tuple[Option, ...], ...], tuple[int, ...]]:
        view, world, tables = place
        mine, theirs = source.profile, target.profile

        def desk() -> Desk:
            meetings = {c: self._profiles.meeting(c, mine, theirs) for c in self.schema.components}
            covers: tuple[Cover, ...] = world.reach.covers if world.reach else ()
            return Desk(
                self.schema, self.cargo, sent, covers, tables, world.subtrees, mine.parts, theirs.parts, theirs.arch,
                meetings,
            )  # fmt: skip

        handler = self._profiles.meeting("memfd", mine, theirs).match is Match.ACCEPTED
        stages, ids = [], []
        common = source.sent_id, view
        for name, (_, stage) in _STAGES.items():
            number, options = self._stage((name, source.keys[name], target.keys[name], *common), stage, desk)
            stages.append(options)
            ids.append(number)
        # who has no handler names the string that nobody registered for
        key = ("luo", source.keys["luo"], target.keys["luo"], -1 if handler else source.keys["memfd"], *common)
        number, options = self._stage(key, lambda d: luo_options(d, handler), desk)
        return (*stages, options), (*ids, number)

    def _stage(
        self, key: tuple[object, ...], stage: Callable[[Desk], tuple[Option, ...]], desk: Callable[[], Desk]
    ) -> tuple[int, tuple[Option, ...]]:
        if (found := self._options.get(key)) is None:
            options = stage(desk())
            found = self._options[key] = (self._intern(options), options)
        return found


_deciders: dict[int, tuple[weakref.ref[Schema], Profiles, dict[str, Decider]]] = {}


def decider(schema: Schema, scenario: Scenario) -> Decider:
    """The decider for a schema and a scenario; what it remembers lives as long as the schema."""
    key = id(schema)
    if key not in _deciders or _deciders[key][0]() is not schema:
        # bound now: at interpreter exit the module's own name may already be gone
        gone = weakref.ref(schema, lambda _, known=_deciders: known.pop(key, None))  # type: ignore[misc]
        _deciders[key] = (gone, Profiles(schema), {})
    _, profiles, known = _deciders[key]
    if scenario.digest not in known:
        known[scenario.digest] = Decider(schema, scenario, profiles)
    return known[scenario.digest]


def decide(schema: Schema, source: Release, target: Release, scenario: Scenario) -> Prediction:
    """What can happen to the scenario's objects when `source` jumps into `target`. The one decision function."""
    return decider(schema, scenario).decide(source, target)


def decide_many(schema: Schema, pairs: Iterable[tuple[Release, Release]], scenario: Scenario) -> Iterator[Verdict]:
    """The worst verdict of each pair, by the same decision."""
    one = decider(schema, scenario).decide
    known: dict[int, Verdict] = {}
    for source, target in pairs:
        found = one(source, target)
        verdict = known.get(id(found))
        if verdict is None:
            verdict = known[id(found)] = found.worst
        yield verdict
