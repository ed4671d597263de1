# SPDX-License-Identifier: Apache-2.0
"""Sessions and files as a target lists them once it has read LUO's tables."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

__all__ = ["IncomingFile", "IncomingFiles", "IncomingSession"]


@dataclass(frozen=True, slots=True)
class IncomingFile:
    """One file as luo_file_deserialize() lists it."""

    compatible: str
    data: int
    token: int


@dataclass(frozen=True)
class IncomingFiles:
    """What one table of files holds up to the first without a handler. Sessions that name the same table share it."""

    files: tuple[IncomingFile, ...] = ()
    unhandled: str | None = None  # the kind of that first file
    refused: str = ""  # why the table as a whole is not taken

    @cached_property
    def by_token(self) -> dict[int, IncomingFile]:
        """By token; of several with the same one the first, as luo_retrieve_file() finds it."""
        return {f.token: f for f in reversed(self.files)}


@dataclass(frozen=True, slots=True)
class IncomingSession:
    """One session as luo_session_deserialize() lists it."""

    name: str
    listed: IncomingFiles
