# SPDX-License-Identifier: Apache-2.0
"""Sessions and files as a target lists them once it has read LUO's tables."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["IncomingFile", "IncomingSession"]


@dataclass(frozen=True, slots=True)
class IncomingFile:
    """One file as luo_file_deserialize() lists it."""

    compatible: str
    data: int
    token: int


@dataclass(slots=True)
class IncomingSession:
    """One session as luo_session_deserialize() lists it; `files` lacks what had no handler."""

    name: str
    files: list[IncomingFile] = field(default_factory=list)
