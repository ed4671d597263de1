# SPDX-License-Identifier: Apache-2.0
"""Components and releases: who takes part, and what one kernel writes, reads, requires and does on a mismatch."""

from __future__ import annotations

import enum
from typing import Literal

from pydantic import Field as PydanticField

from qualify.schema.base import Frozen, Provenance

__all__ = ["Component", "ComponentSpec", "Condition", "Reaction", "Release", "Stage", "TraitSpec", "TraitValue"]

TraitValue = bool | int | str


class Stage(enum.StrEnum):
    """When the target reads a component, earliest first. Memory that nobody reserved is reused after EARLY."""

    SETUP = "setup"  # kho_populate(): only scratch is in use
    EARLY = "early"  # command-line parsing and memblock: before the page allocator
    INITCALL = "initcall"  # the page allocator is up
    USER = "user"  # somebody opens /dev/liveupdate


class Condition(enum.StrEnum):
    """What a reader can meet."""

    INCOMPATIBLE = "incompatible"  # the string or version number differs
    MALFORMED = "malformed"  # wrong length, wrong count, unreadable structure
    MISSING = "missing"  # a required node or property is not there
    ABSENT = "absent"  # nothing was handed over for this component
    NO_HANDLER = "no-handler"  # a file of a type that nobody registered
    UNRESTORABLE_PAGE = "unrestorable-page"  # the memory map does not know a page
    UNKNOWN_FLAGS = "unknown-flags"  # bits set that this release does not know
    SIZE_DIFFERS = "size-differs"
    MISALIGNED = "misaligned"
    NOT_FOUND = "not-found"  # no entry of that name
    NO_ROOM = "no-room"  # what is allocated instead does not fit
    FULL = "full"  # writer: the container is full


class Reaction(enum.StrEnum):
    """What a release does about it. REFUSE_* answer the caller with that errno."""

    COLD_BOOT = "cold-boot"  # the whole handover is ignored, normal boot
    PANIC = "panic"
    OPEN_FAILS = "open-fails"  # every open of /dev/liveupdate answers EIO
    FILE_MISSING = "file-missing"  # this file and those after it are gone from their session
    FRESH_ALLOCATION = "fresh-allocation"
    WARNING = "warning"  # a log line, the data is ignored
    IGNORE = "ignore"
    SAVE_AFRESH = "save-afresh"  # as a cold boot does
    REFUSE_EINVAL = "refuse-EINVAL"
    REFUSE_EIO = "refuse-EIO"
    REFUSE_ENOENT = "refuse-ENOENT"
    REFUSE_ENOMEM = "refuse-ENOMEM"
    REFUSE_ENOSPC = "refuse-ENOSPC"
    REFUSE_EOPNOTSUPP = "refuse-EOPNOTSUPP"

    @property
    def errno(self) -> str:
        """``EINVAL`` for REFUSE_EINVAL, else ''."""
        return self.value.removeprefix("refuse-") if self.value.startswith("refuse-") else ""


class TraitSpec(Frozen):
    """A behaviour that releases differ in. `values` lists what it may be; empty means any integer.

    `provenance` is that of the default.
    """

    values: tuple[TraitValue, ...] = ()
    default: TraitValue
    text: str
    provenance: Provenance


class Component(Frozen):
    """One participant of a handover."""

    id: str
    title: str
    kernel_name: str = ""
    stage: Stage
    depends: tuple[str, ...] = ()
    bound_to: tuple[str, ...] = ()  # its objects exist only beside one of these
    option: str = ""  # the Kconfig symbol without which a kernel has neither it nor what depends on it
    subtree_order: int | None = None  # users that hang off the root FDT: where in the order in which they are added
    contents: tuple[str, ...] = ()  # properties whose loss means wrong contents
    properties: dict[str, str] = PydanticField(default_factory=dict)  # property -> what it is
    traits: dict[str, TraitSpec] = PydanticField(default_factory=dict)
    text: str = ""
    provenance: Provenance


class ComponentSpec(Frozen):
    """What one release does about one component. A release without the component has no entry for it.

    Its facts are `writes`, `reads`, `requires`, every condition and every trait. `sources` says where each comes from:
    in a file those that differ from `provenance`, and under `others` all that is neither written there nor listed.
    Once loaded it holds every fact (qualify/schema/sources.py), traits at their default included.
    """

    writes: str | None = None
    reads: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()  # nodes and properties the reader insists on
    on: dict[Condition, Reaction] = PydanticField(default_factory=dict)
    traits: dict[str, TraitValue] = PydanticField(default_factory=dict)
    provenance: Provenance
    sources: dict[str, Provenance] = PydanticField(default_factory=dict)


class Release(Frozen):
    """One kernel that can be a source or a target. The version string never selects a format."""

    label: str = PydanticField(pattern=r"^[A-Za-z0-9][\w.+~-]*$")
    version: str = PydanticField(pattern=r"^\d+\.\d+(\.\d+)?$")
    aliases: tuple[str, ...] = ()
    arch: Literal["x86-64", "arm64"] = "x86-64"  # the keys of ARCHITECTURES
    page_size: int = PydanticField(default=4096, ge=4096, multiple_of=4096)
    endian: Literal["little", "big"] = "little"
    max_page_order: int = PydanticField(default=10, ge=0)
    config: dict[str, str] = PydanticField(default_factory=dict)
    provenance: Provenance
    text: str = ""
    components: dict[str, ComponentSpec] = PydanticField(default_factory=dict)

    @property
    def version_key(self) -> tuple[int, ...]:
        """For ordering only; formats never follow from it."""
        return tuple(int(part) for part in self.version.split("."))

    @property
    def series(self) -> str:
        """``6.17`` for 6.17.8."""
        return ".".join(self.version.split(".")[:2])
