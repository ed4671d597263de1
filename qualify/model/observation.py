# SPDX-License-Identifier: Apache-2.0
"""What a backend saw, before anybody judges it. A backend reports facts; `qualify.judge` turns them into verdicts."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from qualify.model.verdict import Consequence

__all__ = [
    "Interface",
    "MachineObservation",
    "ObjectObservation",
    "PropertyObservation",
    "PropertyState",
    "Reply",
]


class Interface(enum.StrEnum):
    """Where the target was asked for an object."""

    SOURCE = "source"  # the source said no before the jump
    BOOT = "boot"  # the target never answered at all
    DEVICE_OPEN = "open"  # open(/dev/liveupdate)
    RETRIEVE_SESSION = "RETRIEVE_SESSION"
    RETRIEVE_FD = "RETRIEVE_FD"
    RESERVE_MEM = "reserve_mem"  # reserve_mem= on the target's command line
    KEXEC_METADATA = "kexec-metadata"
    KHO_TEST = "kho_test"
    FLB = "flb"  # liveupdate_flb_get_incoming()


class Reply(enum.StrEnum):
    """What the target (or the source) answered."""

    GIVEN = "given"  # the object came back; its properties say how
    REFUSED = "refused"  # an answer that a cold boot would not give
    AS_COLD = "as-cold"  # exactly what a cold boot answers
    CRASHED = "crashed"  # the target died or hung on the handover
    NOT_OFFERED = "not-offered"  # nothing was handed over for this object


class PropertyState(enum.StrEnum):
    """One property of an object that came back."""

    EQUAL = "equal"
    DIFFERENT = "different"
    NOT_CARRIED = "not-carried"  # the format says so; does not change the verdict


@dataclass(frozen=True, slots=True)
class PropertyObservation:
    """`expected` is what the owner set on the source, `observed` what the target gave; both printable.

    `critical` marks a property without which the contents are wrong (size, digest, data), as opposed to lost decoration
    (position, seals).
    """

    name: str
    state: PropertyState
    expected: str
    observed: str
    critical: bool = False


@dataclass(frozen=True, slots=True)
class ObjectObservation:
    """One object of a scenario, as one backend saw it.

    `object_id` is the scenario's (e.g. ``qual/0x1a``); `errno` the kernel's name (``EIO``) or ''.
    """

    object_id: str
    component: str
    interface: Interface
    reply: Reply
    errno: str = ""
    properties: tuple[PropertyObservation, ...] = ()
    consequences: frozenset[Consequence] = frozenset()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MachineObservation:
    """Everything a backend saw in one cell. `log` holds lines in the kernel's own words, newest last."""

    objects: tuple[ObjectObservation, ...]
    panic: str = ""  # why the target died; '' when it lived
    consequences: frozenset[Consequence] = frozenset()
    log: tuple[str, ...] = ()
    timings: dict[str, float] = field(default_factory=dict)  # seconds by phase
    counters: dict[str, int] = field(default_factory=dict)  # bytes, pages, blocks
