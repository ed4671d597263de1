# SPDX-License-Identifier: Apache-2.0
"""Flattened device trees: the node, the errors, and the numbers that :mod:`.fdt` and :mod:`._fdt_edit` share."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from qualify.errors import EncodeError, WireError

__all__ = [
    "BEGIN_NODE",
    "BEGIN_TAG",
    "END",
    "END_NODE",
    "END_NODE_TAG",
    "END_TAG",
    "FIRST_SUPPORTED_VERSION",
    "HEADER",
    "LAST_COMPATIBLE_VERSION",
    "LAST_SUPPORTED_VERSION",
    "MAGIC",
    "MAX_PROP_NAME",
    "NOP",
    "PAD",
    "PROP",
    "PROP_HEAD",
    "RSV_SIZE",
    "RW_RSV_OFFSET",
    "SW_RSV_OFFSET",
    "U32",
    "V1_SIZE",
    "FdtError",
    "FdtHeaderError",
    "FdtStructureError",
    "Node",
    "name_matches",
    "no_space",
    "reservations_end",
    "to_cstring",
    "to_text",
]

MAGIC: Final = 0xD00DFEED
FIRST_SUPPORTED_VERSION: Final = 2
LAST_COMPATIBLE_VERSION: Final = 16
LAST_SUPPORTED_VERSION: Final = 17

BEGIN_NODE: Final = 1
END_NODE: Final = 2
PROP: Final = 3
NOP: Final = 4
END: Final = 9

# magic, totalsize, off_dt_struct, off_dt_strings, off_mem_rsvmap, version, last_comp_version, boot_cpuid_phys,
# size_dt_strings, size_dt_struct
HEADER: Final = struct.Struct(">10I")
V1_SIZE: Final = 28
RSV_SIZE: Final = 16
# fdt_create() aligns its header to the size of a reservation, fdt_pack() only to 8.
SW_RSV_OFFSET: Final = 48
RW_RSV_OFFSET: Final = 40
MAX_PROP_NAME: Final = 1024  # keeps hostile, overlapping names from costing quadratic time; real names are < 32

U32: Final = struct.Struct(">I")
PROP_HEAD: Final = struct.Struct(">3I")  # tag, len, nameoff
BEGIN_TAG: Final = U32.pack(BEGIN_NODE)
END_NODE_TAG: Final = U32.pack(END_NODE)
END_TAG: Final = U32.pack(END)
PAD: Final = (b"", b"\0\0\0", b"\0\0", b"\0")  # by length modulo 4

_CODES: Final = {
    "FDT_ERR_NOTFOUND": -1,
    "FDT_ERR_EXISTS": -2,
    "FDT_ERR_NOSPACE": -3,
    "FDT_ERR_BADOFFSET": -4,
    "FDT_ERR_TRUNCATED": -8,
    "FDT_ERR_BADMAGIC": -9,
    "FDT_ERR_BADVERSION": -10,
    "FDT_ERR_BADSTRUCTURE": -11,
    "FDT_ERR_BADLAYOUT": -12,
}


class FdtError(WireError):
    """What libfdt would answer with an error: `errno_name` is its name for it, `code` the (negative) number."""

    def __init__(self, errno_name: str, message: str, *, offset: int | None = None) -> None:
        super().__init__(f"{errno_name}: {message}", offset=offset)
        self.errno_name = errno_name
        self.code = _CODES[errno_name]
        self._message = message

    def __reduce__(self) -> tuple[object, ...]:
        # The arguments of Exception are not ours, so pickling (for worker processes) has to be told.
        return _rebuild, (type(self), self.errno_name, self._message, self.offset)


class FdtHeaderError(FdtError):
    """The header is unusable, with the answer that fdt_check_header() has for it."""


class FdtStructureError(FdtError):
    """The reservations, the structure block or the strings block contradict themselves or the header."""


def _rebuild(kind: type[FdtError], errno_name: str, message: str, offset: int | None) -> FdtError:
    return kind(errno_name, message, offset=offset)


@dataclass(frozen=True, slots=True)
class Node:
    """A node with its properties and subnodes, both in the order of the blob; the root's name is empty."""

    name: str
    properties: tuple[tuple[str, bytes], ...] = ()
    children: tuple[Node, ...] = ()

    def get(self, prop: str) -> bytes | None:
        """The value of the first property of that name, or None (as fdt_getprop)."""
        for name, value in self.properties:
            if name == prop:
                return value
        return None

    def child(self, name: str) -> Node | None:
        """The first subnode that matches (as fdt_subnode_offset): without an @ in it, `foo` finds `foo@1` too."""
        for node in self.children:
            if name_matches(node.name, name):
                return node
        return None

    def compatible(self) -> tuple[str, ...] | None:
        """The strings of `compatible`, or None without one; a missing terminator is forgiven."""
        value = self.get("compatible")
        return None if value is None else tuple(map(to_text, value.removesuffix(b"\0").split(b"\0")))


def name_matches(actual: str, wanted: str) -> bool:
    """libfdt's rule for node names: the unit address may be left out of the wanted one."""
    return actual == wanted or ("@" not in wanted and actual.startswith(wanted + "@"))


def to_text(raw: bytes) -> str:
    """A name; bytes that are not UTF-8 become surrogates, which :func:`to_cstring` turns back."""
    return raw.decode("utf-8", "surrogateescape")


def to_cstring(text: str) -> bytes:
    """Bytes of a name with its terminator; raises EncodeError for what a C string cannot hold."""
    try:
        raw = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise EncodeError(f"{text!r} is not encodable") from error
    if b"\0" in raw:
        raise EncodeError(f"NUL inside the name {text!r}")
    return raw + b"\0"


def no_space(needed: int, available: int) -> FdtError:
    """The error for a buffer that is too small; both in bytes."""
    return FdtError("FDT_ERR_NOSPACE", f"{needed} bytes do not fit in {available}")


def reservations_end(blob: bytes | bytearray, at: int, total: int) -> int:
    """Offset just behind the terminating memory reservation (as fdt_num_mem_rsv, whose mark is a size of zero)."""
    while at + RSV_SIZE <= total:
        at += RSV_SIZE
        if not any(blob[at - 8 : at]):
            return at
    raise FdtStructureError("FDT_ERR_TRUNCATED", "the memory reservations do not end", offset=at)
