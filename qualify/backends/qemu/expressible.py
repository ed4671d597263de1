# SPDX-License-Identifier: Apache-2.0
"""Which cells a real kernel can be asked at all. Pure."""

from __future__ import annotations

from qualify.backends.protocol import CellInput
from qualify.scenario import (
    MOST_REGIONS,
    TEST_FLBS,
    Flb,
    Host,
    KexecMetadata,
    Placement,
    ReserveMem,
    Session,
    TargetActions,
)

__all__ = ["asks_otherwise", "is_usual", "unfit_scenario"]

_ADDRESS_TAGS = {"boundary"}  # scenarios whose point is where something lies
_LARGEST_RAM = 64 << 30
_DEFAULT = TargetActions()


def unfit_scenario(cell: CellInput) -> str:
    """Why no real kernel can be asked this, in a few words; '' when it can."""
    scenario, target = cell.scenario, cell.scenario.target
    if _ADDRESS_TAGS & set(scenario.tags):
        return "its point is an address, and a kernel chooses its own"
    if scenario.placement != Placement():
        return "it says what lies beside the source's own pages, and a kernel chooses that"
    if scenario.host.ram > _LARGEST_RAM:
        return f"it needs {scenario.host.ram >> 30} GiB of RAM"
    if len(scenario.host.scratch) > 3:
        return "kho_scratch= knows three regions: low, global, per node"
    if target.without:
        return (
            f"a kernel cannot lose {', '.join(target.without)} for one boot; a kernel built without is another release"
        )
    if target.page_size not in (None, cell.target.page_size):
        return "a kernel's page size is that of its build"
    if target.image != _DEFAULT.image or target.early_memory != _DEFAULT.early_memory:
        return "what a kernel needs to unpack itself and to boot is its own"
    if scenario.source.load != "kexec_file_load":
        return "the agent loads with kexec_file_load only"
    return _unfit_objects(cell)


def _unfit_objects(cell: CellInput) -> str:
    regions = 0
    for thing in cell.scenario.objects:
        match thing:
            case KexecMetadata() if thing.count != 1:
                return "it takes more than one kexec"
            case Flb() if thing.name not in TEST_FLBS or thing.target_name not in ("", thing.name):
                return "the kernel's test module has FLBs of its own names"
            case ReserveMem():
                regions += 1
            case _:
                pass
    return "" if regions <= MOST_REGIONS else f"a command line takes {MOST_REGIONS} regions"


def asks_otherwise(cell: CellInput) -> bool:
    """Whether the target asks for a region otherwise than the source, or not at all: it is allocated afresh then."""
    regions = [o for o in cell.scenario.objects if isinstance(o, ReserveMem)]
    return any((r.target_size, r.target_align, r.target_asks) != (None, None, True) for r in regions)


def is_usual(cell: CellInput) -> bool:
    """Whether others can share its boot: nothing in it changes the machine or needs much of it."""
    scenario = cell.scenario
    if scenario.target.kind != "normal" or scenario.target.initrd != _DEFAULT.initrd or scenario.host != Host():
        return False
    for thing in scenario.objects:
        match thing:
            case ReserveMem():
                # a region that the target does not find as it wants it is allocated afresh, where there is room
                if thing.target_asks and thing.wanted_size > _SMALL_REGION:
                    return False
            case Session():
                if thing.count > _MANY_SESSIONS:
                    return False
            case _:
                pass
    return scenario.touched_bytes <= _SMALL


_MANY_SESSIONS = 60
_SMALL_REGION = 8 << 20
_SMALL = 16 << 20
