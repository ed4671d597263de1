# SPDX-License-Identifier: Apache-2.0
"""A source kernel while it preserves, as its writers see it: memory, pages of its own, what was offered."""

from __future__ import annotations

from qualify.machine.allocator import Pages
from qualify.machine.contents import Contents
from qualify.machine.handover import Offer, Truth
from qualify.machine.kernel import Kernel
from qualify.machine.memory import PhysicalMemory
from qualify.scenario import Scenario

__all__ = ["Preserving"]


class Preserving:
    """The state that writers add to: `pages` are preserved, `bookkeeping` is not."""

    def __init__(self, kernel: Kernel, scenario: Scenario, memory: PhysicalMemory, seed: int) -> None:
        self.kernel = kernel
        self.scenario = scenario
        self.memory = memory
        self.seed = seed
        self.pages = Pages(scenario.placement.metadata, kernel.page_size, scenario.own_pages_room)
        self.bookkeeping = Pages(scenario.placement.bookkeeping, kernel.page_size, scenario.own_pages_room)
        self.offers: dict[str, Offer] = {}
        self.truth = Truth(kernel.release.version, seed)
        self.log: list[str] = []

    def contents(self, object_id: str, size: int, holes: tuple[tuple[int, int], ...] = ()) -> Contents:
        """What an object of this run holds."""
        return self.truth.contents(object_id, size, holes)
