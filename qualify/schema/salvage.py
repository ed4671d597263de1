# SPDX-License-Identifier: Apache-2.0
"""What is left of an entry with mistakes in it, so that the rest of it can be judged in the same go.

What does not validate is cut out, as little as possible; a missing key that has no default is filled with a value that
is judged by nobody. Both are remembered as holes, and so is what a misspelt key may have been meant for: whatever
depends on one is not known, and must not be reported.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from qualify.yamlfile import Loc, meant

__all__ = ["Salvaged", "salvage"]

M = TypeVar("M", bound=BaseModel)

_GONE = object()
_ROUNDS = 20  # each cuts deeper than the one before; no entry nests further
_FILLING: dict[str, Any] = {
    "provenance": {"kind": "inferred"},
    "carrier": {"component": ""},
    "component": "",
    "title": "",
    "name": "unnamed",
    "stage": "user",
    "version": "0.0",
    "size": 1,
    "means": "kho-found",
    "pattern": "^",
}


@dataclass(frozen=True)
class Salvaged(Generic[M]):
    """A model of what validated. `holes` are places in the entry as it was written."""

    model: M
    holes: frozenset[Loc]
    _kept: Any

    def written(self, loc: Loc) -> Loc:
        """A place in the model as a place in the entry: list items behind a hole have moved up."""
        return _written(self._kept, loc)


def salvage(model: type[M], data: Any, filling: dict[str, Any]) -> Salvaged[M] | None:
    """What of `data`, which does not validate, does; None when nothing can be said about it.

    `filling` are values for missing keys of the entry itself, such as its name.
    """
    kept, holes = copy.deepcopy(data), set[Loc]()
    for _ in range(_ROUNDS):
        try:
            return Salvaged(model.model_validate(_compact(kept)), frozenset(holes), kept)
        except ValidationError as error:
            # all places before the first cut: cutting moves them
            for item, loc in [(item, _written(kept, item["loc"])) for item in error.errors()]:
                hole = _mend(kept, loc, item["type"] == "missing", filling)
                if hole is None:
                    return None
                holes.add(hole)
                if item["type"] == "extra_forbidden":
                    holes.update((*hole[:-1], key) for key in meant(model, item["loc"]))
    return None


def _mend(kept: Any, loc: Loc, missing: bool, filling: dict[str, Any]) -> Loc | None:
    """Fill or cut the part at `loc`; where that was, or None when it is the whole entry."""
    path = _existing(kept, loc)
    if missing:
        values = _FILLING | filling if not path else _FILLING
        if loc[-1] in values:
            _at(kept, path)[loc[-1]] = copy.deepcopy(values[str(loc[-1])])
            return (*path, loc[-1])
    if not path:
        return None
    _at(kept, path[:-1])[path[-1]] = _GONE
    return path


def _existing(kept: Any, loc: Loc) -> Loc:
    """The parts of `loc` that lead somewhere; tags of unions and the like are left out."""
    path: list[str | int] = []
    for part in loc:
        inside_list = isinstance(kept, list) and isinstance(part, int) and part < len(kept)
        if (inside_list or (isinstance(kept, dict) and part in kept)) and kept[part] is not _GONE:
            path.append(part)
            kept = kept[part]
    return tuple(path)


def _at(kept: Any, path: Loc) -> Any:
    for part in path:
        kept = kept[part]
    return kept


def _compact(kept: Any) -> Any:
    if isinstance(kept, dict):
        return {key: _compact(value) for key, value in kept.items() if value is not _GONE}
    if isinstance(kept, list):
        return [_compact(value) for value in kept if value is not _GONE]
    return kept


def _written(kept: Any, loc: Loc) -> Loc:
    parts: list[str | int] = []
    for part in loc:
        if isinstance(kept, list) and isinstance(part, int):
            left = [number for number, value in enumerate(kept) if value is not _GONE]
            part = left[part] if part < len(left) else part
            kept = kept[part] if part < len(kept) else None
        elif isinstance(kept, dict) and part in kept:
            kept = kept[part]
        parts.append(part)
    return tuple(parts)
