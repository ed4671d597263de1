# SPDX-License-Identifier: Apache-2.0
"""What crosses the jump, and what the harness remembers about it. Only `kho_data` and RAM reach the target."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from qualify.machine.contents import Contents, object_seed
from qualify.machine.intervals import Intervals
from qualify.wire.chunklist import Blocks

__all__ = ["Handover", "Offer", "Truth"]


@dataclass(frozen=True, slots=True)
class Offer:
    """One object as the source left it. `refused` is the errno of a source that said no ('' when it did not).

    `blocks` are the object's contents and the tables that only it uses: what leaks when nobody takes it back.
    """

    object_id: str
    offered: bool
    refused: str = ""
    note: str = ""
    blocks: Blocks = field(default_factory=lambda: np.empty((0, 2), np.uint64))


@dataclass(slots=True)
class Truth:
    """What the harness knows and the target must not: who the source was and what it accepted.

    `sessions` holds (session object id, number of the session in its run) of every session that the source accepted,
    `tokens` the same and the token of every file.
    """

    version: str
    seed: int
    preserved: Intervals = field(default_factory=Intervals.empty)
    sessions: set[tuple[str, int]] = field(default_factory=set)
    tokens: set[tuple[str, int, int]] = field(default_factory=set)

    def contents(self, key: str, size: int, holes: tuple[tuple[int, int], ...] = ()) -> Contents:
        """What an object of this run holds; files are keyed by session, its number in the run, and token."""
        return Contents(object_seed(self.seed, key), size, holes)


@dataclass(frozen=True, slots=True)
class Handover:
    """`kho_data` is the payload of the setup_data entry (struct kho_data), None when nothing was passed.

    `segments` are (address, bytes) that kexec puts in place with the image: the scratch array.
    """

    kho_data: bytes | None
    segments: tuple[tuple[int, bytes], ...]
    offers: dict[str, Offer]
    truth: Truth
    stopped: str = ""  # why the jump never happened
    log: tuple[str, ...] = ()
    counters: dict[str, int] = field(default_factory=dict)
