# SPDX-License-Identifier: Apache-2.0
"""The FDT codec against libfdt itself (as oracle), against real kernels' bytes, and against itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from qualify.errors import EncodeError
from qualify.wire.fdt import (
    FdtError,
    Node,
    add_subnodes,
    check_header,
    decode,
    encode_sequential,
    node_check_compatible,
    prop_string,
)

try:
    import libfdt
except ImportError:
    libfdt = None
oracle = pytest.mark.skipif(libfdt is None, reason="pylibfdt, the oracle, is not installed")


def u64(value: int) -> bytes:
    """A number as the kernel stores one: fdt_property(..., &u64, 8) on a little-endian machine."""
    return value.to_bytes(8, "little")


KHO_V1 = Node(
    "",
    (("compatible", prop_string("kho-v1")), ("preserved-memory-map", u64(0x1234000))),
)
KHO_CHILDREN = tuple(Node(name, (("fdt", u64(at)),)) for name, at in (("LUO", 0x5000), ("memblock", 0x6000)))
MEMBLOCK = Node(
    "",
    (("compatible", prop_string("memblock-v1")),),
    tuple(
        Node(
            name,
            (
                ("compatible", prop_string("reserve-mem-v1")),
                ("start", u64(start)),
                ("size", u64(0x400000)),
            ),
        )
        for name, start in (("trace", 0x10000000), ("pstore", 0x20000000))
    ),
)

# --- the oracle ----------------------------------------------------------------------------------------------------


def sw_libfdt(root: Node, size: int) -> bytes | int:
    """The page that libfdt leaves, or its first error."""
    buffer = bytearray(size)
    steps: list[Callable[[], int]] = [
        lambda: libfdt.fdt_create(buffer, size),
        lambda: libfdt.fdt_finish_reservemap(buffer),
    ]

    def walk(node: Node) -> None:
        steps.append(lambda: libfdt.fdt_begin_node(buffer, node.name))
        for name, value in node.properties:
            steps.append(lambda name=name, value=value: libfdt.fdt_property_stub(buffer, name, value, len(value)))
        for child in node.children:
            walk(child)
        steps.append(lambda: libfdt.fdt_end_node(buffer))

    walk(root)
    steps.append(lambda: libfdt.fdt_finish(buffer))
    for step in steps:
        if (error := step()) < 0:
            return error
    return bytes(buffer)


def rw_libfdt(page: bytes, children: Sequence[Node], size: int) -> bytes | int:
    """kho_add_subtree() for each child, in place; the blob, or the first error."""
    buffer = bytearray(page.ljust(size, b"\0"))

    def add(parent: int, node: Node) -> int:
        at: int = libfdt.fdt_add_subnode(buffer, parent, node.name)
        if at < 0:
            return at
        for name, value in node.properties:
            if (error := libfdt.fdt_setprop(buffer, at, name, value, len(value))) < 0:
                return int(error)
        for child in node.children:
            if (error := add(at, child)) < 0:
                return error
        return at

    for child in children:
        if (error := libfdt.fdt_open_into(buffer, buffer, size)) < 0:
            return int(error)
        if (error := add(0, child)) < 0:
            return error
        assert libfdt.fdt_pack(buffer) == 0
    return bytes(buffer[: libfdt.fdt_totalsize(buffer)])


def ours(call: Callable[[], Any]) -> Any:
    """What `call` returns, or libfdt's number for the error it raises."""
    try:
        return call()
    except FdtError as error:
        return error.code


# Few letters, so that names are tails of one another and clash with unit addresses.
names = st.text("ab@", max_size=5) | st.sampled_from(["compatible", "ible", "fdt", "preserved-memory-map", "größe"])
properties = st.lists(st.tuples(names, st.binary(max_size=13)), max_size=4).map(tuple)


def node_of(parts: tuple[Any, ...]) -> Node:
    return Node(*parts)


# Mapped and not st.builds(): Hypothesis explains built values call by call, which takes hours for a deep tree.
leaves = st.tuples(names, properties).map(node_of)
nodes = st.recursive(
    leaves, lambda sub: st.tuples(names, properties, st.lists(sub, max_size=3).map(tuple)).map(node_of), max_leaves=5
)
trees = st.tuples(st.just("") | names, properties, st.lists(nodes, max_size=3).map(tuple)).map(node_of)
sizes = st.sampled_from([16, 63, 64, 100, 200, 300, 500, 4096])


@oracle
@pytest.mark.parametrize("tree", [Node(""), KHO_V1, MEMBLOCK, Node("", KHO_V1.properties, KHO_CHILDREN)])
def test_sequential_is_libfdt(tree: Node) -> None:
    blob = encode_sequential(tree)
    page = sw_libfdt(tree, 4096)
    assert isinstance(page, bytes)
    assert blob == page[: len(blob)]
    assert check_header(blob) == len(blob)


@oracle
@given(trees, sizes)
def test_sequential_is_libfdt_for_any_tree_and_buffer(tree: Node, size: int) -> None:
    page = sw_libfdt(tree, size)
    blob = ours(lambda: encode_sequential(tree, buffer_size=size))
    assert blob == (page[: len(blob)] if isinstance(page, bytes) else page)


@oracle
@pytest.mark.parametrize("count", [1, 2])
def test_edits_are_libfdt(count: int) -> None:
    blob = encode_sequential(KHO_V1)
    edited = add_subnodes(blob, KHO_CHILDREN[:count])
    assert edited == rw_libfdt(blob, KHO_CHILDREN[:count], 4096)
    assert [node.name for node in decode(edited).children] == [node.name for node in reversed(KHO_CHILDREN[:count])]


