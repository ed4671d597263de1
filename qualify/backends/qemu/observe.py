# SPDX-License-Identifier: Apache-2.0
"""What the agent and the kernels' logs said -> one observation per cell. Pure; judges nothing.

What a cold boot answers is the measure of REFUSED and LOST: an open that finds no device, ENOENT from
RETRIEVE_SESSION, a region that is not revived, a test module without its subtree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qualify.backends.protocol import CellInput
from qualify.backends.qemu.answers import Answers
from qualify.backends.qemu.log import KernelLog
from qualify.backends.qemu.observe_luo import observe_session
from qualify.backends.qemu.projection import Asked
from qualify.backends.qemu.seen import not_offered
from qualify.machine.observe import compare
from qualify.model import Consequence, Interface, MachineObservation, ObjectObservation, Reply
from qualify.scenario import Flb, KexecMetadata, KhoTest, ReserveMem, Session
from qualify.schema import Meaning

__all__ = ["Seen", "observe"]

_KEPT_LINES = 60
_ALARMING = (Meaning.WARNING, Meaning.OOPS, Meaning.METADATA_REFUSED)


@dataclass(frozen=True)
class Seen:
    """One boot of two kernels. `death` says why the target died, '' when it lived."""

    answers: Answers
    source_log: KernelLog
    target_log: KernelLog
    death: str
    timings: dict[str, float]


def observe(cells: Sequence[CellInput], asked: Asked, seen: Seen) -> tuple[MachineObservation, ...]:
    """One observation per cell, in their order."""
    return tuple(_cell(number, cell, cells, asked, seen) for number, cell in enumerate(cells))


def _cell(number: int, cell: CellInput, cells: Sequence[CellInput], asked: Asked, seen: Seen) -> MachineObservation:
    objects: list[ObjectObservation] = []
    for thing in cell.scenario.objects:
        match thing:
            case Session():
                found = observe_session(number, cell, thing, asked, seen.answers)
            case ReserveMem():
                found = [_region(number, cell, thing, asked, seen)]
            case KexecMetadata():
                found = [_metadata(cell, seen)]
            case KhoTest():
                found = [_kho_test(cell, thing, seen)]
            case Flb():
                found = [_flb(cell, thing, seen)]
        objects.extend(found)
    if seen.death:
        objects = [_dead(o) for o in objects]
    # of several cells nobody knows which one the kernel warns about
    warned = {Consequence.WARNED} if len(cells) == 1 and seen.target_log.of(*_ALARMING) else set()
    return MachineObservation(
        tuple(objects),
        panic=seen.death,
        consequences=frozenset(warned),
        log=seen.target_log.telling[-_KEPT_LINES:],
        timings=dict(seen.timings),
    )


def _dead(seen: ObjectObservation) -> ObjectObservation:
    if seen.reply is Reply.NOT_OFFERED:
        return seen
    return ObjectObservation(seen.object_id, seen.component, Interface.BOOT, Reply.CRASHED)


def _region(number: int, cell: CellInput, region: ReserveMem, asked: Asked, seen: Seen) -> ObjectObservation:
    place = next(i for i, r in enumerate(asked.regions) if (r.cell, r.region) == (number, region))
    name, object_id = asked.regions[place].name, region.object_id
    source, target = seen.answers.source.regions.get(place, {}), seen.answers.target.regions.get(place, {})
    if stayed := seen.answers.source.stayed:
        return not_offered(object_id, "reserve-mem", *stayed)
    if not source.get("found"):
        return not_offered(object_id, "reserve-mem", "", "the source hands over no region of that name")
    log = seen.target_log
    if not log.named(Meaning.REGION_REVIVED, name):
        nothing = _not_there(region, target, cell, seen)
        reply, errno = (Reply.REFUSED, "ENOMEM") if nothing else (Reply.AS_COLD, "")
        said = (*log.about(name), *(["there is no region of that name now"] if nothing else []))
        return ObjectObservation(object_id, "reserve-mem", Interface.RESERVE_MEM, reply, errno, notes=said)
    component, form = cell.schema.components["reserve-mem"], cell.schema.written(cell.source, "reserve-mem")
    pairs: dict[str, tuple[str, str]] = {}
    notes: tuple[str, ...] = ()
    if target.get("in"):
        pairs["size"] = (str(region.size), str(target["in_size"]))
        pairs["address"] = (str(source.get("address")), str(target["in_address"]))
    elif target.get("out"):  # what was handed over is unreadable by now; this is what the kernel made of it
        pairs["size"] = (str(region.size), str(target["size"]))
        pairs["address"] = (str(source.get("address")), str(target["address"]))
        notes = ("debugfs does not show what was handed over; read where the target has the region",)
    else:  # KHO is off: the kernel says that it took the region, and looks at its size before it does
        notes = ("debugfs does not show the region; read where the source had it",)
    if source.get("written") and target.get("readable"):
        pairs["contents"] = (str(target.get("expected")), str(target.get("seen")))
    else:
        notes = (*notes, "contents not compared: /dev/mem does not give them; presence and address only")
    properties = tuple(compare(component, form, key, *values) for key, values in pairs.items())
    return ObjectObservation(
        object_id, "reserve-mem", Interface.RESERVE_MEM, Reply.GIVEN, properties=properties, notes=notes
    )


def _not_there(region: ReserveMem, target: Mapping[str, Any], cell: CellInput, seen: Seen) -> bool:
    """Whether the target was asked for a region and has none: not revived, and no room for a fresh one.

    Up to 6.19 the kernel does not say so (reserve_mem() in mm/memblock.c of 6.19.11). What it would hand over
    itself is in debugfs, unless a fresh region lies in scratch: it says that, or refuses to finalise.
    """
    log, answers = seen.target_log, seen.answers.target
    if not region.target_asks or target.get("out"):
        return False
    if log.of(Meaning.REGION_NOT_ALLOCATED):
        return True
    shown = cell.scenario.target.kho and answers.system.get("kho") and not answers.finalised
    return bool(shown) and not log.of(Meaning.REGIONS_NOT_PRESERVED)


def _metadata(cell: CellInput, seen: Seen) -> ObjectObservation:
    object_id, source = "kexec-metadata", seen.answers.source
    if stayed := seen.answers.source.stayed:
        return not_offered(object_id, object_id, *stayed)
    if object_id not in source.handed:
        return not_offered(object_id, object_id, "", "the source hands over no such subtree")
    read = seen.target_log.of(Meaning.METADATA_READ)
    if not read:
        return ObjectObservation(object_id, object_id, Interface.KEXEC_METADATA, Reply.AS_COLD)
    component, form = cell.schema.components[object_id], cell.schema.written(cell.source, object_id)
    release = str((source.hello or {}).get("release", ""))
    properties = (
        compare(component, form, "previous-release", release, read[0].groups.get("release", "")),
        compare(component, form, "kexec-count", "1", read[0].groups.get("count", "")),
    )
    return ObjectObservation(object_id, object_id, Interface.KEXEC_METADATA, Reply.GIVEN, properties=properties)


def _kho_test(cell: CellInput, test: KhoTest, seen: Seen) -> ObjectObservation:
    """Up to 6.18 a restore that fails says nothing: a subtree that came in and no success line is a refusal."""
    name = cell.schema.components["kho-test"].kernel_name
    if stayed := seen.answers.source.stayed:
        return not_offered(test.object_id, "kho-test", *stayed)
    if name not in seen.answers.source.handed:
        return not_offered(test.object_id, "kho-test", "", "the source hands over no such subtree")
    component, form = cell.schema.components["kho-test"], cell.schema.written(cell.source, "kho-test")
    if seen.target_log.of(Meaning.KHO_TEST_RESTORED):
        good = compare(component, form, "contents", "checksum equal", "checksum equal")
        return ObjectObservation(test.object_id, "kho-test", Interface.KHO_TEST, Reply.GIVEN, properties=(good,))
    failed = seen.target_log.of(Meaning.KHO_TEST_FAILED)
    looked = name in seen.answers.target.received and cell.scenario.target.kho
    if failed or (looked and cell.schema.spec(cell.target, "kho-test") is not None):
        note = failed[0].text if failed else f"'{name}' came in, and the module does not say that it restored it"
        return ObjectObservation(test.object_id, "kho-test", Interface.KHO_TEST, Reply.REFUSED, "", notes=(note,))
    return ObjectObservation(test.object_id, "kho-test", Interface.KHO_TEST, Reply.AS_COLD)


def _flb(cell: CellInput, flb: Flb, seen: Seen) -> ObjectObservation:
    """The test module's own data; it compares them itself. Nobody else can ask for an FLB."""
    if stayed := seen.answers.source.stayed:
        return not_offered(flb.object_id, "luo-flb", *stayed)
    if not seen.source_log.named(Meaning.FLB_PRESERVED, flb.name):
        return not_offered(flb.object_id, "luo-flb", "", "the source's test module did not preserve it")
    log = seen.target_log
    component, form = cell.schema.components["luo-flb"], cell.schema.written(cell.source, "luo-flb")
    if log.named(Meaning.FLB_FOUND, flb.name) or log.named(Meaning.FLB_WRONG, flb.name):
        found = "as preserved" if log.named(Meaning.FLB_FOUND, flb.name) else "other data"
        data = compare(component, form, "data", "as preserved", found)
        return ObjectObservation(flb.object_id, "luo-flb", Interface.FLB, Reply.GIVEN, properties=(data,))
    if log.named(Meaning.FLB_FAILED, flb.name):
        return ObjectObservation(flb.object_id, "luo-flb", Interface.FLB, Reply.REFUSED, notes=log.about(flb.name))
    return ObjectObservation(
        flb.object_id, "luo-flb", Interface.FLB, Reply.AS_COLD, notes=("the test module does not find it",)
    )
