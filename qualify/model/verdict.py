# SPDX-License-Identifier: Apache-2.0
"""Verdicts (about the kernels), statuses (about the measurement) and evidence. The two families never mix."""

from __future__ import annotations

import enum
from collections.abc import Iterable

__all__ = ["Consequence", "Direction", "Evidence", "Finding", "Status", "Verdict", "worst"]


class Verdict(enum.StrEnum):
    """What became of an object. Members are listed from harmless to worst; `severity` follows that order."""

    UNSUPPORTED = "UNSUPPORTED"  # nothing was handed over; counts for a cell only if alone
    RESTORED = "RESTORED"
    DEGRADED = "DEGRADED"
    REFUSED = "REFUSED"
    LOST = "LOST"
    PANIC = "PANIC"
    CORRUPT = "CORRUPT"

    @property
    def severity(self) -> int:
        """0 for UNSUPPORTED up to 6 for CORRUPT."""
        return _SEVERITY[self]


_SEVERITY = {verdict: rank for rank, verdict in enumerate(Verdict)}


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict a cell shows for its objects. UNSUPPORTED only if alone; of nothing, UNSUPPORTED."""
    return max(verdicts, key=_SEVERITY.__getitem__, default=Verdict.UNSUPPORTED)


class Status(enum.StrEnum):
    """What became of the measurement."""

    DONE = "DONE"
    ERROR = "ERROR"
    TIMEOUT = "TIMEOUT"
    MISSING = "MISSING"


class Consequence(enum.StrEnum):
    """What comes with a verdict; a policy may forbid any."""

    LEAKED = "leaked"
    SPURIOUS_RESERVATION = "spurious-reservation"
    BLAST_RADIUS = "blast-radius"
    NOT_RETRYABLE = "not-retryable"
    WARNED = "warned"


class Evidence(enum.StrEnum):
    """How we know, weakest first."""

    STATIC = "static"
    SIMULATED = "simulated"
    TRANSPLANTED = "transplanted"
    VM = "vm"
    HARDWARE = "hardware"

    @property
    def strength(self) -> int:
        """0 for static up to 4 for hardware."""
        return list(Evidence).index(self)


class Direction(enum.StrEnum):
    """Which way a pair goes."""

    UPGRADE = "upgrade"
    ROLLBACK = "rollback"
    SAME = "same"


class Finding(enum.StrEnum):
    """How the strings and the bytes of one component of a pair relate."""

    AGREE = "agree"  # same string, same bytes, or bytes that the reader understands
    FALSE_ACCEPT = "false-accept"  # strings agree; bytes or required nodes do not
    TRUE_REFUSAL = "true-refusal"  # strings differ and so do the bytes
    OVER_STRICT_REFUSAL = "over-strict-refusal"  # strings differ; the bytes are the same
    NO_READER = "no-reader"  # the target has no such component
    NO_WRITER = "no-writer"  # the source has no such component
