# SPDX-License-Identifier: Apache-2.0
"""What becomes of a KSTATE state between two versions of its description, told from the descriptions alone.

The source's entries are laid out as bytes that have an owner, and the target's fields are walked over them as
restore_kstate() of v3 does it, so that every field is given its own bytes, none, or somebody else's. docs/kstate.md has
the rules. Where bytes decide that only a running source knows, the worst of what can come is told, with the reason.
"""

from __future__ import annotations

import bisect
from collections.abc import Mapping
from dataclasses import dataclass, replace

from qualify.model import Verdict, worst
from qualify.schema.kstate import ENTRY_BYTES, FieldKind, KstateDescription, KstateField, ReaderProfile

__all__ = ["FieldFate", "KstatePrediction", "decide_kstate"]


@dataclass(frozen=True, slots=True)
class FieldFate:
    """What becomes of one field. `verdict` is the worst that can come; `certain` when nothing else can.

    `at` is the offset of the bytes that it is given, in bytes from the state's header, None where it is given none.
    `path` is 'field', 'struct.field', 'array[0].field' or 'subsection.field'.
    """

    path: str
    verdict: Verdict
    reason: str
    at: int | None = None
    certain: bool = True


@dataclass(frozen=True, slots=True)
class KstatePrediction:
    """`verdict` of the state is that of its fields, DEGRADED where some came back and others were lost."""

    verdict: Verdict
    fields: tuple[FieldFate, ...]
    warnings: tuple[str, ...] = ()


def decide_kstate(
    source: KstateDescription,
    target: KstateDescription,
    profile: ReaderProfile = ReaderProfile.AS_CODED,
    renamed: Mapping[str, str] | None = None,
) -> KstatePrediction:
    """What `target` makes of what `source` writes. `renamed`: path of a field in the target -> that in the source."""
    layout = _Layout(source)
    if (source.id, source.instance_id) != (target.id, target.instance_id):
        if source.instance_id == target.instance_id and target.id in (s.id for s in source.subsections):
            text = f"a subsection of state_id {target.id} is taken for the state"
            return _prediction([FieldFate(p, Verdict.CORRUPT, text, None, False) for p in layout.leaves], ())
        text = f"nobody asks for state_id {source.id}, instance_id {source.instance_id}: ENOENT"
        return _prediction([FieldFate(p, Verdict.LOST, text) for p in layout.leaves], ())
    reader = _Reader(layout, profile, renamed or {})
    reader.load(target)
    return _prediction(reader.fates, tuple(reader.warnings))


def _prediction(fates: list[FieldFate], warnings: tuple[str, ...]) -> KstatePrediction:
    verdicts = {f.verdict for f in fates}
    verdict = worst(verdicts)
    if verdict is Verdict.LOST and Verdict.RESTORED in verdicts:
        verdict = Verdict.DEGRADED
    return KstatePrediction(verdict, tuple(fates), warnings)


@dataclass(frozen=True, slots=True)
class _Span:
    """Bytes with an owner: a field, or the header of an entry (`version` set)."""

    start: int
    end: int
    path: str
    version: int | None = None
    instance: int = 0
    subsection: int | None = None  # state_id, of the header of a subsection


