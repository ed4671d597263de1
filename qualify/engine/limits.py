# SPDX-License-Identifier: Apache-2.0
"""How much may be under way at a time: cores and memory of the machine that boots other machines."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from qualify.backends import Needs
from qualify.scenario.sizes import show_size

__all__ = ["Limits", "available_memory", "default_jobs"]

_SHARE = 0.8  # of the memory that is free
_MEMINFO = Path("/proc/meminfo")


@dataclass(frozen=True)
class Limits:
    """`jobs`: worker processes, and cores for boots. `memory` in bytes for all boots under way; None: no limit."""

    jobs: int
    memory: int | None = None

    def allow(self, running: Iterable[Needs], more: Needs) -> bool:
        """Whether a boot may begin beside those that run. Beside nothing any may: it would else wait for ever."""
        known = list(running)
        if not known:
            return True
        cores, memory = (sum(x) for x in zip(*((n.cores, n.memory) for n in (*known, more)), strict=True))
        return cores <= self.jobs and (self.memory is None or memory <= self.memory)

    def exceeded(self, needs: Needs) -> str:
        """How a boot is larger than all that may be used; '' when it is not."""
        if needs.cores > self.jobs:
            return f"a boot takes {needs.cores} cores, --jobs allows {self.jobs}: it ran with no other beside it"
        if self.memory is not None and needs.memory > self.memory:
            allowed = f"--memory allows {show_size(self.memory)}"
            return f"a boot takes {show_size(needs.memory)}, {allowed}: it ran with no other beside it"
        return ""


def default_jobs() -> int:
    """One per processor that we may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def available_memory(meminfo: Path = _MEMINFO) -> int | None:
    """Four fifths of what Linux says is available without swapping (MemAvailable), in bytes; None where it does not."""
    try:
        lines = meminfo.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        name, _, rest = line.partition(":")
        if name == "MemAvailable" and rest.split()[1:] == ["kB"] and rest.split()[0].isdigit():
            mebibytes = int(int(rest.split()[0]) * _SHARE) >> 10
            return mebibytes << 20
    return None
