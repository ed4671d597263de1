# SPDX-License-Identifier: Apache-2.0
"""Flattened device trees, byte for byte as libfdt writes them and as strictly bounded as a reader can be.

Kernels write the KHO root FDT and the sub FDTs in two ways, and both leave their mark in the bytes:

* sequential write (`fdt_create` … `fdt_finish`): :func:`encode_sequential`;
* read-write edits (`fdt_open_into`, `fdt_add_subnode`, `fdt_setprop`, `fdt_pack`): :func:`add_subnodes`.

Sizes and offsets are in bytes. The format itself is big-endian; KHO property payloads are native (little-endian) words.
Names are UTF-8 with surrogateescape, so that any bytes survive a decode and encode.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from qualify.wire._fdt_edit import Editor
from qualify.wire._fdt_node import (
    BEGIN_NODE,
    BEGIN_TAG,
    END,
    END_NODE,
    END_NODE_TAG,
    END_TAG,
    FIRST_SUPPORTED_VERSION,
    HEADER,
    LAST_COMPATIBLE_VERSION,
    LAST_SUPPORTED_VERSION,
    MAGIC,
    MAX_PROP_NAME,
    NOP,
    PAD,
    PROP,
    PROP_HEAD,
    RSV_SIZE,
    SW_RSV_OFFSET,
    U32,
    V1_SIZE,
    FdtError,
    FdtHeaderError,
    FdtStructureError,
    Node,
    no_space,
    reservations_end,
    to_cstring,
    to_text,
)

__all__ = [
    "FdtError",
    "FdtHeaderError",
    "FdtStructureError",
    "Node",
    "add_subnodes",
    "check_header",
    "decode",
    "encode_sequential",
    "node_check_compatible",
    "prop_string",
]


def encode_sequential(root: Node, *, buffer_size: int = 4096) -> bytes:
    """The blob (totalsize bytes) that fdt_create(buf, buffer_size) … fdt_finish() leaves for this tree.

    Raises FdtError FDT_ERR_NOSPACE when the buffer is too small, EncodeError for names C cannot hold.
    """
    parts: list[bytes] = []
    headers: list[tuple[int, int, int]] = []  # index in parts, value length, name's distance from the table's end
    strings = b""
    stack: list[Node | None] = [root]  # None closes the node below
    while stack:
        node = stack.pop()
        if node is None:
            parts.append(END_NODE_TAG)
            continue
        name = to_cstring(node.name)
        parts += (BEGIN_TAG, name, PAD[len(name) & 3])
        for prop, value in node.properties:
            name = to_cstring(prop)
            # The table grows downward and is searched from its low end: the newest match wins, tails count.
            found = strings.find(name)
            if found < 0:
                strings = name + strings
                found = 0
            headers.append((len(parts), len(value), len(strings) - found))
            parts += (b"", value, PAD[len(value) & 3])
        stack.append(None)
        stack.extend(reversed(node.children))
    parts.append(END_TAG)
    table = len(strings)
    for index, length, from_end in headers:
        parts[index] = PROP_HEAD.pack(PROP, length, table - from_end)
    body = b"".join(parts)
    struct_at = SW_RSV_OFFSET + RSV_SIZE
    strings_at = struct_at + len(body)
    total = strings_at + table
    # libfdt checks at each step, but use only ever grows: the last check is the strictest.
    if total > buffer_size:
        raise no_space(total, buffer_size)
    head = HEADER.pack(
        MAGIC, total, struct_at, strings_at, SW_RSV_OFFSET, LAST_SUPPORTED_VERSION, LAST_COMPATIBLE_VERSION,
        0, table, len(body),
    )  # fmt: skip
    return b"".join((head, bytes(struct_at - len(head)), body, strings))


def add_subnodes(blob: bytes, children: Sequence[Node], *, buffer_size: int = 4096) -> bytes:
    """`blob` after fdt_open_into(), fdt_add_subnode(), fdt_setprop() in the given order, fdt_pack() for each child.

    That is kho_add_subtree() of 6.19 and later, on a page of `buffer_size`. Each child comes before all earlier
    subnodes of the root, its properties in reverse; subnodes of a child are added to it in the same way. Bytes of
    `blob` behind its totalsize count as left over in the page: libfdt does not clear the padding it makes.
    Raises FdtError (NOSPACE, EXISTS), EncodeError, and what :func:`decode` raises for `blob`.
    """
    root = decode(blob)
    if not children:
        return blob[: check_header(blob)]
    editor = Editor(blob, buffer_size)
    at = editor.first_child_at()
    taken = [node.name for node in root.children]
    for child in children:
        editor.add_nodes(at, (child,), taken)
        editor.pack()
        taken.append(child.name)
    return bytes(editor.buffer[: editor.total])


def check_header(blob: bytes) -> int:
    """totalsize, if fdt_check_header() would accept the header; like it, says nothing about bytes behind the header.

    Raises FdtHeaderError: BADMAGIC, BADVERSION, or TRUNCATED (blocks outside totalsize; a blob shorter than a header).
    """
    if len(blob) < V1_SIZE:
        raise FdtHeaderError("FDT_ERR_TRUNCATED", f"{len(blob)} bytes hold no header")
    magic, total, struct_at, strings_at, rsv_at, version, compat = struct.unpack_from(">7I", blob)
    if magic != MAGIC:
        raise FdtHeaderError("FDT_ERR_BADMAGIC", f"magic is {magic:#010x}", offset=0)
    if version < FIRST_SUPPORTED_VERSION or compat > LAST_SUPPORTED_VERSION or version < compat:
        raise FdtHeaderError("FDT_ERR_BADVERSION", f"version {version}, last compatible {compat}", offset=20)
    size = 32 if version <= 2 else 36 if version <= 16 else 40
    if len(blob) < size:
        raise FdtHeaderError("FDT_ERR_TRUNCATED", f"{len(blob)} bytes hold no header")
    if not size <= total <= 0x7FFFFFFF:
        raise FdtHeaderError("FDT_ERR_TRUNCATED", f"totalsize is {total}", offset=4)
    # Below version 3 the word at 32 is not a header field, but libfdt reads it all the same.
    strings_size = U32.unpack_from(blob, 32)[0] if len(blob) >= 36 else 0
    struct_size = U32.unpack_from(blob, 36)[0] if version >= 17 else 0
    for what, field, start, length in (
        ("memory reservations", 16, rsv_at, 0),
        ("structure block", 8, struct_at, struct_size),
        ("strings block", 12, strings_at, strings_size),
    ):
        if not size <= start <= start + length <= total:
            message = f"{what} at {start:#x}+{length:#x} outside totalsize {total:#x}"
            raise FdtHeaderError("FDT_ERR_TRUNCATED", message, offset=field)
    return int(total)


def decode(blob: bytes, *, max_nodes: int = 65536, max_depth: int = 64) -> Node:
    """The tree in `blob` (which may be longer than totalsize); everything is bounds-checked before it is read.

    Accepts less than libfdt's lookups, which see only what they walk past: the whole tree must be well formed, with
    one root and properties before subnodes; only the root's name is as free as it is to them. Memory reservations
    must end but are not returned; FDT_NOP is skipped.
    Raises FdtHeaderError or FdtStructureError, nothing else.
    """
    blob = bytes(blob)
    total = check_header(blob)
    if len(blob) < total:
        raise FdtHeaderError("FDT_ERR_TRUNCATED", f"totalsize {total} in {len(blob)} bytes", offset=4)
    struct_at, strings_at, rsv_at, version = struct.unpack_from(">4I", blob, 8)
    if version < LAST_COMPATIBLE_VERSION:
        raise FdtHeaderError("FDT_ERR_BADVERSION", f"structure of version {version}", offset=20)
    reservations_end(blob, rsv_at, total)
    end, strings_end = total, total
    if version >= 17:
        strings_size, struct_size = struct.unpack_from(">2I", blob, 32)
        end, strings_end = struct_at + struct_size, strings_at + strings_size

    names: dict[int, str] = {}
    stack: list[tuple[str, list[tuple[str, bytes]], list[Node]]] = []
    properties: list[tuple[str, bytes]] = []
    children: list[Node] = []
    root: Node | None = None
    nodes = 0
    at = struct_at
    while True:
        if at + 4 > end:
            raise FdtStructureError("FDT_ERR_TRUNCATED", "the structure block ends without FDT_END", offset=at)
        (tag,) = U32.unpack_from(blob, at)
        if tag == PROP:
            value_at = at + 12
            if value_at > end:
                raise FdtStructureError("FDT_ERR_BADSTRUCTURE", "a property runs past the structure block", offset=at)
            _, length, name_at = PROP_HEAD.unpack_from(blob, at)
            if value_at + length > end:
                raise FdtStructureError("FDT_ERR_BADSTRUCTURE", "a property runs past the structure block", offset=at)
            if not stack or children:
                raise FdtStructureError("FDT_ERR_BADSTRUCTURE", "a property outside or behind its node", offset=at)
            prop_name = names.get(name_at)
            if prop_name is None:
                prop_name = names[name_at] = _prop_name(blob, strings_at + name_at, strings_end)
            properties.append((prop_name, blob[value_at : value_at + length]))
            at = value_at + (length + 3 & ~3)
        elif tag == BEGIN_NODE:
            nul = blob.find(0, at + 4, end)
            if nul < 0:
                raise FdtStructureError("FDT_ERR_BADSTRUCTURE", "a node's name does not end", offset=at)
            nodes += 1
            if root is not None or nodes > max_nodes or len(stack) >= max_depth:
                message = "a second root" if root is not None else f"more than {max_nodes} nodes or {max_depth} levels"
                raise FdtStructureError("FDT_ERR_BADSTRUCTURE", message, offset=at)
            properties, children = [], []
            stack.append((to_text(blob[at + 4 : nul]), properties, children))
            at += nul + 4 - at & ~3
        elif tag == END_NODE:
            if not stack:
                raise FdtStructureError("FDT_ERR_BADSTRUCTURE", "FDT_END_NODE without a node", offset=at)
            name, _, _ = stack.pop()
            node = Node(name, tuple(properties), tuple(children))
            if stack:
                _, properties, children = stack[-1]
                children.append(node)
            else:
                root = node
            at += 4
        elif tag == NOP:
            at += 4
        elif tag != END:
            raise FdtStructureError("FDT_ERR_BADSTRUCTURE", f"unknown tag {tag:#x}", offset=at)
        elif root is None:
            raise FdtStructureError("FDT_ERR_BADSTRUCTURE", "FDT_END before the root is closed", offset=at)
        else:
            return root


def _prop_name(blob: bytes, at: int, end: int) -> str:
    if at >= end:
        raise FdtStructureError("FDT_ERR_BADOFFSET", "a property's name outside the strings block", offset=at)
    nul = blob.find(0, at, min(end, at + MAX_PROP_NAME))
    if nul < 0:
        raise FdtStructureError("FDT_ERR_TRUNCATED", "a property's name does not end", offset=at)
    return to_text(blob[at:nul])


def node_check_compatible(node: Node, wanted: str) -> int:
    """As fdt_node_check_compatible(): 0 is a match, 1 is none, -1 (FDT_ERR_NOTFOUND) no `compatible` at all.

    An unterminated last string matches too: libfdt reads one byte on, which is padding or the top of the next tag, 0.
    """
    value = node.get("compatible")
    if value is None:
        return -1
    return 0 if wanted.encode("utf-8", "surrogateescape") in value.split(b"\0") else 1


def prop_string(text: str) -> bytes:
    """The payload of fdt_property_string(): terminated; raises EncodeError for what a C string cannot hold."""
    return to_cstring(text)