class _Layout:
    """What save_kstate() and save_kstates() write for one state, from its header on."""

    def __init__(self, description: KstateDescription) -> None:
        self.spans: list[_Span] = []
        self.leaves: list[str] = []
        self.total = 0
        self._section(description, description.instance_id, "", None)
        for sub in description.subsections:
            self._section(sub, description.instance_id, f"{sub.name}.", sub.id)
        self._starts = [s.start for s in self.spans]

    def _put(self, size: int, path: str, version: int | None = None, instance: int = 0, sub: int | None = None) -> None:
        self.spans.append(_Span(self.total, self.total + size, path, version, instance, sub))
        self.total += size

    def _section(self, description: KstateDescription, instance: int, path: str, sub: int | None) -> None:
        self._put(ENTRY_BYTES, path.rstrip(".") or description.name, description.version_id, instance, sub)
        for one in description.written():
            at = path + one.name
            if one.description is None:
                self.leaves.append(at)
                self._put(one.size * one.count, at)
            elif one.kind is FieldKind.STRUCT:
                self._section(one.description, 0, f"{at}.", None)
            else:
                for number in range(one.count):
                    self._section(one.description, 0, f"{at}[{number}].", None)

    def at(self, offset: int) -> _Span | None:
        """Whose byte it is; None behind the state's last entry."""
        if not 0 <= offset < self.total:
            return None
        return self.spans[bisect.bisect_right(self._starts, offset) - 1]

    def header(self, offset: int) -> _Span | None:
        """The header that starts there, if one does."""
        span = self.at(offset)
        return span if span is not None and span.start == offset and span.version is not None else None

    def following(self, header: _Span) -> int:
        """Where the entry of this header of a subsection ends: at the next one, or behind the state."""
        later = (s.start for s in self.spans if s.subsection is not None and s.start > header.start)
        return next(later, self.total)


class _UnknownError(Exception):
    """From here on bytes decide that only a running source knows."""


