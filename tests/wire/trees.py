# SPDX-License-Identifier: Apache-2.0
"""The device tree of a format as a part that can be drawn, written and read: its template says what is in it."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from hypothesis import strategies as st

from qualify.machine.kernel import Kernel
from qualify.machine.memory import PhysicalMemory
from qualify.schema import FdtNode, FdtProperty
from qualify.wire import fdt
from qualify.wire.memory import MemoryReader
from qualify.wire.properties import read_number, write_number
from tests.wire.drawn import Allocator, plain, row_of
from tests.wire.golden import PAGE
from tests.wire.parts import MIB, Found, Part

__all__ = ["Tree"]

# properties by name, and children as (name, values)
_Values = tuple[dict[str, Any], list[tuple[str, Any]]]


class Tree(Part):
    """A device tree in one page, written in one go or with its nodes added one after the other."""

    name = "device tree"
    bound = 32 * MIB  # of 1 MiB at most, where nodes and properties of 12 bytes become Python objects

    def __init__(self, kernel: Kernel, template: FdtNode) -> None:
        self.kernel, self.template = kernel, template
        self.structs = frozenset(_structs(template))

    def values(self) -> st.SearchStrategy[Any]:
        return st.tuples(_node(self.kernel, self.template, self._full), st.booleans())

    @cached_property
    def _full(self) -> int:
        """How many nodes of any name find room, 0 when the template has none."""
        if self.template.child("*") is None:
            return 0
        count = 0
        while count < PAGE:
            try:
                self._blob(_smallest(self.kernel, self.template, count + 1), edited=False)
            except fdt.FdtError:
                break
            count += 1
        return count

    def write(self, memory: PhysicalMemory, allocate: Allocator, values: Any) -> Found:
        at = allocate()
        memory.write(at, self._blob(*values))
        return Found(at)

    def _blob(self, values: _Values, edited: bool) -> bytes:
        root = _made(self.kernel, self.template, "", values)
        if not edited:
            return fdt.encode_sequential(root)
        return fdt.add_subnodes(fdt.encode_sequential(fdt.Node("", root.properties)), root.children)

    def read(self, memory: MemoryReader, found: Found) -> Any:
        """As kernels do: the size out of the header, the tree, then every value by name. Missing ones are None."""
        total = int.from_bytes(memory.read(found.at, 8)[4:], "big")
        root = fdt.decode(memory.read(found.at, min(max(total, 40), MIB)))
        return _read(self.kernel, self.template, root)

    def expected(self, values: Any, found: Found) -> Any:
        return _sorted(values[0])

    def write_too_much(self, memory: PhysicalMemory, allocate: Allocator) -> None:
        if not self._full:
            super().write_too_much(memory, allocate)
        self._blob(_smallest(self.kernel, self.template, self._full + 1), edited=False)


def _structs(node: FdtNode) -> set[str]:
    own = {p.struct for p in node.properties if p.struct}
    return own.union(*(_structs(child) for child in node.children))


@st.composite
def _node(draw: st.DrawFn, kernel: Kernel, template: FdtNode, full: int) -> _Values:
    properties = {p.name: draw(_value(kernel, p)) for p in template.properties}
    children: list[tuple[str, Any]] = []
    for child in template.children:
        if child.name != "*":
            children.append((child.name, draw(_node(kernel, child, 0))))
            continue
        count = draw(st.sampled_from([0, 1, 2, full - 1, full]) | st.integers(0, full))
        few = draw(st.lists(_node(kernel, child, 0), min_size=1, max_size=3))
        stem = draw(st.text("abcxyz0189._+-", min_size=4, max_size=4))
        children += [(f"{stem}{i:03}", few[i % len(few)]) for i in range(count)]
    return properties, children


def _value(kernel: Kernel, prop: FdtProperty) -> st.SearchStrategy[Any]:
    if prop.struct:
        return row_of(kernel.codec(prop.struct))
    if prop.type in ("u32", "u64"):
        top = (1 << (32 if prop.type == "u32" else 64)) - 1
        return st.integers(0, top) | st.sampled_from([0, 1, top])
    if prop.type == "bytes":
        return st.binary(max_size=600)
    if prop.type == "string":
        return st.text("abc-", max_size=9)
    raise LookupError(f"no generator for a property of type {prop.type}")


def _smallest(kernel: Kernel, template: FdtNode, count: int) -> _Values:
    """The same tree with `count` nodes of any name."""
    zeros: dict[str, Any] = {
        p.name: {} if p.struct else {"bytes": b"", "string": ""}.get(p.type, 0) for p in template.properties
    }
    children = []
    for child in template.children:
        names = [child.name] if child.name != "*" else [f"abcd{i:03}" for i in range(count)]
        children += [(name, _smallest(kernel, child, 0)) for name in names]
    return zeros, children


def _made(kernel: Kernel, template: FdtNode, name: str, values: _Values) -> fdt.Node:
    given, children = values
    properties = [("compatible", fdt.prop_string(template.compatible))] if template.compatible else []
    properties += [(p.name, _payload(kernel, p, given[p.name])) for p in template.properties]
    nodes = tuple(_made(kernel, _template(template, n), n, v) for n, v in children)
    return fdt.Node(name, tuple(properties), nodes)


def _template(parent: FdtNode, name: str) -> FdtNode:
    found = parent.child(name) or parent.child("*")
    assert found is not None
    return found


def _payload(kernel: Kernel, prop: FdtProperty, value: Any) -> bytes:
    if prop.struct:
        return kernel.codec(prop.struct).pack(value)
    if prop.type == "string":
        return fdt.prop_string(value)
    return value if isinstance(value, bytes) else write_number(prop, value)


def _read(kernel: Kernel, template: FdtNode, node: fdt.Node) -> _Values | str:
    if template.compatible and fdt.node_check_compatible(node, template.compatible):
        return "incompatible"
    properties: dict[str, Any] = {p.name: _read_value(kernel, p, node) for p in template.properties}
    children: list[tuple[str, Any]] = []
    for child in template.children:
        found = node.children if child.name == "*" else [c for c in [node.child(child.name)] if c is not None]
        children += [(c.name, _read(kernel, child, c)) for c in found]
    return properties, sorted(children, key=lambda pair: pair[0])


def _read_value(kernel: Kernel, prop: FdtProperty, node: fdt.Node) -> Any:
    if prop.type in ("u32", "u64"):
        return read_number(node, prop)
    raw = node.get(prop.name)
    if prop.struct and raw is not None:
        return plain(kernel.codec(prop.struct).unpack(raw))
    return raw if prop.type == "bytes" or raw is None else raw.rstrip(b"\0").decode("latin-1")


def _sorted(values: _Values) -> _Values:
    """Added one by one, nodes come out in reverse."""
    properties, children = values
    return properties, sorted(((n, _sorted(v)) for n, v in children), key=lambda pair: pair[0])
