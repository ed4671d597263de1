# SPDX-License-Identifier: Apache-2.0
"""A pair without a scenario: how the two sides of each component relate, field by field."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from qualify.compat.meeting import Grade, Match, Meeting, meet, same_bytes
from qualify.compat.rules import RULES
from qualify.model import Finding
from qualify.schema import Component, ComponentSpec, Condition, Format, Reaction, Release, Schema

__all__ = ["Comparison", "compare"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One component of one pair. `rule` is the rule behind the finding, '' where there is nothing to say.

    `reached`: whether the target gets as far as reading it; it does not where it refuses the whole handover.
    """

    component: str
    finding: Finding
    source_format: str | None
    target_formats: tuple[str, ...]
    differences: tuple[str, ...]
    what_happens: str
    advice: str
    rule: str = ""
    reached: bool = True


_RULES = {
    Finding.FALSE_ACCEPT: "CMP001",
    Finding.TRUE_REFUSAL: "CMP002",
    Finding.OVER_STRICT_REFUSAL: "CMP003",
    Finding.NO_READER: "CMP004",
    Finding.NO_WRITER: "CMP005",
}

_WORDS = {
    Reaction.COLD_BOOT: "ignores the whole handover and boots cold: everything is lost",
    Reaction.PANIC: "panics",
    Reaction.OPEN_FAILS: "answers EIO to every open of /dev/liveupdate",
    Reaction.FILE_MISSING: "leaves out the file and those after it in its session",
    Reaction.FRESH_ALLOCATION: "allocates the region afresh",
    Reaction.WARNING: "logs a warning and ignores the data",
    Reaction.IGNORE: "goes on without it",
    Reaction.SAVE_AFRESH: "saves afresh, as on a cold boot",
}


def compare(schema: Schema, source: Release, target: Release) -> tuple[Comparison, ...]:
    """Every component that either release has, in the order of the schema."""
    found = []
    for component in schema.components.values():
        mine, theirs = source.components.get(component.id), target.components.get(component.id)
        if mine is None and theirs is None:
            continue
        requires = theirs.requires if theirs else ()
        written, reads = schema.written(source, component.id), schema.readable(target, component.id)
        meeting = meet(schema, component.id, written, reads, requires)
        found.append(_one(component, target, meeting, reads))
    return _reached(schema, tuple(found))


def _one(component: Component, target: Release, meeting: Meeting, reads: tuple[Format, ...]) -> Comparison:
    finding = _finding(meeting)
    rule = _RULES.get(finding, "")
    return Comparison(
        component.id,
        finding,
        meeting.written.id if meeting.written else None,
        tuple(f.id for f in reads),
        _differences(meeting),
        _happens(component, target, meeting, finding),
        RULES[rule].advice if rule else "",
        rule,
    )


def _finding(meeting: Meeting) -> Finding:
    match meeting.match:
        case Match.NO_WRITER:
            return Finding.NO_WRITER
        case Match.NO_READER:
            return Finding.NO_READER
        case Match.ACCEPTED:
            return Finding.AGREE if meeting.agrees else Finding.FALSE_ACCEPT
        case Match.REFUSED:
            return Finding.OVER_STRICT_REFUSAL if same_bytes(meeting.gaps) else Finding.TRUE_REFUSAL


def _differences(meeting: Meeting) -> tuple[str, ...]:
    """What differs, the string first."""
    lines = []
    if meeting.match is Match.REFUSED and meeting.written and meeting.read:
        lines.append(f"string: {_name(meeting.written)} vs {_name(meeting.read)}")
    lines += [gap.text for gap in meeting.gaps]
    return tuple(dict.fromkeys(lines))


def _name(form: Format) -> str:
    if form.compatible:
        return f"'{form.compatible}'"
    if form.version:
        return f"{form.version.field} {form.version.value}"
    return f"that of {form.versioned_by}"


