# SPDX-License-Identifier: Apache-2.0
"""The FDT decoder against bytes that no kernel wrote: one vector per refusal, limits, and fuzz."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qualify.errors import WireError
from qualify.wire.fdt import (
    FdtError,
    FdtHeaderError,
    FdtStructureError,
    Node,
    add_subnodes,
    check_header,
    decode,
    encode_sequential,
    prop_string,
)

try:
    import libfdt
except ImportError:
    libfdt = None
oracle = pytest.mark.skipif(libfdt is None, reason="pylibfdt, the oracle, is not installed")

TREE = Node(
    "",
    (("compatible", prop_string("memblock-v1")),),
    tuple(
        Node(name, (("compatible", prop_string("reserve-mem-v1")), ("start", (0x10000000).to_bytes(8, "little"))))
        for name in ("trace", "pstore")
    ),
)
GOOD = encode_sequential(TREE)

names = st.text("ab@", max_size=5)
properties = st.lists(st.tuples(names, st.binary(max_size=13)), max_size=4).map(tuple)
leaves = st.tuples(names, properties).map(lambda parts: Node(*parts))
inner = st.tuples(names, properties, st.lists(leaves, max_size=3).map(tuple)).map(lambda parts: Node(*parts))
roots = st.just("") | names
trees = st.tuples(roots, properties, st.lists(inner, max_size=3).map(tuple)).map(lambda parts: Node(*parts))


def ours(call: Callable[[], Any]) -> Any:
    """What `call` returns, or libfdt's number for the error it raises."""
    try:
        return call()
    except FdtError as error:
        return error.code


FIELDS = ("magic", "total", "struct", "strings", "rsv", "version", "compat", "cpu", "strings_size", "struct_size")


def with_words(blob: bytes, **words: int) -> bytes:
    changed = bytearray(blob)
    for name, value in words.items():
        struct.pack_into(">I", changed, 4 * FIELDS.index(name), value)
    return bytes(changed)


@pytest.mark.parametrize(
    ("words", "errno_name", "code"),
    [
        ({"magic": 0}, "FDT_ERR_BADMAGIC", -9),
        ({"magic": 0x2FF20112}, "FDT_ERR_BADMAGIC", -9),  # an unfinished sequential write
        ({"version": 1}, "FDT_ERR_BADVERSION", -10),
        ({"compat": 18}, "FDT_ERR_BADVERSION", -10),
        ({"version": 15}, "FDT_ERR_BADVERSION", -10),
        ({"total": 39}, "FDT_ERR_TRUNCATED", -8),
        ({"total": 0x80000000}, "FDT_ERR_TRUNCATED", -8),
        ({"rsv": 39}, "FDT_ERR_TRUNCATED", -8),
        ({"rsv": len(GOOD) + 1}, "FDT_ERR_TRUNCATED", -8),
        ({"struct": 39}, "FDT_ERR_TRUNCATED", -8),
        ({"struct_size": len(GOOD)}, "FDT_ERR_TRUNCATED", -8),
        ({"struct_size": 0xFFFFFFFF}, "FDT_ERR_TRUNCATED", -8),
        ({"strings": len(GOOD) + 1}, "FDT_ERR_TRUNCATED", -8),
        ({"strings_size": 0xFFFFFFF0}, "FDT_ERR_TRUNCATED", -8),
    ],
)
def test_header_errors(words: dict[str, int], errno_name: str, code: int) -> None:
    blob = with_words(GOOD, **words)
    for refuse in (check_header, decode, lambda blob: add_subnodes(blob, [Node("new")])):
        with pytest.raises(FdtHeaderError) as caught:
            refuse(blob)
        assert (caught.value.errno_name, caught.value.code) == (errno_name, code)
    if libfdt is not None:
        assert libfdt.fdt_check_header(bytearray(blob)) == code


words = st.sampled_from(
    [0, 1, 2, 3, 15, 16, 17, 18, 27, 28, 32, 35, 36, 39, 40, 56, 64, len(GOOD), 0x7FFFFFFF, 0xFFFFFFFF]
)


@oracle
@given(st.dictionaries(st.sampled_from(FIELDS), words | st.integers(0, len(GOOD) + 1), max_size=4))
def test_header_check_is_libfdt(changed: dict[str, int]) -> None:
    blob = with_words(GOOD, **changed)
    verdict = ours(lambda: check_header(blob))
    assert min(verdict, 0) == libfdt.fdt_check_header(bytearray(blob))


def test_header_alone_is_enough_for_its_check() -> None:
    assert check_header(GOOD[:40]) == len(GOOD)
    for size in (0, 27, 39):
        with pytest.raises(FdtHeaderError, match="TRUNCATED"):
            check_header(GOOD[:size])
    with pytest.raises(FdtHeaderError, match="TRUNCATED"):
        decode(GOOD[:-1])
    assert decode(GOOD + b"\xff") == TREE


def tagged(*tags: int, strings: bytes = b"p\0", **header: int) -> bytes:
    """A blob whose structure block is these words."""
    body = struct.pack(f">{len(tags)}I", *tags)
    total = 56 + len(body) + len(strings)
    head = struct.pack(">10I", 0xD00DFEED, total, 56, 56 + len(body), 40, 17, 16, 0, len(strings), len(body))
    return with_words(head + bytes(16) + body + strings, **header)


