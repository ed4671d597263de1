# SPDX-License-Identifier: Apache-2.0
"""The parts that a format of the schema has. No format is named here: a new one is taken apart as the others are.

Something for which there is no part is a LookupError, since it would go untested.
"""

from __future__ import annotations

from collections.abc import Iterator

from qualify.machine.kernel import Kernel
from qualify.schema import ArrayTable, BlockList, ChunkListMap, Format, RadixTreeMap, Schema, struct_ids
from qualify.wire.structs import StructCodec
from tests.wire.parts import AREA, Content, Entries, Map, Part, Rows
from tests.wire.trees import Tree

__all__ = ["kernel_of", "parts_of"]

_SOME = 8  # structs one after the other


def kernel_of(schema: Schema, form: Format) -> Kernel:
    """A release that writes or reads this format."""
    for release in schema.releases:
        if any(form.id in (spec.writes, *spec.reads) for spec in release.components.values()):
            return Kernel(schema, release)
    raise LookupError(f"no release writes or reads {form.id}")


def parts_of(schema: Schema, form: Format) -> tuple[Part, ...]:
    """Everything that this format puts into memory."""
    parts = tuple(_parts(schema, form, kernel_of(schema, form)))
    uncovered = struct_ids(form).difference(*(part.structs for part in parts))
    if not parts or uncovered:
        raise LookupError(f"no generator for {form.id}: {', '.join(sorted(uncovered)) or 'it has no bytes at all'}")
    return parts


def _parts(schema: Schema, form: Format, kernel: Kernel) -> Iterator[Part]:
    if form.fdt is not None:
        yield Tree(kernel, form.fdt)
    if form.struct:
        yield Rows("struct", kernel.codec(form.struct), 1)
    for role, struct in form.structs.items():
        yield Rows(role, kernel.codec(struct), _SOME)
    if form.memory_map is not None:
        if not isinstance(form.memory_map, ChunkListMap | RadixTreeMap):
            raise LookupError(f"no generator for the memory map of {form.id}: {form.memory_map.kind}")
        yield Map(kernel, form.memory_map)
    if form.container is not None:
        if not isinstance(form.container, ArrayTable | BlockList):
            raise LookupError(f"no generator for the container of {form.id}: {form.container.kind}")
        yield Entries(kernel.table(form))
    for struct in sorted(struct_ids(form)):
        codec = kernel.codec(struct)
        for prefix in _areas(codec):
            yield Content(codec, prefix, _chunk(kernel))


def _areas(codec: StructCodec) -> list[str]:
    """Where in a struct there are the members that lead to a vmalloc area."""
    ends = [f.name.removesuffix(AREA[0]) for f in codec.fields if f.name.endswith(AREA[0])]
    return [prefix for prefix in ends if all(prefix + name in codec for name in AREA)]


def _chunk(kernel: Kernel) -> StructCodec:
    form = kernel.written("kho-vmalloc")
    assert form is not None
    return kernel.codec(form.structs["chunk"])