def _happens(component: Component, target: Release, meeting: Meeting, finding: Finding) -> str:
    name = component.kernel_name or component.title
    spec = target.components.get(component.id)
    match finding:
        case Finding.NO_WRITER:
            return f"the source hands over nothing for {name}"
        case Finding.NO_READER:
            return f"the target does not know {name}; what the source preserved stays reserved until the next reboot"
        case Finding.AGREE:
            ignored = "; what it does not know it ignores" if meeting.of(Grade.IGNORED) else ""
            return f"the target reads what the source writes{ignored}"
        case Finding.TRUE_REFUSAL | Finding.OVER_STRICT_REFUSAL:
            carrier = target.components.get(meeting.written.carrier.component) if meeting.written else None
            if carrier is not None and Condition.NO_HANDLER in carrier.on:
                return f"nobody registered for that string: the target {_reaction(carrier, Condition.NO_HANDLER)}"
            return f"the target sees another string and {_reaction(spec, Condition.INCOMPATIBLE)}"
        case Finding.FALSE_ACCEPT:
            return _accepted(spec, meeting)


def _accepted(spec: ComponentSpec | None, meeting: Meeting) -> str:
    """What the reader does with bytes that it wrongly takes for its own."""
    if missing := meeting.of(Grade.MISSING):
        names = ", ".join(f"'{g.name}'" for g in missing)
        return f"the target accepts the string, does not find {names}, and {_reaction(spec, Condition.MISSING)}"
    if meeting.of(Grade.MALFORMED):
        return f"the target accepts the string, stumbles over the rest, and {_reaction(spec, Condition.MALFORMED)}"
    if sizes := _bitmaps(meeting):
        mine, theirs = sizes
        if theirs > mine:
            return (
                f"the target takes {theirs - mine} bytes behind every bitmap for further bits: spurious reservations, "
                "or a panic in early boot where they name pages beyond RAM"
            )
        return (
            f"the target reads {theirs} of {mine} bytes of every bitmap: blocks behind that are not reserved, get "
            "overwritten, and come back as if they had not been"
        )
    read = meeting.read
    checks = "" if read is None or read.compatible else f" (versioned by {read.versioned_by})"
    rest = f"; where a check happens to fail it {_reaction(spec, Condition.MALFORMED)}" if _says(spec) else ""
    return f"the target accepts{checks} and takes values from the wrong bytes{rest}"


def _bitmaps(meeting: Meeting) -> tuple[int, int] | None:
    maps = [f.memory_map for f in (meeting.written, meeting.read) if f is not None]
    sizes = [m.bitmap_bytes for m in maps if m is not None and m.kind == "chunk-list"]
    return (sizes[0], sizes[1]) if len(sizes) == 2 and sizes[0] != sizes[1] else None


def _says(spec: ComponentSpec | None) -> bool:
    return spec is not None and Condition.MALFORMED in spec.on


def _reaction(spec: ComponentSpec | None, met: Condition) -> str:
    reaction = spec.on.get(met) if spec is not None else None
    if reaction is None:
        return "does not read it"
    return f"answers {reaction.errno}" if reaction.errno else _WORDS[reaction]


def _reached(schema: Schema, found: tuple[Comparison, ...]) -> tuple[Comparison, ...]:
    """Mark what the target never gets to: everything behind a refused root or behind a refused owner of its string."""
    refused = {c.component for c in found if c.finding in (Finding.TRUE_REFUSAL, Finding.OVER_STRICT_REFUSAL)}
    result = []
    for entry in found:
        form = schema.formats.get(entry.source_format or "")
        owner = form.versioned_by if form is not None else ""
        behind = "kho" if "kho" in refused else owner if owner in refused else ""
        if behind and entry.component != "kho" and entry.finding not in (Finding.NO_WRITER, Finding.NO_READER):
            what = "the handover" if behind == "kho" else behind
            text = f"never read: the target refuses {what}"
            if entry.finding is Finding.AGREE:
                text = f"the bytes agree; {text}"
            entry = dataclasses.replace(entry, what_happens=text, reached=False)
        result.append(entry)
    return tuple(result)
