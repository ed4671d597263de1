# SPDX-License-Identifier: Apache-2.0
"""Formats: one version of a component's serialized form, and how a reader gets to it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field as PydanticField

from qualify.schema.base import Frozen, Provenance

__all__ = [
    "ArrayTable",
    "BlockList",
    "Carrier",
    "ChunkListMap",
    "Container",
    "FdtNode",
    "FdtProperty",
    "Format",
    "MemoryMap",
    "RadixTreeMap",
    "VersionField",
]


class FdtProperty(Frozen):
    """One property. `endian` is native for what the kernel stores with fdt_property(&u64) - not fdt64 cells."""

    name: str
    type: Literal["string", "u32", "u64", "bytes"]
    endian: Literal["native", "big"] = "native"
    role: str = ""  # what the codec uses it for: memory-map, address, size, header, ...
    struct: str = ""  # for bytes: the struct inside
    required: bool = True


class FdtNode(Frozen):
    """One node. `name` is '' for the root and '*' for a node per object. `required` is what the reader insists on."""

    name: str = ""
    compatible: str = ""
    properties: tuple[FdtProperty, ...] = ()
    children: tuple[FdtNode, ...] = ()
    required: bool = True

    def prop(self, role: str) -> FdtProperty | None:
        """The property with that role."""
        return next((p for p in self.properties if p.role == role), None)

    def child(self, name: str) -> FdtNode | None:
        """The child node with that name."""
        return next((c for c in self.children if c.name == name), None)


class ChunkListMap(Frozen):
    """Linked page-sized chunks of (start, bitmap) pairs; one bit is 2^order pages. Bitmap size in bytes."""

    kind: Literal["chunk-list"]
    header: str
    entry: str
    bitmap_bytes: int = PydanticField(gt=0, multiple_of=8)


class RadixTreeMap(Frozen):
    """Radix tree of pages keyed by order bit and shifted address; the leaves are bitmaps.

    key = 1 << (key_width - 1 - order) | phys >> (page_shift + order); widths in bits.
    """

    kind: Literal["radix-tree"]
    key_width: int = PydanticField(gt=0, le=64)
    table_bits: int = PydanticField(gt=0)  # log2 of the entries in an inner node
    leaf_bits: int = PydanticField(gt=0)  # log2 of the bits in a leaf
    levels: int = PydanticField(gt=1)  # inner levels and the leaf


MemoryMap = Annotated[ChunkListMap | RadixTreeMap, PydanticField(discriminator="kind")]


class ArrayTable(Frozen):
    """A physically contiguous array of entries behind an optional header. `pages` is its size."""

    kind: Literal["array"]
    header: str = ""
    entry: str
    pages: int = PydanticField(gt=0)


class BlockList(Frozen):
    """Linked blocks of one page: header, then entries."""

    kind: Literal["blocks"]
    header: str
    entry: str
    max_blocks: int = PydanticField(gt=0)


Container = Annotated[ArrayTable | BlockList, PydanticField(discriminator="kind")]


class Carrier(Frozen):
    """How a reader reaches this format: which component leads there, under which name, through which field."""

    component: str  # '' when the boot protocol itself carries it
    subtree: str = ""  # name of the KHO subnode
    node: str = ""  # node inside the carrier's FDT
    field: str = ""  # field of the carrier's struct that holds the address


class VersionField(Frozen):
    """A number in the data that says which version it is."""

    field: str
    value: int


class Format(Frozen):
    """One version of a component's serialized form.

    `compatible` is the string a reader compares ('' when another component's string versions it: `versioned_by`).
    Properties: `carried` come back; `dropped` are accepted on the source and do not come back (DEGRADED);
    `not_carried` are documented as not preserved and change no verdict.
    """

    id: str = PydanticField(pattern=r"^[a-z0-9][a-z0-9.+_-]*$")
    component: str
    compatible: str = ""
    versioned_by: str = ""
    version: VersionField | None = None
    carrier: Carrier
    fdt: FdtNode | None = None
    struct: str = ""  # the root struct, when it is not an FDT
    structs: dict[str, str] = PydanticField(default_factory=dict)  # further structs by role
    memory_map: MemoryMap | None = None
    container: Container | None = None
    carried: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    not_carried: tuple[str, ...] = ()
    constants: dict[str, int | str] = PydanticField(default_factory=dict)
    limits: dict[str, int] = PydanticField(default_factory=dict)
    text: str = ""
    provenance: Provenance
