# SPDX-License-Identifier: Apache-2.0
"""What fits into scratch: the target's image, its early allocations, reserve_mem regions that it allocates afresh.

Until it has read the memory map the target may use nothing else. Simplified: a piece goes to one end of what is left of
a region, so nothing is ever fragmented.
"""

from __future__ import annotations

from collections.abc import Sequence

from qualify.scenario.model import Scenario

__all__ = ["fits_afresh", "room_beside_image", "spare_early"]


def room_beside_image(scenario: Scenario) -> tuple[int, ...] | None:
    """Bytes left of each scratch region beside kernel and initrd, None where one of them fits nowhere.

    Each is one piece and goes into the first region that has room. Source: kho_locate_mem_hole() and kho_walk_scratch()
    in kernel/liveupdate/kexec_handover.c of 7.1.13.
    """
    left = [region.size for region in scenario.host.scratch]
    for piece in (scenario.target.image, scenario.target.initrd):
        home = next((i for i, room in enumerate(left) if room >= piece), None)
        if home is None:
            return None
        left[home] -= piece
    return tuple(left)


def spare_early(scenario: Scenario) -> tuple[int, ...] | None:
    """What is then left beside the target's early allocations, from the top region down; None where they do not fit."""
    left = list(room_beside_image(scenario) or ())
    wanted = scenario.target.early_memory
    for index in reversed(range(len(left))):
        taken = min(left[index], wanted)
        left[index] -= taken
        wanted -= taken
    return None if wanted else tuple(left)


def fits_afresh(scenario: Scenario, sizes: Sequence[int]) -> tuple[bool, ...]:
    """Whether each region of `sizes` bytes, allocated in this order, still finds a place in one piece.

    reserve_mem= is parsed before kho_memory_init(), while memblock gives out scratch only. Source: reserve_mem() in
    mm/memblock.c and choose_memblock_flags(), 7.1.13; seen on booted 7.1.13 and 7.3.4 (docs/observed.md).
    """
    left = list(spare_early(scenario) or ())
    found = []
    for size in sizes:
        home = next((i for i in reversed(range(len(left))) if left[i] >= size), None)
        found.append(home is not None)
        if home is not None:
            left[home] -= size
    return tuple(found)