class _Reader:
    """restore_kstate() and subsection_load() over bytes with owners."""

    def __init__(self, layout: _Layout, profile: ReaderProfile, renamed: Mapping[str, str]) -> None:
        self.layout, self.profile, self.renamed, self.pos = layout, profile, renamed, 0
        self.fates: list[FieldFate] = []
        self.warnings: list[str] = []
        self._met: set[str] = set()

    def load(self, target: KstateDescription) -> None:
        told = self._all(target, "")
        others, certain = (Verdict.LOST, "the target has no such field"), True
        try:
            self._restore(target, target.instance_id, "")
            self._subsections(target)
        except _RefusedError as refused:
            # its owner is told, and uses nothing of it
            self.fates = [
                f if f.verdict is Verdict.CORRUPT else replace(f, verdict=Verdict.REFUSED, reason=str(refused))
                for f in self.fates
            ]
            self._rest(told, Verdict.REFUSED, str(refused), certain=True)
            others = Verdict.REFUSED, str(refused)
        except _UnknownError as unknown:
            self._rest(told, Verdict.CORRUPT, str(unknown), certain=False)
            certain = False  # those bytes may also make it refuse
        for path in self.layout.leaves:
            if path not in self._met:
                self.fates.append(FieldFate(path, *others, certain=certain))
        if self.profile is ReaderProfile.AS_DOCUMENTED and not all(f.certain for f in self.fates):
            self.fates = [_or_refused(f) for f in self.fates]

    def _tell(self, path: str, verdict: Verdict, reason: str, at: int | None = None, *, certain: bool = True) -> None:
        self._met.add(self.renamed.get(path, path))
        self.fates.append(FieldFate(path, verdict, reason, at, certain))

    def _rest(self, told: list[str], verdict: Verdict, reason: str, *, certain: bool) -> None:
        done = {f.path for f in self.fates}
        for path in told:
            if path not in done:
                self._tell(path, verdict, reason, certain=certain)

    def _all(self, description: KstateDescription, path: str) -> list[str]:
        """Every plain field of the target, in the order in which it reads them."""
        found: list[str] = []
        for one in description.fields:
            if one.kind is not FieldKind.DEPRECATED:
                found += _leaves(one, path)
        for sub in description.subsections if not path else ():
            found += self._all(sub, f"{sub.name}.")
        return found

    def _restore(self, description: KstateDescription, instance: int, path: str) -> None:
        header = self.layout.header(self.pos)
        where = path.rstrip(".") or description.name
        if header is None or header.version is None:
            owner = self.layout.at(self.pos)
            whose = f"bytes of '{owner.path}'" if owner else "what follows the state"
            text = f"{whose} are taken for its header, at offset {self.pos}"
            self._tell(where, Verdict.CORRUPT, text, self.pos, certain=False)
            raise _UnknownError(f"'{where}': {text}")
        if header.version != description.version_id:
            self.warnings.append(f"'{where}': version mismatch {header.version} {description.version_id}")
        if header.instance != instance:
            self.warnings.append(f"'{where}': instance id mismatch {header.instance} {instance}")
        low, high = description.min_version_id, description.version_id
        if self.profile is ReaderProfile.AS_DOCUMENTED and not low <= header.version <= high:
            raise _RefusedError(f"'{where}': version {header.version} is not within {low} to {high}: EINVAL")
        self.pos += ENTRY_BYTES
        for one in description.fields:
            self._field(one, header.version, path)

    def _field(self, one: KstateField, version: int, path: str) -> None:
        at = path + one.name
        if one.kind is FieldKind.DEPRECATED:
            coded = self.profile is ReaderProfile.AS_CODED
            if version == one.version_id if coded else version <= one.version_id:
                self.pos += one.size
        elif one.version_id > version:
            for leaf in _leaves(one, path):
                self._untouched(leaf, f"its version {one.version_id} is beyond the stream's {version}")
        elif one.description is None:
            self._take(one.size * one.count, at)
        elif one.kind is FieldKind.STRUCT:
            self._restore(one.description, 0, f"{at}.")
        else:
            for number in range(one.count):
                self._restore(one.description, 0, f"{at}[{number}].")

    def _untouched(self, path: str, why: str, *, certain: bool = True) -> None:
        had = self.renamed.get(path, path) in self.layout.leaves
        verdict = Verdict.LOST if had else Verdict.UNSUPPORTED
        self._tell(path, verdict if certain else Verdict.CORRUPT, f"keeps what it had: {why}", certain=certain)

    def _take(self, size: int, path: str) -> None:
        start, end = self.pos, self.pos + size
        self.pos = end
        span = self.layout.at(start)
        if span is None or end > self.layout.total:
            self._tell(path, Verdict.CORRUPT, f"is read from what follows the state, at offset {start}", start)
        elif (span.start, span.end, span.path, span.version) == (start, end, self.renamed.get(path, path), None):
            self._tell(path, Verdict.RESTORED, "its own bytes", start)
        else:
            last = self.layout.at(end - 1)
            assert last is not None
            whose = f"'{span.path}'" if last is span else f"'{span.path}' to '{last.path}'"
            text = f"is given bytes of {whose}, offset {start} to {end}"
            self._tell(path, Verdict.CORRUPT, text, start)

    def _subsections(self, target: KstateDescription) -> None:
        start = self.pos
        for sub in target.subsections:
            found, why = self._find(start, sub.id)
            if found is None:
                for leaf in self._all(sub, f"{sub.name}."):
                    self._untouched(leaf, why or "the source sends no such subsection", certain=not why)
                continue
            self.pos = found
            self._restore(sub, target.instance_id, f"{sub.name}.")

    def _find(self, offset: int, state_id: int) -> tuple[int | None, str]:
        """(offset of the subsection, why it cannot be known whether there is one)."""
        while offset < self.layout.total:
            header = self.layout.header(offset)
            if header is None or header.subsection is None:
                owner = self.layout.at(offset)
                assert owner is not None
                return None, f"subsections are looked for in the bytes of '{owner.path}', at offset {offset}"
            if header.subsection == state_id:
                return offset, ""
            offset = self.layout.following(header)
        if offset > self.layout.total:
            return None, "subsections are looked for behind the state"
        return None, ""


def _or_refused(fate: FieldFate) -> FieldFate:
    """A version out of somebody else's bytes may make the target refuse all of the state."""
    if not fate.certain or fate.verdict is Verdict.CORRUPT:
        return fate
    reason = f"{fate.reason}; or all of it is refused, for a version that is read from other bytes"
    return replace(fate, verdict=worst([fate.verdict, Verdict.REFUSED]), reason=reason, certain=False)


class _RefusedError(Exception):
    """As documented, a version that is not read."""


def _leaves(one: KstateField, path: str) -> list[str]:
    at = path + one.name
    if one.description is None:
        return [at]
    places = [at] if one.kind is FieldKind.STRUCT else [f"{at}[{n}]" for n in range(one.count)]
    inner = [f for f in one.description.fields if f.kind is not FieldKind.DEPRECATED]
    return [leaf for place in places for f in inner for leaf in _leaves(f, f"{place}.")]
