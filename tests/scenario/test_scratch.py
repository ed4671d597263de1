# SPDX-License-Identifier: Apache-2.0
"""What a target takes from scratch before it has read the memory map."""

from __future__ import annotations

import pytest

from qualify.scenario import Scenario, early_memory, fits_afresh, spare_early

MIB = 1 << 20


def scenario(**changes: object) -> Scenario:
    region = {"kind": "reserve-mem", "name": "a", "size": "4KiB", "at": 0x1000}
    plain: dict[str, object] = {"id": "s", "title": "t", "purpose": "p", "objects": [region]}
    return Scenario.model_validate(plain | changes)


@pytest.mark.parametrize(
    ("changes", "mib", "extended"),
    [
        ({}, 16, 16),
        ({"host": {"ram": "16GiB"}}, 256, 0),
        ({"host": {"ram": "1TiB"}}, 16 << 10, 0),
        ({"host": {"ram": "16GiB"}, "target": {"page_size": 65536}}, 16, 0),
        ({"host": {"ram": "16GiB"}, "target": {"early_memory": "3MiB"}}, 3, 3),
    ],
)
def test_early_memory_is_a_struct_page_for_every_page_unless_said(
    changes: dict[str, object], mib: int, extended: int
) -> None:
    assert early_memory(scenario(**changes), extends=False) == mib * MIB
    assert early_memory(scenario(**changes), extends=True) == extended * MIB


def test_early_memory_is_taken_from_the_top_region_down() -> None:
    """64 and 128 MiB, with 48 of kernel and initrd in the first."""
    assert spare_early(scenario(), extends=False) == (16 * MIB, 112 * MIB, 0)
    assert spare_early(scenario(host={"ram": "9GiB"}), extends=False) == (0, 0, 0)
    assert spare_early(scenario(host={"ram": 9 * 1024 * MIB + 4096 * 64}), extends=False) is None
    assert spare_early(scenario(host={"ram": "9GiB"}), extends=True) == (16 * MIB, 128 * MIB, 0)


@pytest.mark.parametrize(
    ("ram", "extends", "fits"), [("1GiB", True, False), ("4GiB", True, True), ("4GiB", False, False)]
)
def test_a_fresh_region_finds_room_where_scratch_was_extended(ram: str, extends: bool, fits: bool) -> None:
    assert fits_afresh(scenario(host={"ram": ram}), [160 * MIB], extends) == (fits,)
