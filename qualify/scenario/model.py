# SPDX-License-Identifier: Apache-2.0
"""Scenarios: what is preserved, where in memory it lies, and what happens meanwhile."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from typing import Literal

from pydantic import Field as PydanticField
from pydantic import model_validator

from qualify.scenario.objects import PAGE, KhoTest, PreservedObject, ReserveMem, Session, Size
from qualify.schema.base import Frozen

__all__ = ["Host", "Placement", "Region", "Scenario", "SourceActions", "TargetActions"]


_STRUCT_PAGE = 64  # bytes; sizeof(struct page) by the BTF of every x86-64 kernel at hand


class Region(Frozen):
    """A physical range, in bytes."""

    at: Size
    size: Size

    @property
    def end(self) -> int:
        return self.at + self.size


class Host(Frozen):
    """The machine. RAM is [0, ram). Scratch regions are what the target may use before it has read the map."""

    ram: Size = 1 << 30
    # three entries, one of them empty, as a booted kernel hands them over (low memory, global, per node)
    scratch: tuple[Region, ...] = (
        Region(at=0x10000000, size=0x4000000),
        Region(at=0x20000000, size=0x8000000),
        Region(at=0x28000000, size=0),
    )


class SourceActions(Frozen):
    """What the operator does on the source.

    `finalise`: in-time - as each release needs it: debugfs out/finalize before the load up to 6.18, nothing later.
    late - the same after the load. by-hand - out/finalize before the load wherever a release has it.
    """

    kho: bool = True
    liveupdate: bool = True
    finalise: Literal["in-time", "late", "by-hand"] = "in-time"
    load: Literal["kexec_file_load", "kexec_load"] = "kexec_file_load"


class TargetActions(Frozen):
    """How the target is started. `without` names components it was built without. Sizes in bytes."""

    kho: bool = True
    liveupdate: bool = True
    kind: Literal["normal", "crash"] = "normal"
    page_size: int | None = None
    without: tuple[str, ...] = ()
    image: Size = 18 << 20  # what the kernel needs to unpack itself (init_size), loaded into scratch by the source
    initrd: Size = 30 << 20  # loaded into scratch too, in one piece of its own
    early_memory: Size | None = None  # allocated before the map is read; None: a struct page for every page of RAM


class Placement(Frozen):
    """Where the source kernel puts what the scenario does not place itself; physical addresses."""

    metadata: Size = 0x3A400000  # pages it preserves: FDTs, tables, descriptors
    bookkeeping: Size = 0x3C000000  # pages it does not preserve: chunks, bitmaps, radix nodes
    neighbours: Literal["unknown", "zero", "in-ram", "beyond-ram"] = "unknown"  # bytes that follow a short bitmap


class Scenario(Frozen):
    """One scenario. Objects are preserved in the order given."""

    id: str = PydanticField(pattern=r"^[a-z0-9][a-z0-9.-]*$")
    title: str
    purpose: str
    tags: tuple[str, ...] = ()
    seed: int = 1
    host: Host = Host()
    source: SourceActions = SourceActions()
    target: TargetActions = TargetActions()
    placement: Placement = Placement()
    objects: tuple[PreservedObject, ...] = PydanticField(min_length=1)

    @model_validator(mode="after")
    def _ids_are_unique(self) -> Scenario:
        ids = self.object_ids
        if twice := sorted({i for i in ids if ids.count(i) > 1}):
            raise ValueError(f"objects must have different names; twice: {', '.join(twice)}")
        return self

    @cached_property
    def object_ids(self) -> tuple[str, ...]:
        """Every object, files right after their session."""
        ids: list[str] = []
        for obj in self.objects:
            ids.append(obj.object_id)
            if isinstance(obj, Session):
                ids.extend(obj.file_id(f) for f in obj.files)
        return tuple(ids)

    @property
    def struct_pages(self) -> int:
        """Bytes of struct page for the RAM of the host."""
        return self.host.ram // (self.target.page_size or PAGE) * _STRUCT_PAGE

    @cached_property
    def digest(self) -> str:
        """Hex SHA-256 over everything that can change a result; title, purpose and tags cannot."""
        plain = self.model_dump(mode="json", exclude={"title", "purpose", "tags"})
        return hashlib.sha256(json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    @cached_property
    def own_pages_room(self) -> int:
        """Bytes set aside at each of placement.metadata and placement.bookkeeping: 16 MiB, more for many files."""
        runs = [(o.count, f) for o in self.objects if isinstance(o, Session) for f in o.files]
        folios = sum(n * f.count * -(-f.size // (PAGE << f.order)) for n, f in runs)
        files = sum(n * f.count for n, f in runs)
        # per file a descriptor, a list and a chunk; per session its table of files
        tables = 4 * files + 4 * sum(o.count for o in self.objects if isinstance(o, Session) and o.files)
        return (16 << 20) + folios * 32 + tables * PAGE

    @cached_property
    def touched_bytes(self) -> int:
        """Bytes of contents that a run writes."""
        total = 0
        for obj in self.objects:
            if isinstance(obj, ReserveMem):
                total += min(obj.size, 128 << 10) if obj.fill == "edges" else obj.size
            elif isinstance(obj, Session):
                total += obj.count * sum(f.count * f.size for f in obj.files)
            elif isinstance(obj, KhoTest):
                total += sum(PAGE << f.order for f in obj.folios)
        return total
