# SPDX-License-Identifier: Apache-2.0
"""Which scenarios real kernels can be asked, why the others not, and which share a boot."""

from __future__ import annotations

import pytest

from qualify.backends.qemu.expressible import asks_otherwise, is_usual, unfit_scenario
from qualify.scenario import Host, Placement, Region, ReserveMem, Scenario, library
from tests.backends.qemu.said import cell
from tests.machine.bench import ALPHA, FLB, METADATA, memfd, scenario, session

LIBRARY = library()
ADDRESS, BESIDE, NEEDS = "its point is an address", "it says what lies beside", "what a kernel needs to unpack itself"
WITHOUT, PAGES = "a kernel cannot lose", "a kernel's page size is that of its build"
#: Every scenario of the library that is left out. One that drops out, or comes in, is a change to be made here.
INEXPRESSIBLE = {
    **dict.fromkeys(
        [
            "kho-test-two",
            "kho-test-tables-in-reach",
            "kho-test-folio-out-of-reach",
            "kho-test-many-windows",
            "memfd-folio-orders",
            "memfd-many-windows",
            "reserve-mem-odd",
            "reserve-mem-align-fits",
            "window-16m-last-page",
            "window-16m-next-page",
            "window-16m-straddle",
            "window-128m-last-page",
            "window-128m-first-page",
            "window-128m-straddle",
            "window-order-4-last-block",
            "window-order-4-next-block",
            "window-order-9-last-block",
            "window-order-9-next-block",
            "window-order-9-straddle",
            "window-4m-low",
            "window-4m-below-16g",
            "window-4m-above-16g",
            "window-memfd-straddle",
            "window-tables-first-eighth",
            "window-high-addresses",
            "window-sparse-1t",
        ],
        ADDRESS,
    ),
    **dict.fromkeys(("neighbours-zero", "neighbours-in-ram", "neighbours-beyond-ram"), BESIDE),
    **dict.fromkeys(("operator-image-too-large", "operator-scratch-too-small"), NEEDS),
    **dict.fromkeys(("operator-page-size-16k", "operator-page-size-64k"), PAGES),
    **dict.fromkeys(
        [
            "handler-missing",
            "handler-missing-two-sessions",
            "handler-missing-second-session",
            "handler-missing-other-users",
            "luo-missing",
        ],
        WITHOUT,
    ),
    "flb-renamed": "the kernel's test module has FLBs of its own names",
    "kexec-metadata-third": "it takes more than one kexec",
    "operator-kexec-load": "the agent loads with kexec_file_load only",
}


@pytest.mark.parametrize("name", [pytest.param(n, id=f"{n}{', left out' * (n in INEXPRESSIBLE)}") for n in LIBRARY])
def test_every_scenario_of_the_library(name: str) -> None:
    why = unfit_scenario(cell(LIBRARY[name]))
    assert why.startswith(INEXPRESSIBLE[name]) if name in INEXPRESSIBLE else why == ""


def test_no_other_is_left_out() -> None:
    assert {n for n, plan in LIBRARY.items() if unfit_scenario(cell(plan))} == set(INEXPRESSIBLE)


def regions(count: int) -> Scenario:
    return scenario(*[ReserveMem(kind="reserve-mem", name=f"r{n}", size=4096, at=4096 * n) for n in range(count)])


@pytest.mark.parametrize(
    ("plan", "why"),
    [
        (scenario(ALPHA, tags=("boundary",)), ADDRESS),
        (scenario(ALPHA, placement=Placement(neighbours="zero")), BESIDE),
        (scenario(ALPHA, host=Host(ram=65 << 30)), "it needs 65 GiB of RAM"),
        (scenario(ALPHA, host=Host(scratch=(Region(at=0, size=4096),) * 4)), "kho_scratch= knows three regions"),
        (scenario(ALPHA, target={"without": ("luo", "memfd")}), "a kernel cannot lose luo, memfd for one boot"),
        (scenario(ALPHA, target={"page_size": 65536}), PAGES),
        (scenario(ALPHA, target={"page_size": 4096}), ""),
        (scenario(ALPHA, target={"image": 1 << 20}), NEEDS),
        (scenario(ALPHA, target={"early_memory": 1 << 20}), NEEDS),
        (scenario(ALPHA, target={"kind": "crash"}), ""),
        (scenario(ALPHA, source={"load": "kexec_load"}), "the agent loads with kexec_file_load only"),
        (scenario(METADATA.model_copy(update={"count": 2})), "it takes more than one kexec"),
        (scenario(FLB.model_copy(update={"name": "mine"})), "the kernel's test module has FLBs"),
        (scenario(FLB.model_copy(update={"target_name": "mine"})), "the kernel's test module has FLBs"),
        (scenario(FLB.model_copy(update={"target_name": FLB.name})), ""),
        (regions(8), ""),
        (regions(9), "a command line takes 8 regions"),
    ],
)
def test_each_reason(plan: Scenario, why: str) -> None:
    found = unfit_scenario(cell(plan))
    assert found.startswith(why) if why else found == ""


@pytest.mark.parametrize(
    ("plan", "usual"),
    [
        (scenario(ALPHA, session(memfd())), True),
        (scenario(ALPHA, target={"kind": "crash"}), False),
        (scenario(ALPHA, target={"initrd": 1 << 20}), False),
        (scenario(ALPHA, host=Host(ram=2 << 30)), False),
        (scenario(ALPHA.model_copy(update={"target_asks": False})), True),
        (scenario(ALPHA.model_copy(update={"target_size": 1})), True),
        (scenario(ALPHA.model_copy(update={"target_size": 9 << 20})), False),
        (scenario(session(count=60)), True),
        (scenario(session(count=61)), False),
        (scenario(session(memfd(hugetlb=2 << 20))), True),
        (scenario(session(memfd(size=17 << 20))), False),
    ],
)
def test_who_shares_a_boot(plan: Scenario, usual: bool) -> None:
    assert is_usual(cell(plan)) is usual


@pytest.mark.parametrize(
    ("update", "otherwise"),
    [({}, False), ({"target_size": 1}, True), ({"target_align": 1 << 20}, True), ({"target_asks": False}, True)],
)
def test_who_has_a_region_allocated_afresh(update: dict[str, object], otherwise: bool) -> None:
    """The kernel warns about it, so these share boots among themselves only."""
    assert asks_otherwise(cell(scenario(ALPHA.model_copy(update=update)))) is otherwise
