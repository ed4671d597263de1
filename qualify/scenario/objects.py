# SPDX-License-Identifier: Apache-2.0
"""What can be preserved: regions, sessions with files, FLBs, metadata and test folios; and how sizes are written."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema, field_validator
from pydantic import Field as PydanticField

from qualify.scenario.sizes import SIZE, parse_size
from qualify.schema.base import Frozen

__all__ = [
    "PAGE",
    "SEALS",
    "Flb",
    "Folio",
    "FolioRun",
    "KexecMetadata",
    "KhoTest",
    "Memfd",
    "PreservedObject",
    "ReserveMem",
    "Session",
    "Size",
]

# F_SEAL_* of include/uapi/linux/fcntl.h
SEALS = {"seal": 1, "shrink": 2, "grow": 4, "write": 8, "future-write": 16, "exec": 32}


def _size(value: Any) -> Any:
    if isinstance(value, str):
        if (size := parse_size(value)) is not None:
            return size
        if re.match(r"^0x[0-9a-fA-F]+$", value):
            return int(value, 16)
        raise ValueError("expected a number of bytes such as 4096, 0x1000, 4KiB or 1GiB")
    return value


_WRITTEN = {
    "anyOf": [
        {"type": "integer", "minimum": 0},
        {"type": "string", "pattern": rf"^({SIZE}|0x[0-9a-fA-F]+)$"},
    ]
}

# bytes or a physical address; written as 4096, 0x1000 or 4KiB
Size = Annotated[int, BeforeValidator(_size), PydanticField(ge=0, lt=1 << 52), WithJsonSchema(_WRITTEN)]
U64 = Annotated[int, BeforeValidator(_size), PydanticField(ge=0, lt=1 << 64), WithJsonSchema(_WRITTEN)]
PAGE = 4096
HUGE_SIZES = (2 << 20, 1 << 30)  # MFD_HUGE_2MB and MFD_HUGE_1GB; 0 is no huge page


def _huge(value: int) -> int:
    if value and value not in HUGE_SIZES:
        raise ValueError("expected 2MiB or 1GiB, or 0 for a file without huge pages")
    return value


_HUGE_WRITTEN = {"enum": [0, "2MiB", "1GiB", *HUGE_SIZES]}
HugeSize = Annotated[int, BeforeValidator(_size), AfterValidator(_huge), WithJsonSchema(_HUGE_WRITTEN)]
Name = Annotated[str, PydanticField(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]


class ReserveMem(Frozen):
    """reserve_mem=SIZE:ALIGN:NAME on both command lines; `target_*` where the target's differs."""

    kind: Literal["reserve-mem"]
    name: Name
    size: Size
    align: Size = PAGE
    at: Size
    fill: Literal["full", "edges"] = "full"  # edges: only the first and last 64 KiB hold data
    target_size: Size | None = None
    target_align: Size | None = None
    target_asks: bool = True  # false: reserve_mem= is missing on the target's command line

    @property
    def object_id(self) -> str:
        return f"reserve_mem/{self.name}"

    @property
    def wanted_size(self) -> int:
        """Bytes that the target asks for."""
        return self.size if self.target_size is None else self.target_size

    @property
    def component(self) -> str:
        return "reserve-mem"


class Memfd(Frozen):
    """One memfd, or `count` of them with consecutive tokens and addresses. Folios are 2^order pages from `at` on."""

    token: U64
    count: int = PydanticField(default=1, ge=1, le=20000)
    size: Size
    at: Size
    order: int = PydanticField(default=0, ge=0, le=10)
    stride: Size | None = None  # distance between folios; default: back to back
    position: U64 = 0
    allow_sealing: bool | None = None  # MFD_ALLOW_SEALING; default: only if seals are given
    noexec_seal: bool = False  # MFD_NOEXEC_SEAL
    seals: tuple[Literal["seal", "shrink", "grow", "write", "future-write", "exec"], ...] = ()
    holes: tuple[tuple[Size, Size], ...] = ()  # (offset, length) never written
    windows: Size = 0  # > 0: RAM lies in a file and is mapped in windows of this many bytes, 16 MiB at most
    hugetlb: HugeSize = 0  # > 0: MFD_HUGETLB with pages of this many bytes

    @property
    def seal_mask(self) -> int:
        """What F_GET_SEALS says on the source: F_SEAL_SEAL when created without MFD_ALLOW_SEALING.

        F_SEAL_EXEC on an executable file (the default) brings the seals against writing and resizing with it; a file
        made with MFD_NOEXEC_SEAL has it from the start and stays writable. Source: memfd_add_seals() in mm/memfd.c.
        """
        sealable = bool(self.seals) or self.noexec_seal if self.allow_sealing is None else self.allow_sealing
        if not sealable:
            return SEALS["seal"]
        if self.noexec_seal:
            return sum(SEALS[s] for s in {*self.seals, "exec"})
        implied = ("shrink", "grow", "write", "future-write") if "exec" in self.seals else ()
        return sum(SEALS[s] for s in {*self.seals, *implied})

    @property
    def component(self) -> str:
        return "memfd"


