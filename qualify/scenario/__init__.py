# SPDX-License-Identifier: Apache-2.0
"""Scenarios: what is preserved, where it lies, what happens meanwhile; and the library that ships."""

from qualify.scenario.limits import LONGEST_NAME, MOST_REGIONS, TEST_FLBS
from qualify.scenario.loader import DATA, library, load_scenarios
from qualify.scenario.model import Host, Placement, Region, Scenario, SourceActions, TargetActions
from qualify.scenario.objects import (
    SEALS,
    Flb,
    Folio,
    KexecMetadata,
    KhoTest,
    Memfd,
    PreservedObject,
    ReserveMem,
    Session,
)
from qualify.scenario.placement import (
    Blocks,
    file_blocks,
    folio_addresses,
    kho_test_blocks,
    reserve_blocks,
    session_files,
    split_range,
)
from qualify.scenario.scratch import early_memory, fits_afresh, room_beside_image, spare_early

__all__ = [
    "DATA",
    "LONGEST_NAME",
    "MOST_REGIONS",
    "SEALS",
    "TEST_FLBS",
    "Blocks",
    "Flb",
    "Folio",
    "Host",
    "KexecMetadata",
    "KhoTest",
    "Memfd",
    "Placement",
    "PreservedObject",
    "Region",
    "ReserveMem",
    "Scenario",
    "Session",
    "SourceActions",
    "TargetActions",
    "early_memory",
    "file_blocks",
    "fits_afresh",
    "folio_addresses",
    "kho_test_blocks",
    "library",
    "load_scenarios",
    "reserve_blocks",
    "room_beside_image",
    "session_files",
    "spare_early",
    "split_range",
]