@pytest.mark.parametrize(
    ("blob", "errno_name"),
    [
        (tagged(), "FDT_ERR_TRUNCATED"),
        (tagged(1, 0, 2), "FDT_ERR_TRUNCATED"),
        (tagged(9), "FDT_ERR_BADSTRUCTURE"),
        (tagged(2, 9), "FDT_ERR_BADSTRUCTURE"),
        (tagged(1, 0, 9), "FDT_ERR_BADSTRUCTURE"),
        (tagged(1, 0, 2, 1, 0, 2, 9), "FDT_ERR_BADSTRUCTURE"),
        (tagged(1, 0, 2, 3, 0, 0, 9), "FDT_ERR_BADSTRUCTURE"),
        (tagged(1, 0, 1, 0, 2, 3, 0, 0, 2, 9), "FDT_ERR_BADSTRUCTURE"),
        (tagged(1, 0, 5, 2, 9), "FDT_ERR_BADSTRUCTURE"),
        (tagged(1, 0x61616161), "FDT_ERR_BADSTRUCTURE"),
        (tagged(1, 0, 3, 0), "FDT_ERR_BADSTRUCTURE"),
        (tagged(1, 0, 3, 0xFFFFFFFF, 0, 2, 9), "FDT_ERR_BADSTRUCTURE"),
        (tagged(1, 0, 3, 0, 2, 2, 9), "FDT_ERR_BADOFFSET"),
        (tagged(1, 0, 3, 0, 0xFFFFFFFF, 2, 9), "FDT_ERR_BADOFFSET"),
        (tagged(1, 0, 3, 0, 0, 2, 9, strings=b"pp"), "FDT_ERR_TRUNCATED"),
        (tagged(1, 0, 2, 9, rsv=60), "FDT_ERR_TRUNCATED"),
    ],
)
def test_structure_errors(blob: bytes, errno_name: str) -> None:
    with pytest.raises(FdtStructureError) as caught:
        decode(blob)
    assert caught.value.errno_name == errno_name
    assert caught.value.offset is not None
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (type(copy), str(copy), vars(copy)) == (FdtStructureError, str(caught.value), vars(caught.value))


def test_nops_and_version_16() -> None:
    words = (4, 1, 0, 4, 3, 1, 0, 0x21000000, 4, 1, 0x61000000, 4, 2, 4, 2, 4, 9)
    tree = Node("", (("p", b"!"),), (Node("a"),))
    assert decode(tagged(*words)) == tree
    assert decode(tagged(*words, version=16, struct_size=0)) == tree
    with pytest.raises(FdtHeaderError, match="BADVERSION"):
        decode(tagged(*words, version=15, compat=15))
    # An edit goes behind the NOPs that follow the properties, but the root has to come first.
    assert decode(add_subnodes(tagged(*words[1:]), [Node("b")])) == Node("", tree.properties, (Node("b"), Node("a")))
    for blob, errno_name in (
        (tagged(*words), "FDT_ERR_BADOFFSET"),
        (tagged(*words[1:], version=16), "FDT_ERR_BADVERSION"),
        (tagged(*words[1:], strings=bytes(16), rsv=40 + 16 + 4 * 16), "FDT_ERR_BADLAYOUT"),
    ):
        with pytest.raises(FdtError) as caught:
            add_subnodes(blob, [Node("b")])
        assert caught.value.errno_name == errno_name


@pytest.mark.parametrize(
    ("name", "size", "errno_name"),
    [("trace", 4096, "FDT_ERR_EXISTS"), ("new", len(GOOD), "FDT_ERR_NOSPACE"), ("new", 100, "FDT_ERR_NOSPACE")],
)
def test_edit_errors(name: str, size: int, errno_name: str) -> None:
    with pytest.raises(FdtError, match=errno_name):
        add_subnodes(GOOD, [Node(name)], buffer_size=size)


def test_limits() -> None:
    wide = encode_sequential(Node("", (), (Node("a"),) * 9))
    assert len(decode(wide, max_nodes=10).children) == 9
    with pytest.raises(FdtStructureError, match="more than 9 nodes"):
        decode(wide, max_nodes=9)
    deep = tagged(*(1, 0) * 64, *(2,) * 64, 9)
    decode(deep)
    with pytest.raises(FdtStructureError, match="63 levels"):
        decode(deep, max_depth=63)
    # Every property names another offset in one endless string: bounded by the limit on names, not quadratic.
    hostile = tagged(1, 0, *(word for at in range(20000) for word in (3, 0, at)), 2, 9, strings=b"p" * 200000 + b"\0")
    with pytest.raises(FdtStructureError, match="TRUNCATED"):
        decode(hostile)


# --- fuzz ----------------------------------------------------------------------------------------------------------


@given(st.binary(max_size=200), st.booleans())
def test_arbitrary_bytes(data: bytes, plausible: bool) -> None:
    blob = tagged(*struct.unpack(f">{len(data) // 4}I", data[: len(data) & ~3])) if plausible else data
    try:
        decode(blob)
    except WireError:
        return
    assert plausible


interesting = st.sampled_from([0, 1, 2, 3, 4, 9, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFC, 0xFFFFFFFF]) | st.integers(0, 400)


@given(trees, st.lists(st.tuples(st.integers(0, 200), interesting), min_size=1, max_size=4), st.integers(0, 3))
def test_mutations(tree: Node, changes: list[tuple[int, int]], shift: int) -> None:
    """Nothing but WireError; whatever decodes is sound to libfdt as well, and encodes again."""
    changed = bytearray(encode_sequential(tree))
    for word, value in changes:
        at = 4 * word % (len(changed) - 4) + shift
        changed[at : at + 4] = struct.pack(">I", value)
    blob = bytes(changed)
    try:
        root = decode(blob)
    except WireError:
        return
    assert decode(encode_sequential(root, buffer_size=1 << 20)) == root
    if libfdt is not None and not root.name:  # its full check wants an unnamed root, its lookups do not care
        assert libfdt.fdt_check_full(bytearray(blob), len(blob)) == 0