class Session(Frozen):
    """One LUO session, or `count` of them named NAME-0, NAME-1, ... with the same files each."""

    kind: Literal["session"]
    name: Name
    count: int = PydanticField(default=1, ge=1, le=20000)
    files: tuple[Memfd, ...] = ()

    @property
    def object_id(self) -> str:
        return f"session/{self.name}" + (f"-0..{self.count - 1}" if self.count > 1 else "")

    @property
    def component(self) -> str:
        return "luo-session"

    def file_id(self, file: Memfd) -> str:
        """``memfd/qual/0x1a``, or ``memfd/qual/0x1..0x7f`` for a run of files."""
        last = f"..{file.token + file.count - 1:#x}" if file.count > 1 else ""
        return f"memfd/{self.object_id.removeprefix('session/')}/{file.token:#x}{last}"

    def names(self) -> tuple[str, ...]:
        """The names given to CREATE_SESSION, in order."""
        return (self.name,) if self.count == 1 else tuple(f"{self.name}-{i}" for i in range(self.count))


class Flb(Frozen):
    """One file-lifecycle-bound object. `target_name` where the target looks for another compatible string."""

    kind: Literal["flb"]
    name: Name
    data: U64
    target_name: str = ""

    @property
    def object_id(self) -> str:
        return f"flb/{self.name}"

    @property
    def component(self) -> str:
        return "luo-flb"


class KexecMetadata(Frozen):
    """The record of who kexeced; releases that have it always write it.

    `count` is that of kexecs since the last cold boot, this one included: what the source was handed, plus one.
    """

    kind: Literal["kexec-metadata"]
    count: int = PydanticField(default=1, ge=1, lt=1 << 32)

    @property
    def object_id(self) -> str:
        return "kexec-metadata"

    @property
    def component(self) -> str:
        return "kexec-metadata"


class Folio(Frozen):
    """One folio of 2^order pages."""

    at: Size
    order: int = PydanticField(default=0, ge=0, le=10)


class FolioRun(Frozen):
    """`count` folios, `stride` bytes apart; only in files, where it stands for as many folios."""

    at: Size
    order: int = PydanticField(default=0, ge=0, le=10)
    count: int = PydanticField(ge=1, le=20000)
    stride: Size = PAGE

    def folios(self) -> tuple[Folio, ...]:
        return tuple(Folio(at=self.at + i * self.stride, order=self.order) for i in range(self.count))


class KhoTest(Frozen):
    """lib/test_kho.c with these folios."""

    kind: Literal["kho-test"]
    folios: tuple[Folio, ...] = PydanticField(min_length=1)

    @field_validator("folios", mode="before")
    @classmethod
    def _runs_become_folios(cls, value: Any) -> Any:
        """Entries with a `count` stand for as many folios; everything else is left to the field's own validation."""
        if not isinstance(value, list | tuple):
            return value
        runs = [FolioRun.model_validate(v) if isinstance(v, dict) and "count" in v else v for v in value]
        return [folio for item in runs for folio in (item.folios() if isinstance(item, FolioRun) else (item,))]

    @property
    def object_id(self) -> str:
        return "kho_test"

    @property
    def component(self) -> str:
        return "kho-test"


PreservedObject = Annotated[ReserveMem | Session | Flb | KexecMetadata | KhoTest, PydanticField(discriminator="kind")]
