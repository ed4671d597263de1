# SPDX-License-Identifier: Apache-2.0
"""What cross-checks may take for known when files have mistakes: nothing that depends on one is a second mistake."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import cached_property

from pydantic import BaseModel

from qualify.schema.format import Format
from qualify.schema.layout import Struct, unresolved
from qualify.schema.release import Component, Release
from qualify.yamlfile import Loc

__all__ = ["Known"]


@dataclass(frozen=True)
class Known:
    """What there is to refer to.

    `broken` names entries of which nothing could be kept, `holes` says what is missing of the others, `open_kinds` are
    those of which there may be more entries than were found (a file that cannot be read, an entry without a name),
    `orphans` are releases that inherit from one that is not known, `stand_ins` names that are in no file.
    """

    components: Mapping[str, Component]
    structs: Mapping[str, Struct]
    formats: Mapping[str, Format]
    releases: Mapping[str, Release]
    broken: AbstractSet[tuple[str, str]] = frozenset()
    holes: Mapping[tuple[str, str], AbstractSet[Loc]] = field(default_factory=dict)
    open_kinds: AbstractSet[str] = frozenset()
    orphans: AbstractSet[str] = frozenset()
    stand_ins: AbstractSet[str] = frozenset()

    def names(self, kind: str) -> list[str]:
        """What entries of that kind are called, for suggestions."""
        table: Mapping[str, BaseModel] = getattr(self, kind)
        return [name for name in table if name not in self.stand_ins]

    def lacks(self, kind: str, name: str) -> bool:
        """Whether there is certainly no such entry."""
        table: Mapping[str, BaseModel] = getattr(self, kind)
        return name not in table and (kind, name) not in self.broken and kind not in self.open_kinds

    def blurred(self, kind: str, name: str, *locs: Loc) -> bool:
        """Whether a part of that entry at one of `locs`, above or below it, is not known."""
        holes = self.holes.get((kind, name), frozenset())
        return any(h[: len(loc)] == loc[: len(h)] for h in holes for loc in locs)

    @cached_property
    def whole_structs(self) -> dict[str, Struct]:
        """Those whose members are all known, at any depth."""
        parts: tuple[Loc, ...] = (("fields",), ("size",), ("packed",))
        clear = {n: s for n, s in self.structs.items() if not self.blurred("structs", n, *parts)}
        return {name: struct for name, struct in clear.items() if not unresolved(struct, clear)}

    def all_formats(self, component: str) -> bool:
        """Whether every format of the component is known, and its nodes and structs are."""
        if "formats" in self.open_kinds or any(kind == "formats" for kind, _ in self.broken):
            return False
        parts: tuple[Loc, ...] = (("fdt",), ("struct",), ("container",))
        return not any(
            self.blurred("formats", n, ("component",))
            or (f.component == component and self.blurred("formats", n, *parts))
            for n, f in self.formats.items()
        )
