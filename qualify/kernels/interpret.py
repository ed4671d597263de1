# SPDX-License-Identifier: Apache-2.0
"""What a probe's facts mean: the releases that the kernel behaves like, and where it differs from its own."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from qualify.kernels.match import Difference, config_differences
from qualify.kernels.probe import ProbeFacts
from qualify.kernels.seen import ROOT, Sight, assumed, blob_plain, in_sight, sight_of
from qualify.schema import Format, Release, Schema

__all__ = ["ProbeReport", "State", "interpret"]

_KHO, _LUO, _MEMFD, _REGIONS = "kho", "luo", "memfd", "reserve-mem"
_TELLING = ("kho", "liveupdate", "luo", "preserv", "kexec handover")  # lines of the log that are kept


@dataclass(frozen=True)
class State:
    """Whether the kernel has a mechanism, and whether it was on in this boot. None where nothing tells."""

    present: bool | None
    on: bool


@dataclass(frozen=True)
class ProbeReport:
    """The answer of one probe."""

    facts: ProbeFacts
    registered: str  # the label that the kernel is taken for
    known: bool  # whether the schema has that release
    kho: State
    luo: State
    sights: Mapping[str, Sight]  # by component, those that a probe can see
    matches: tuple[str, ...]  # releases without a difference, those of the same version first
    nearest: tuple[str, int] | None  # without a match: the release with the fewest differences, and how many
    differences: tuple[Difference, ...]  # from the registered release, else from the nearest
    assumed: Mapping[str, tuple[str, ...]]  # component -> what no probe can see, of the same release
    blobs: Mapping[str, Mapping[str, Any]]

    @property
    def agrees(self) -> bool | None:
        """Whether the kernel is what it is registered as; None when the schema has no such release.

        None too when the probe saw nothing that speaks against it, but did not see everything.
        """
        if not self.known or (self.facts.troubles and not self.differences):
            return None
        return not self.differences

    def to_json(self) -> dict[str, Any]:
        """For probe.json and for programs."""
        facts = self.facts
        return {
            "uname": {"release": facts.release, "version": facts.version},
            "cmdline": facts.cmdline,
            "registered": self.registered,
            "known": self.known,
            "agrees": self.agrees,
            "kho": asdict(self.kho),
            "luo": asdict(self.luo),
            "matches": list(self.matches),
            "nearest": {"label": self.nearest[0], "differences": self.nearest[1]} if self.nearest else None,
            "components": {c: {"there": s.there, "seen": s.text, "fits": list(s.fits)} for c, s in self.sights.items()},
            "differences": [asdict(d) for d in self.differences],
            "assumed": {c: list(parts) for c, parts in self.assumed.items()},
            "ioctls": [
                {"fd": i.target, "name": i.name, "nr": i.number, "errno": i.errno, "known": i.known}
                for i in facts.ioctls
            ],
            "handlers": {h.type: {"registered": h.registered, "errno": h.errno} for h in facts.handlers},
            "system": dict(facts.system),
            "config": dict(facts.options),
            "blobs": {name: dict(blob) for name, blob in self.blobs.items()},
            "log": [line for line in facts.log if any(word in line.lower() for word in _TELLING)],
            "troubles": list(facts.troubles),
        }


def interpret(
    facts: ProbeFacts, schema: Schema, registered: str, config: Mapping[str, str] | None = None
) -> ProbeReport:
    """What the facts say; `registered` is a label or alias.

    `config` stands in where the kernel does not tell its own.
    """
    options = facts.options or config or {}
    visible = dict.fromkeys(f.component for f in schema.formats.values() if in_sight(f, schema))
    sights = {c: sight_of(c, schema, facts.blobs) for c in visible}
    found = {r.label: _differences(facts, schema, r, options, sights) for r in schema.releases}
    order = sorted(found, key=lambda label: not _same_version(schema.release(label), facts.release))
    matches = tuple(label for label in order if not found[label])
    nearest = None if matches else min(((label, len(found[label])) for label in order), key=lambda pair: pair[1])
    own = next((r for r in schema.releases if registered in (r.label, *r.aliases)), None)
    judged = own or schema.release(matches[0] if matches else nearest[0] if nearest else schema.releases[0].label)
    return ProbeReport(
        facts=facts,
        registered=own.label if own is not None else registered,
        known=own is not None,
        kho=_kho(facts, options),
        luo=_luo(facts, options, sights),
        sights=sights,
        matches=matches,
        nearest=nearest,
        differences=found[judged.label],
        assumed=_assumed(schema, judged, sights),
        blobs={
            name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            | blob_plain(name, data, schema, sights)
            for name, data in sorted(facts.blobs.items())
        },
    )


def _differences(
    facts: ProbeFacts, schema: Schema, release: Release, options: Mapping[str, str], sights: Mapping[str, Sight]
) -> tuple[Difference, ...]:
    found = list(config_differences(schema, release, options))
    told = {d.component for d in found}
    if _KHO in release.components and _KHO not in told and not _kho(facts, options).on:
        found.append(Difference(_KHO, "debugfs", f"{ROOT}", "nothing: the kernel lacks it, or it is off"))
    for component, sight in sights.items():
        form = schema.written(release, component)
        if component in told:
            continue  # its option says it all
        if form is None:
            if sight.there:
                found.append(Difference(component, "bytes", "nothing", sight.text))
        elif sight.there and form.id not in sight.fits:
            found.append(Difference(component, "bytes", _in_words(form), sight.text))
        elif not sight.there and in_sight(form, schema) and _is_due(component, facts):
            found.append(Difference(component, "bytes", _in_words(form), "nothing"))
    for handler in facts.handlers:
        if handler.type not in schema.components or handler.type in told:
            continue
        expected = handler.type in release.components
        if handler.registered is not None and expected != handler.registered and _opened(facts):
            seen = "taken" if handler.registered else handler.errno
            found.append(Difference(handler.type, "handler", "taken" if expected else "ENOENT", seen))
    found += _finalisation(facts, schema, release)
    return tuple(sorted(found))


def _finalisation(facts: ProbeFacts, schema: Schema, release: Release) -> list[Difference]:
    """The file out/finalize is there unless the release keeps no state that has to be made final."""
    if _KHO not in release.components or not facts.system.get("kho") or "finalize" not in facts.system:
        return []
    expected = schema.trait(release, _KHO, "finalise") != "stateless"
    seen = bool(facts.system["finalize"])
    words = {True: "there", False: "not there"}
    return [] if seen == expected else [Difference(_KHO, "out/finalize", words[expected], words[seen])]


def _is_due(component: str, facts: ProbeFacts) -> bool:
    """Whether a kernel that has a component shows it in a probe: regions only where the command line asked for one."""
    if not facts.blobs:
        return False  # no debugfs, or KHO is off: that is told by itself
    return component != _REGIONS or "reserve_mem=" in facts.cmdline


def _opened(facts: ProbeFacts) -> bool:
    return facts.open_errno == "" and bool(facts.system.get("device"))


def _kho(facts: ProbeFacts, options: Mapping[str, str]) -> State:
    there = bool(facts.system.get("kho")) or ROOT in facts.blobs
    option = options.get("KEXEC_HANDOVER")
    return State(present=True if there else option in ("y", "m") if options else None, on=there)


def _luo(facts: ProbeFacts, options: Mapping[str, str], sights: Mapping[str, Sight]) -> State:
    there = sights[_LUO].there if _LUO in sights else False
    device = bool(facts.system.get("device"))
    option = options.get("LIVEUPDATE")
    present = True if there or device else option in ("y", "m") if options else None
    return State(present=present, on=there or (device and facts.open_errno == "" and bool(facts.handlers)))


def _assumed(schema: Schema, release: Release, sights: Mapping[str, Sight]) -> dict[str, tuple[str, ...]]:
    found = {}
    for component in release.components:
        form = schema.written(release, component)
        if form is not None:
            sight = sights.get(component)
            parts = assumed(form, schema, sight.fits if sight is not None else ())
            if parts:
                found[component] = parts
    return found


def _in_words(form: Format) -> str:
    return form.id + (f" ('{form.compatible}')" if form.compatible else "")


def _same_version(release: Release, uname: str) -> bool:
    """For the order in which matches are told, nothing else: a version selects no format."""
    return uname == release.version or uname.startswith((f"{release.version}-", f"{release.version}+"))