@oracle
@given(trees, st.lists(nodes, max_size=3), sizes, st.booleans())
def test_edits_are_libfdt_for_any_tree_and_buffer(root: Node, added: list[Node], size: int, whole_page: bool) -> None:
    """Also with leftovers of the sequential write in the page, which surface as padding."""
    page = sw_libfdt(root, 4096)
    assume(isinstance(page, bytes))  # else too large a tree
    assert isinstance(page, bytes)
    blob = encode_sequential(root)
    page = page[: max(size, len(blob))] if whole_page else blob
    assert ours(lambda: add_subnodes(page, added, buffer_size=size)) == (
        rw_libfdt(page, added, size) if added else blob
    )


def test_edit_order() -> None:
    """Without the oracle: the newest node first, its properties in reverse, an existing property changed in place."""
    child = Node("new", (("a", b"1234"), ("b", b""), ("a", b"123456789")), (Node("x"), Node("y")))
    root = decode(add_subnodes(encode_sequential(MEMBLOCK), [child, Node("last")]))
    assert [node.name for node in root.children] == ["last", "new", "trace", "pstore"]
    assert root.children[1] == Node("new", (("b", b""), ("a", b"123456789")), (Node("y"), Node("x")))
    assert root.properties == MEMBLOCK.properties
    assert add_subnodes(encode_sequential(MEMBLOCK) + b"rest", []) == encode_sequential(MEMBLOCK)


# --- real kernels --------------------------------------------------------------------------------------------------

GOLDEN = Path(__file__).parents[1] / "vectors" / "golden"


def golden_fdts() -> Iterator[Any]:
    """Every page of every capture that holds an FDT, as (page)."""
    for file in sorted(GOLDEN.glob("*.json")):
        for phys, dump in json.loads(file.read_text()).get("pages", {}).items():
            page = bytearray(dump["len"] if isinstance(dump, dict) else 0)
            for at, run in dump["runs"] if isinstance(dump, dict) else ((0, dump),):
                raw = bytes.fromhex(run)
                page[at : at + len(raw)] = raw
            if page.startswith(b"\xd0\r\xfe\xed"):
                yield pytest.param(bytes(page).ljust(4096, b"\0"), id=f"{file.stem}-{phys}")


@pytest.mark.parametrize("page", list(golden_fdts()) or [pytest.param(b"", marks=pytest.mark.skip("no captures"))])
def test_bytes_of_real_kernels(page: bytes) -> None:
    """The tree says enough to write it again: fdt_pack() betrays an edited one by where it puts the reservations."""
    blob, root = page[: check_header(page)], decode(page)
    if int.from_bytes(page[16:20], "big") == 48:
        assert encode_sequential(root) == blob
        return
    first = encode_sequential(Node(root.name, root.properties))
    added = [Node(node.name, node.properties[::-1]) for node in reversed(root.children)]
    assert add_subnodes(first, added) == blob
    # Done one by one, as kernels do it, the bytes are the same.
    for node in added:
        first = add_subnodes(first, [node])
    assert first == blob


# --- itself --------------------------------------------------------------------------------------------------------


@given(trees)
def test_roundtrip(tree: Node) -> None:
    assert decode(encode_sequential(tree, buffer_size=1 << 20)) == tree


@given(st.binary(max_size=12).filter(lambda raw: b"\0" not in raw))
def test_names_are_bytes(raw: bytes) -> None:
    name = raw.decode("utf-8", "surrogateescape")
    tree = Node("", ((name, b"x"),), (Node(name),))
    blob = encode_sequential(tree)
    assert raw + b"\0" in blob
    assert decode(blob) == tree


def test_lookups() -> None:
    root = Node("", (("a", b"1"), ("a", b"2")), (Node("foo@1"), Node("foo"), Node("bar@1")))
    assert root.get("a") == b"1"
    assert root.get("b") is None
    assert root.child("foo") == Node("foo@1")
    assert root.child("foo@1") == Node("foo@1")
    assert root.child("bar") == Node("bar@1")
    assert root.child("bar@") is None
    assert root.child("fo") is None


def test_strings_that_c_cannot_hold() -> None:
    assert prop_string("ab") == b"ab\0"
    with pytest.raises(EncodeError):
        prop_string("a\0b")


@pytest.mark.parametrize("bad", [Node("a\0"), Node("", (("\ud800", b""),))])
def test_names_that_c_cannot_hold(bad: Node) -> None:
    with pytest.raises(EncodeError):
        encode_sequential(bad)
    with pytest.raises(EncodeError):
        add_subnodes(encode_sequential(Node("")), [bad])


@oracle
@given(st.none() | st.binary(max_size=8) | st.text("ab\0", max_size=9).map(str.encode), st.text("ab", max_size=3))
def test_check_compatible_is_libfdt(value: bytes | None, wanted: str) -> None:
    node = Node("", () if value is None else (("compatible", value),))
    page = sw_libfdt(node, 4096)
    assert isinstance(page, bytes)
    assert node_check_compatible(node, wanted) == libfdt.fdt_node_check_compatible(bytearray(page), 0, wanted)


@pytest.mark.parametrize(
    ("value", "strings"),
    [(None, None), (b"", ("",)), (b"a\0", ("a",)), (b"a\0b\0", ("a", "b")), (b"a\0b", ("a", "b")), (b"\0\0", ("", ""))],
)
def test_compatible(value: bytes | None, strings: tuple[str, ...] | None) -> None:
    assert Node("", () if value is None else (("compatible", value),)).compatible() == strings
