# SPDX-License-Identifier: Apache-2.0
"""What an agent said on both sides of a jump, by what it is about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from qualify.agent import Record

__all__ = ["Answers", "Side", "errno_of"]

_Fields = Mapping[str, Any]


def errno_of(fields: _Fields | None) -> str:
    """The errno that a record tells, '' for success. Of nothing: an errno no kernel has."""
    return "no answer" if fields is None else str(fields.get("errno", ""))


@dataclass(frozen=True)
class Side:
    """One stage of the agent. Sessions and regions by their id in the plan, files by (id, token)."""

    hello: _Fields | None = None
    system: _Fields = field(default_factory=dict)
    opens: tuple[_Fields, ...] = ()
    sessions: Mapping[int, _Fields] = field(default_factory=dict)
    files: Mapping[tuple[int, int], _Fields] = field(default_factory=dict)
    regions: Mapping[int, _Fields] = field(default_factory=dict)
    blobs: frozenset[str] = frozenset()
    load: _Fields | None = None
    jump_failed: _Fields | None = None
    finalised: str = ""  # the errno of it

    @property
    def stayed(self) -> tuple[str, str] | None:
        """(errno, what) when the source refused to load the target or to start it."""
        if self.load is not None and (errno := errno_of(self.load)):
            return errno, "the target could not be loaded"
        if self.jump_failed is not None:
            return errno_of(self.jump_failed), "the source refused the jump"
        return None

    @property
    def handed(self) -> frozenset[str]:
        """Names of the subtrees that stand in debugfs out/."""
        return frozenset(b.rpartition("/")[2] for b in self.blobs if b.startswith("out/sub_fdts/"))

    @property
    def received(self) -> frozenset[str]:
        """Names of the subtrees that stand in debugfs in/."""
        return frozenset(map(str, self.system.get("in", ())))


@dataclass(frozen=True)
class Answers:
    """Both stages. `target` is empty where nobody answered after the jump."""

    source: Side
    target: Side

    @classmethod
    def of(cls, records: Sequence[Record]) -> Answers:
        """Split at the jump. The second `hello` begins the target's."""
        hellos = [n for n, r in enumerate(records) if r.kind == "hello"]
        split = hellos[1] if len(hellos) > 1 else len(records)
        return cls(_side(records[:split]), _side(records[split:]))


_SESSION = {"create-session", "retrieve-session"}
_FILE = {"preserve", "retrieve"}
_REGION = {"source-region", "target-region"}


def _side(records: Iterable[Record]) -> Side:
    hello, load, jump_failed, system, finalised = None, None, None, {}, ""
    opens: list[_Fields] = []
    sessions: dict[int, _Fields] = {}
    files: dict[tuple[int, int], _Fields] = {}
    regions: dict[int, _Fields] = {}
    blobs: set[str] = set()
    for record in records:
        fields = record.fields
        match record.kind:
            case "hello":
                hello = fields
            case "system":
                system = dict(fields)
            case "open":
                opens.append(fields)
            case "load":
                load = fields
            case "jump-failed":
                jump_failed = fields
            case "finalise":
                finalised = errno_of(fields)
            case "blob":
                if not fields.get("errno"):
                    blobs.add(str(fields["name"]))
            case kind if kind in _SESSION:
                sessions[int(fields["id"])] = fields
            case kind if kind in _FILE:
                files[int(fields["session"]), int(str(fields["token"]), 0)] = fields
            case kind if kind in _REGION:
                regions[int(fields["id"])] = fields
            case _:
                pass
    return Side(hello, system, tuple(opens), sessions, files, regions, frozenset(blobs), load, jump_failed, finalised)
