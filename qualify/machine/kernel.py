# SPDX-License-Identifier: Apache-2.0
"""One release as a running kernel sees itself: its formats, codecs and habits, looked up once."""

from __future__ import annotations

from qualify.schema import (
    ARCHITECTURES,
    ChunkListMap,
    Component,
    ComponentSpec,
    Condition,
    Format,
    MemoryMap,
    Reaction,
    Release,
    Schema,
)
from qualify.wire.pagesize import at_page_size
from qualify.wire.structs import StructCodec
from qualify.wire.tables import TableCodec

__all__ = ["Kernel"]


class Kernel:
    """A release, without the components in `without` and what depends on them, with pages of `page_size` bytes."""

    def __init__(
        self, schema: Schema, release: Release, without: tuple[str, ...] = (), page_size: int | None = None
    ) -> None:
        self.schema = schema
        self.release = release
        self.arch = ARCHITECTURES[release.arch]
        self.page_size = page_size or release.page_size
        self.page_shift = self.page_size.bit_length() - 1
        self._without = schema.gone(without)
        self._codecs: dict[str, StructCodec] = {}
        self._tables: dict[str, TableCodec] = {}

    def has(self, component: str) -> bool:
        return component in self.release.components and component not in self._without

    def spec(self, component: str) -> ComponentSpec:
        return self.release.components[component]

    def component(self, component: str) -> Component:
        return self.schema.components[component]

    def trait(self, component: str, name: str) -> bool | int | str:
        return self.schema.trait(self.release, component, name)

    def reaction(self, component: str, condition: Condition, default: Reaction = Reaction.IGNORE) -> Reaction:
        """What this release does about `condition`."""
        spec = self.release.components.get(component)
        return spec.on.get(condition, default) if spec is not None else default

    def needs(self, component: str, name: str, default: bool) -> bool:
        """Whether the reader insists on a node or property: it `requires` it, or lists none and the format says so."""
        requires = self.spec(component).requires
        return name in requires if requires else default

    def written(self, component: str) -> Format | None:
        return self.schema.written(self.release, component) if self.has(component) else None

    def readable(self, component: str) -> tuple[Format, ...]:
        return self.schema.readable(self.release, component) if self.has(component) else ()

    def codec(self, struct: str) -> StructCodec:
        codec = self._codecs.get(struct)
        if codec is None:
            codec = self._codecs[struct] = StructCodec(self.schema, struct, self.release.endian)
        return codec

    def table(self, form: Format) -> TableCodec:
        """The codec of a format that is a table."""
        table = self._tables.get(form.id)
        if table is None:
            assert form.container is not None, f"format {form.id} has no container"
            header = self.codec(form.container.header) if form.container.header else None
            table = TableCodec(form.container, header, self.codec(form.container.entry), self.page_size)
            self._tables[form.id] = table
        return table

    def memory_map(self, form: Format) -> MemoryMap:
        """The map layout of a KHO format for this kernel's page size."""
        assert form.memory_map is not None, f"format {form.id} has no memory map"
        return at_page_size(form.memory_map, self.release.page_size, self.page_size)

    def map_codecs(self, layout: ChunkListMap) -> tuple[StructCodec, StructCodec]:
        return self.codec(layout.header), self.codec(layout.entry)
