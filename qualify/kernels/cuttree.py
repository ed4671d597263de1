# SPDX-License-Identifier: Apache-2.0
"""The beginning of a flattened device tree whose rest, with the names of its properties, is not there.

debugfs gives a root FDT like that: from 6.19 on, kho/out/fdt is as long as the tree was when the file was made, and the
tree grew since (seen on booted 6.19.11, 7.1.13 and 7.3.4; kho_init() in
kernel/liveupdate/kexec_handover.c of 7.1.13 takes fdt_totalsize() once). Sizes and offsets are in bytes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from qualify.errors import WireError
from qualify.wire.fdt import check_header

__all__ = ["CutNode", "CutTree", "read_cut"]

_BEGIN, _END_NODE, _PROP, _NOP = 1, 2, 3, 4
_STRUCT_AT = 8  # of the header: off_dt_struct


@dataclass(frozen=True)
class CutNode:
    """A node below the root of which every property was there: its name and the values, without their names."""

    name: str
    values: tuple[bytes, ...]


@dataclass(frozen=True)
class CutTree:
    """What came of a tree: the root's values, all of them, and those nodes below it that came whole."""

    total: int  # of the whole tree
    seen: int  # of it came
    values: tuple[bytes, ...]
    nodes: tuple[CutNode, ...]

    @property
    def compatible(self) -> str:
        """The root's first value that reads as a string; '' without one."""
        texts = (
            v[:-1].decode("ascii", errors="replace") for v in self.values if v.endswith(b"\0") and v.count(b"\0") == 1
        )
        return next((t for t in texts if t.isprintable() and t.isascii() and t), "")


def read_cut(blob: bytes) -> CutTree | None:
    """The beginning of a tree; None when the blob is none, is whole, or ends before the root's last property."""
    try:
        total = check_header(blob)
    except WireError:
        return None
    if len(blob) >= total:
        return None
    at = struct.unpack_from(">I", blob, _STRUCT_AT)[0]
    names: list[str] = []
    values: list[list[bytes]] = []
    root: tuple[bytes, ...] | None = None
    nodes: list[CutNode] = []
    while at + 4 <= len(blob):
        (tag,) = struct.unpack_from(">I", blob, at)
        at += 4
        if tag == _BEGIN:
            end = blob.find(b"\0", at)
            if end < 0:
                break
            if len(names) == 1 and root is None:
                root = tuple(values[0])  # properties come before nodes
            names.append(blob[at:end].decode("utf-8", errors="replace"))
            values.append([])
            at = (end + 4) & ~3
        elif tag == _PROP and values and at + 8 <= len(blob):
            (length,) = struct.unpack_from(">I", blob, at)
            at += 8
            if at + length > len(blob):
                break
            values[-1].append(blob[at : at + length])
            at = (at + length + 3) & ~3
        elif tag == _END_NODE and names:
            name, own = names.pop(), values.pop()
            if len(names) == 1:
                nodes.append(CutNode(name, tuple(own)))
        elif tag != _NOP:
            break
    return CutTree(total, len(blob), root, tuple(nodes)) if root is not None else None
