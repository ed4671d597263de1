# SPDX-License-Identifier: Apache-2.0
"""One preservation round trip: source, jump, target."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from qualify.errors import HarnessError
from qualify.machine.handover import Handover
from qualify.machine.intervals import Intervals
from qualify.machine.kernel import Kernel
from qualify.machine.memory import FileChunks, PhysicalMemory
from qualify.machine.source import SourceKernel
from qualify.machine.target import TargetKernel
from qualify.model import MachineObservation
from qualify.scenario import Scenario, Session

__all__ = ["Frozen", "freeze", "is_windowed", "memory_for", "round_trip", "thaw"]


_LARGEST = 16 << 20  # bytes of a window; what is not written yet is made up a window at a time


def is_windowed(scenario: Scenario) -> bool:
    """Whether a file of the scenario asks for RAM to be mapped in windows."""
    return _window(scenario) > 0


def memory_for(scenario: Scenario) -> PhysicalMemory:
    """RAM for a scenario: mapped from a sparse file in windows when a file asks for windows."""
    window = _window(scenario)
    if not window:
        return PhysicalMemory(scenario.host.ram)
    return PhysicalMemory(scenario.host.ram, FileChunks(chunk=min(window, _LARGEST)))


def _window(scenario: Scenario) -> int:
    """The largest that any file asks for, in bytes; 0 for none."""
    return max((f.windows for o in scenario.objects if isinstance(o, Session) for f in o.files), default=0)


def jump(memory: PhysicalMemory, scenario: Scenario, handover: Handover) -> None:
    """kexec: RAM survives; what scratch held gives way to the target's image and the segments placed with it."""
    scratch = [r for r in scenario.host.scratch if r.size]
    memory.reuse(
        Intervals.of(np.array([r.at for r in scratch], np.uint64), np.array([r.end for r in scratch], np.uint64))
    )
    for at, data in handover.segments:
        memory.write(at, data)


@dataclass(frozen=True, slots=True)
class Frozen:
    """A source at the instant of the jump: its RAM and what it hands over. `seconds` is what it took to get there."""

    memory: PhysicalMemory
    handover: Handover
    seconds: float


def freeze(source: Kernel, scenario: Scenario, seed: int) -> Frozen:
    """Run the source side of a scenario up to the jump."""
    begin = time.perf_counter()
    memory = memory_for(scenario)
    handover = SourceKernel(source, scenario, memory, seed).run()
    return Frozen(memory, handover, time.perf_counter() - begin)


def thaw(frozen: Frozen, target: Kernel, scenario: Scenario, *, keep: bool = False) -> MachineObservation:
    """Jump into `target`. With `keep` the source's RAM stays as it was, for another target to be booted on."""
    begin = time.perf_counter()
    memory = frozen.memory.fork() if keep else frozen.memory
    if memory is None:
        raise HarnessError("memory that is mapped in windows cannot be kept for a second target")
    jump(memory, scenario, frozen.handover)
    seen = TargetKernel(target, scenario, memory, frozen.handover).run()
    timings = {"source": frozen.seconds, "target": time.perf_counter() - begin}
    return MachineObservation(seen.objects, seen.panic, seen.consequences, seen.log, timings, seen.counters)


def round_trip(source: Kernel, target: Kernel, scenario: Scenario, seed: int) -> MachineObservation:
    """Run one scenario from `source` to `target`; the target may have another page size or lack components."""
    return thaw(freeze(source, scenario, seed), target, scenario)
