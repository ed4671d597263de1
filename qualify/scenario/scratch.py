# SPDX-License-Identifier: Apache-2.0
"""What fits into scratch: the target's image, its early allocations, reserve_mem regions that it allocates afresh.

Until it has read the memory map the target may use nothing else. Simplified: a piece goes to one end of what is left of
a region, so nothing is ever fragmented.
"""

from __future__ import annotations

from collections.abc import Sequence

from qualify.scenario.model import Scenario

__all__ = ["early_memory", "fits_afresh", "room_beside_image", "spare_early"]

_EXTENT = 1 << 30  # bytes


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


def _is_extended(scenario: Scenario, extends: bool) -> bool:
    """Whether a target with the trait `extends-scratch` finds anything to extend scratch by, before it allocates much.

    Whole GiB without anything preserved. Simplified: wherever RAM is more than one. Source: kho_extend_scratch() and
    KHO_SCRATCH_EXT_BLKSIZE in kernel/liveupdate/kexec_handover.c of 7.3.4.
    """
    return extends and scenario.host.ram > _EXTENT


def early_memory(scenario: Scenario, extends: bool) -> int:
    """Bytes that the target takes from scratch before it has read the map: what the scenario says, else struct pages.

    Simplified: hash tables and per-cpu areas come on top in a kernel. Source: free_area_init() and sparse_init() run
    before kho_memory_init() up to 7.2 and after kho_memory_init_early() in 7.3; with 16 GiB of RAM 6.18 and 7.1 boot
    with 384 MiB of scratch and hang with 192, where 7.3 boots (docs/observed.md).
    """
    if scenario.target.early_memory is not None:
        return scenario.target.early_memory
    return 0 if _is_extended(scenario, extends) else scenario.struct_pages


def spare_early(scenario: Scenario, extends: bool) -> tuple[int, ...] | None:
    """What is then left beside the target's early allocations, from the top region down; None where they do not fit."""
    left = list(room_beside_image(scenario) or ())
    wanted = early_memory(scenario, extends)
    for index in reversed(range(len(left))):
        taken = min(left[index], wanted)
        left[index] -= taken
        wanted -= taken
    return None if wanted else tuple(left)


def fits_afresh(scenario: Scenario, sizes: Sequence[int], extends: bool) -> tuple[bool, ...]:
    """Whether each region of `sizes` bytes, allocated in this order, still finds a place in one piece.

    `extends` as for _is_extended(): 7.3.4 with 4 GiB of RAM finds room where with 1 GiB it does not. reserve_mem= is
    parsed before kho_memory_init(), while memblock gives out scratch only. Source: reserve_mem() in mm/memblock.c and
    choose_memblock_flags(), 7.1.13; seen on booted 7.1.13 and 7.3.4 (docs/observed.md).
    """
    if _is_extended(scenario, extends):
        return (True,) * len(sizes)
    left = list(spare_early(scenario, extends) or ())
    found = []
    for size in sizes:
        home = next((i for i in reversed(range(len(left))) if left[i] >= size), None)
        found.append(home is not None)
        if home is not None:
            left[home] -= size
    return tuple(found)
