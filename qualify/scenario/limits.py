# SPDX-License-Identifier: Apache-2.0
"""What a kernel takes, whoever asks. Equal in every release that ships; one that differs makes this schema data."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = ["LONGEST_NAME", "MOST_REGIONS", "TEST_FLBS"]

LONGEST_NAME: Final[Mapping[str, int]] = MappingProxyType(
    {
        "reserve-mem": 15,  # RESERVE_MEM_NAME_SIZE in mm/memblock.c of 7.3.4
        "session": 63,  # LIVEUPDATE_SESSION_NAME_LENGTH in include/uapi/linux/liveupdate.h of 7.3.4
        "flb": 47,  # LIVEUPDATE_FLB_COMPAT_LENGTH in include/linux/kho/abi/luo.h of 7.3.4
    }
)
"""Bytes of a name by kind of object, without the terminating zero."""

MOST_REGIONS: Final = 8
"""RESERVE_MEM_MAX_ENTRIES in mm/memblock.c of 7.3.4."""

TEST_FLBS: Final = tuple(f"liveupdate-test-flb-v{i}" for i in range(3))
"""What lib/tests/liveupdate.c registers: LIVEUPDATE_TEST_FLB_COMPATIBLE() in include/linux/liveupdate.h of 7.1.13."""
