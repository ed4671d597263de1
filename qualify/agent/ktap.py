# SPDX-License-Identifier: Apache-2.0
"""Records as KTAP (kernel: Documentation/dev-tools/ktap.rst), for people and for what reads kernel test logs.

A line says what the agent was answered. It judges nothing: "not ok" is an error, a difference, or a thing not there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from qualify.agent.records import Record

__all__ = ["ktap"]

_TOLD = {  # kinds that are one test each: what names the object
    "open": (),
    "create-session": ("id",),
    "preserve": ("session", "token"),
    "finalise": ("when",),
    "source-region": ("name",),
    "load": (),
    "retrieve-session": ("id",),
    "retrieve": ("session", "token"),
    "finish": ("session",),
    "target-region": ("name",),
    "jump-failed": (),
    "handler": ("type",),
    "fail": ("what",),
}
_TROUBLE = {"jump-failed", "fail"}
_OMITTED = {"hello", "jump", "end", "blob"}


def ktap(records: Iterable[Record]) -> str:
    """The text: a subtest for every boot (a `hello` starts one)."""
    boots: list[list[Record]] = []
    for record in records:
        if record.kind == "hello" or not boots:
            boots.append([])
        boots[-1].append(record)
    lines = ["KTAP version 1", f"1..{len(boots)}"]
    for number, boot in enumerate(boots, 1):
        name, results = _name(boot[0]), [r for r in boot if r.kind in _TOLD]
        lines += [f"  # Subtest: {name}", f"  1..{len(results)}"]
        comments = (r for r in boot if r.kind not in _TOLD and r.kind not in _OMITTED)
        lines += [f"  # {r.kind}: {_clean(_fields(r.fields))}" for r in comments]
        lines += [f"  {_result(place, record)}" for place, record in enumerate(results, 1)]
        passed = bool(boot) and boot[-1].kind in {"jump", "end"} and all(_trouble(r) is None for r in results)
        lines.append(f"{'ok' if passed else 'not ok'} {number} {name}")
    return "\n".join(lines) + "\n"


def _name(first: Record) -> str:
    if first.kind != "hello":
        return "without a hello"
    return _clean(f"{first.fields.get('stage', '?')} {first.fields.get('release', '?')}")


def _result(number: int, record: Record) -> str:
    what = " ".join([record.kind, *(str(record.fields.get(key, "?")) for key in _TOLD[record.kind])])
    trouble = _trouble(record)
    return f"{'ok' if trouble is None else 'not ok'} {number} {_clean(what)}" + (
        f" # {_clean(trouble)}" if trouble else ""
    )


def _trouble(record: Record) -> str | None:
    fields = record.fields
    for key in ("made", "errno", "unread"):
        if fields.get(key):
            return str(fields[key])
    if record.kind in _TROUBLE:
        return "the agent could not go on"
    if record.kind == "source-region" and not fields.get("found"):
        return "not found"
    if record.kind == "target-region" and not fields.get("in"):
        return "not handed over"
    bad = fields.get("bad", 0)
    if bad == -1:
        return f"not compared, size {fields.get('size', fields.get('in_size', '?'))}"
    return f"{bad} words differ, the first at {fields.get('first_bad')}" if bad else None


def _fields(fields: Mapping[str, Any]) -> str:
    return " ".join(f"{key}={value}" for key, value in fields.items())


def _clean(text: str) -> str:
    """One line without what would end a description."""
    return "".join(c if c.isprintable() and c != "#" else "?" for c in text)
