# SPDX-License-Identifier: Apache-2.0
"""Formats: one version of a component's serialized form, and how a reader gets to it."""

from __future__ import annotations

import enum
from typing import Annotated, Literal

from pydantic import Field as PydanticField
from pydantic import model_validator

from qualify.schema.base import Frozen, Provenance

__all__ = [
    "ArrayTable",
    "BlockList",
    "Carrier",
    "ChunkListMap",
    "Container",
    "Encoding",
    "FdtNode",
    "FdtProperty",
    "Format",
    "MemoryMap",
    "RadixTreeMap",
    "VersionField",
]


class Encoding(enum.StrEnum):
    """What the numbers of an array hold, where that is more than a number."""

    ADDRESS_OR_ORDER = "address-or-order"  # a page-aligned address, and its order in the bits below the page size


class FdtProperty(Frozen):
    """One property.

    `endian` is native for what the kernel stores with fdt_property(&u64), big for fdt64 cells; text has none. It is
    stated, never assumed: both look alike in the tree. Bytes are a `struct`, or an `array` of as many numbers as the
    property with the role `count` says; with both, the struct leads to the memory that holds the array.
    """

    name: str
    type: Literal["string", "u32", "u64", "bytes"]
    endian: Literal["native", "big"] | None = None
    role: str = ""  # what the codec uses it for: memory-map, address, size, header, ...
    struct: str = ""  # for bytes: the struct inside
    array: Literal["u64"] | None = None  # for bytes: the type of an element
    encoding: Encoding | None = None  # of an element
    required: bool = True

    @model_validator(mode="after")
    def _says_what_it_holds(self) -> FdtProperty:
        if self.type == "string":
            if self.endian is not None:
                raise ValueError("a string has no byte order: leave out endian")
        elif self.endian is None:
            raise ValueError(f"{self.type} must state its byte order: 'endian: native' or 'endian: big'")
        if self.type != "bytes" and (self.struct or self.array):
            raise ValueError(f"only bytes hold a struct or an array, this is a {self.type}")
        if self.encoding is not None and self.array is None:
            raise ValueError("encoding says what the elements of an array hold, and there is no array")
        return self


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

    @property
    def structs(self) -> dict[str, str]:
        """Struct ids by the key that names them."""
        return {"header": self.header, "entry": self.entry}


class RadixTreeMap(Frozen):
    """Radix tree of pages keyed by order bit and shifted address; the leaves are bitmaps.

    key = 1 << (key_width - 1 - order) | phys >> (page_shift + order); widths in bits. `node` and `leaf` are the structs
    that table_bits and leaf_bits describe at the page size of the releases that use it.
    """

    kind: Literal["radix-tree"]
    node: str
    leaf: str
    key_width: int = PydanticField(gt=0, le=64)
    table_bits: int = PydanticField(gt=0)  # log2 of the entries in an inner node
    leaf_bits: int = PydanticField(gt=0)  # log2 of the bits in a leaf
    levels: int = PydanticField(gt=1)  # inner levels and the leaf

    @property
    def structs(self) -> dict[str, str]:
        """Struct ids by the key that names them."""
        return {"node": self.node, "leaf": self.leaf}


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
    text: str = ""
    provenance: Provenance
