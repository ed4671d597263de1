# SPDX-License-Identifier: Apache-2.0
"""The KSTATE v3 stream: write() as save, read() as restore of one state, entries() to look at it (docs/kstate.md)."""

from __future__ import annotations

from qualify.wire._kstate_entries import KS_EOF, KSTATE_MAGIC, Entry, SectionType, entries
from qualify.wire._kstate_read import ReaderProfile, Restored, RestoreError, read
from qualify.wire._kstate_write import Value, Values, write

__all__ = [
    "KSTATE_MAGIC",
    "KS_EOF",
    "Entry",
    "ReaderProfile",
    "RestoreError",
    "Restored",
    "SectionType",
    "Value",
    "Values",
    "entries",
    "read",
    "write",
]
