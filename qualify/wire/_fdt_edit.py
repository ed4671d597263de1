# SPDX-License-Identifier: Apache-2.0
"""libfdt's read-write mode: edits of a flattened device tree that is there already."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from qualify.wire._fdt_node import (
    BEGIN_NODE,
    BEGIN_TAG,
    END_NODE_TAG,
    HEADER,
    LAST_SUPPORTED_VERSION,
    MAGIC,
    NOP,
    PAD,
    PROP,
    PROP_HEAD,
    RW_RSV_OFFSET,
    U32,
    FdtError,
    FdtHeaderError,
    FdtStructureError,
    Node,
    name_matches,
    no_space,
    reservations_end,
    to_cstring,
)

__all__ = ["Editor"]


class Editor:
    """libfdt's read-write mode on one buffer: the same moves, since bytes that a move leaves behind show as padding."""

    def __init__(self, blob: bytes, buffer_size: int) -> None:
        """fdt_open_into() in place; raises FdtError NOSPACE, or BADLAYOUT / BADVERSION for what KHO never edits."""
        fields: tuple[int, ...] = HEADER.unpack_from(blob)
        _, total, self.struct_at, self.strings_at, self.rsv_at, version, self.compat = fields[:7]
        self.boot_cpu, self.strings_size, self.struct_size = fields[7:]
        if version < LAST_SUPPORTED_VERSION:
            raise FdtHeaderError("FDT_ERR_BADVERSION", f"cannot edit version {version}", offset=20)
        if total > buffer_size:
            raise no_space(total, buffer_size)
        self.rsv_size = reservations_end(blob, self.rsv_at, total) - self.rsv_at
        if not (
            self.rsv_at >= RW_RSV_OFFSET
            and self.rsv_at + self.rsv_size <= self.struct_at
            and self.struct_at + self.struct_size <= self.strings_at
        ):
            raise FdtHeaderError("FDT_ERR_BADLAYOUT", "the blocks are not in libfdt's order", offset=8)
        self.buffer = bytearray(blob[:buffer_size].ljust(buffer_size, b"\0"))

    def first_child_at(self) -> int:
        """Where fdt_add_subnode() puts a node of the root: behind its properties, before all subnodes."""
        at = self.struct_at
        if U32.unpack_from(self.buffer, at)[0] != BEGIN_NODE:
            raise FdtStructureError("FDT_ERR_BADOFFSET", "the structure block does not start with a node", offset=at)
        at += self.buffer.index(0, at + 4) + 4 - at & ~3
        while (tag := U32.unpack_from(self.buffer, at)[0]) in (PROP, NOP):
            at += 4 if tag == NOP else 12 + (U32.unpack_from(self.buffer, at + 4)[0] + 3 & ~3)
        return at - self.struct_at

    def splice(self, at: int, old: int, new: int) -> None:
        """Make `old` bytes at `at` into `new` ones; what is not overwritten stays as it was."""
        used = self.strings_at + self.strings_size
        if used - old + new > len(self.buffer):
            raise no_space(used - old + new, len(self.buffer))
        self.buffer[at + new : used - old + new] = self.buffer[at + old : used]

    def splice_struct(self, at: int, old: int, new: int) -> int:
        """As splice, at an offset in the structure block; answers the offset in the buffer."""
        at += self.struct_at
        self.splice(at, old, new)
        self.struct_size += new - old
        self.strings_at += new - old
        return at

    def put(self, at: int, data: bytes) -> None:
        self.buffer[at : at + len(data)] = data

    def intern(self, name: bytes) -> int:
        """Offset of a terminated name in the strings block, appended if it is not there (tails count)."""
        end = self.strings_at + self.strings_size
        found = self.buffer.find(name, self.strings_at, end)
        if found >= 0:
            return found - self.strings_at
        self.splice(end, 0, len(name))
        self.put(end, name)
        self.strings_size += len(name)
        return end - self.strings_at

    def add_nodes(self, at: int, nodes: Sequence[Node], taken: Iterable[str]) -> None:
        """Add each node in turn at the same place, so that the last one comes first; `taken` are names there already.

        Raises FdtError EXISTS for a name that finds an earlier node, NOSPACE when the buffer is full.
        """
        names = list(taken)
        for node in nodes:
            if any(name_matches(name, node.name) for name in names):
                raise FdtError("FDT_ERR_EXISTS", f"there is a subnode {node.name!r} already")
            self._add_node(at, node)
            names.append(node.name)

    def _add_node(self, at: int, node: Node) -> None:
        """fdt_add_subnode() at offset `at` of the structure block, then fdt_setprop() for each property in turn."""
        name = to_cstring(node.name)
        begin = BEGIN_TAG + name + PAD[len(name) & 3]
        self.put(self.splice_struct(at, 0, len(begin) + 4), begin + END_NODE_TAG)
        at += len(begin)
        present: list[tuple[str, int]] = []  # name and length in the order of the blob: newest first
        for prop, value in node.properties:
            value_at = at + 12
            for index, (other, length) in enumerate(present):
                if other == prop:  # an existing property is resized where it is
                    head_at = self.splice_struct(value_at, length + 3 & ~3, len(value) + 3 & ~3) - 12
                    self.put(head_at + 4, U32.pack(len(value)))
                    present[index] = (prop, len(value))
                    break
                value_at += 12 + (length + 3 & ~3)
            else:
                name_at = self.intern(to_cstring(prop))
                head_at = self.splice_struct(at, 0, 12 + (len(value) + 3 & ~3))
                self.put(head_at, PROP_HEAD.pack(PROP, len(value), name_at))
                present.insert(0, (prop, len(value)))
            self.put(head_at + 12, value)
        at += sum(12 + (length + 3 & ~3) for _, length in present)
        self.add_nodes(at, node.children, [])

    def pack(self) -> None:
        """fdt_pack(): close the gaps between the blocks and write the header."""
        buffer, at = self.buffer, RW_RSV_OFFSET
        for start, size in (
            (self.rsv_at, self.rsv_size), (self.struct_at, self.struct_size), (self.strings_at, self.strings_size)
        ):  # fmt: skip
            buffer[at : at + size] = buffer[start : start + size]
            at += size
        self.rsv_at = RW_RSV_OFFSET
        self.struct_at = self.rsv_at + self.rsv_size
        self.strings_at = self.struct_at + self.struct_size
        head = (MAGIC, at, self.struct_at, self.strings_at, self.rsv_at, LAST_SUPPORTED_VERSION, self.compat)
        HEADER.pack_into(buffer, 0, *head, self.boot_cpu, self.strings_size, self.struct_size)
        self.total = at
