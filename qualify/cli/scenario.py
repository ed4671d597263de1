# SPDX-License-Identifier: Apache-2.0
"""`qualify scenario list|show`: what can be preserved, and where it lies."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from qualify.cli.options import JsonOption, ScenariosOption
from qualify.cli.output import print_json
from qualify.cli.style import put, table
from qualify.errors import UsageError
from qualify.scenario import Flb, KexecMetadata, KhoTest, Memfd, ReserveMem, Scenario, Session, library
from qualify.yamlfile import suggest

__all__ = ["lines", "named_scenario", "register"]

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="A scenario ('qualify scenario list').")]
TagOption = Annotated[
    list[str] | None,
    typer.Option("--tag", metavar="TAG", help="Only scenarios with this tag; may be repeated.", show_default=False),
]


def register(app: typer.Typer) -> None:
    """Add the group to the application."""
    group = typer.Typer(no_args_is_help=True, help="Show the scenarios that can be run or asked about.")
    group.command("list")(_list)
    group.command("show")(_show)
    app.add_typer(group, name="scenario")


def named_scenario(known: dict[str, Scenario], name: str) -> Scenario:
    """The scenario with that id."""
    if name not in known:
        raise UsageError(f"unknown scenario '{name}'; {suggest(name, known)}")
    return known[name]


def _list(tag: TagOption = None, scenarios: ScenariosOption = None, json_: JsonOption = False) -> None:
    """List the scenarios with their tags and the bytes that they touch.

    Examples: qualify scenario list; qualify scenario list --tag boundary --tag reserve-mem
    """
    known = library(scenarios or ())
    tags = {t for s in known.values() for t in s.tags}
    for name in tag or ():
        if name not in tags:
            raise UsageError(f"no scenario has the tag '{name}'; {suggest(name, tags)}")
    chosen = [s for s in known.values() if set(tag or ()) <= set(s.tags)]
    if json_:
        print_json([_summary(s) for s in chosen])
    else:
        rows = [(s.id, _size(s.touched_bytes), ", ".join(s.tags), s.title) for s in chosen]
        put(table(rows, ["scenario", "touches", "tags", "title"]))
    if not chosen:
        print(f"qualify: no scenario has all of the tags {', '.join(tag or ())}", file=sys.stderr)
        raise typer.Exit(3)


def _show(name: IdArgument, scenarios: ScenariosOption = None, json_: JsonOption = False) -> None:
    """Show one scenario: its purpose, the machine, what happens on both sides, and every object.

    Examples: qualify scenario show baseline; qualify scenario show operator-kexec-load --json
    """
    scenario = named_scenario(library(scenarios or ()), name)
    if json_:
        print_json(scenario.model_dump(mode="json") | _summary(scenario))
    else:
        put(lines(scenario))


def _summary(scenario: Scenario) -> dict[str, Any]:
    return {
        "id": scenario.id,
        "title": scenario.title,
        "purpose": scenario.purpose,
        "tags": list(scenario.tags),
        "touched_bytes": scenario.touched_bytes,
        "object_ids": list(scenario.object_ids),
        "digest": scenario.digest,
    }


def lines(scenario: Scenario) -> Iterator[str]:
    """What `scenario show` prints."""
    yield f"{scenario.id}: {scenario.title}"
    yield f"  {scenario.purpose}"
    yield f"  tags: {', '.join(scenario.tags)}"
    yield f"  host: {_size(scenario.host.ram)} of RAM; touches {_size(scenario.touched_bytes)}; seed {scenario.seed}"
    for side in ("source", "target", "placement"):
        # what is left at its default is what a kernel does by itself
        actions = getattr(scenario, side)
        own = {k: getattr(actions, k) for k in sorted(actions.model_fields_set)}
        if own:
            yield f"  {side}: " + ", ".join(f"{k} = {_value(k, v)}" for k, v in own.items())
    yield "  objects:"
    for obj in scenario.objects:
        yield f"    {obj.object_id}{_describe(obj)}"
        if isinstance(obj, Session):
            yield from (f"      {obj.file_id(file)}{_describe(file)}" for file in obj.files)


def _describe(obj: object) -> str:
    parts: list[str] = []
    if isinstance(obj, ReserveMem):
        parts = [f"{_size(obj.size)} at {obj.at:#x}", f"align {_size(obj.align)}"]
        parts += [f"the target asks for {_size(obj.target_size)}"] if obj.target_size is not None else []
        parts += [f"the target asks for align {_size(obj.target_align)}"] if obj.target_align is not None else []
        parts += [] if obj.target_asks else ["the target does not ask for it"]
    elif isinstance(obj, Memfd):
        parts = [f"{_size(obj.size)} at {obj.at:#x}", f"folios of order {obj.order}"]
        parts += [f"every {_size(obj.stride)}"] if obj.stride is not None else []
        parts += [f"position {obj.position}"] if obj.position else []
        parts += [f"seals {', '.join(obj.seals)}"] if obj.seals else []
        parts += ["made with MFD_NOEXEC_SEAL"] if obj.noexec_seal else []
        parts += ["made without MFD_ALLOW_SEALING"] if obj.allow_sealing is False else []
        parts += [f"holes {', '.join(f'{_size(n)} at {_size(o)}' for o, n in obj.holes)}"] if obj.holes else []
    elif isinstance(obj, Flb):
        parts = [f"data {obj.data:#x}", f"the target looks for {obj.target_name}" if obj.target_name else ""]
    elif isinstance(obj, KhoTest):
        parts = [
            f"{len(obj.folios)} folios of orders {', '.join(str(o) for o in sorted({f.order for f in obj.folios}))}"
        ]
    elif isinstance(obj, KexecMetadata):
        parts = ["written by every release that has it"]
    return ": " + ", ".join(p for p in parts if p) if parts else ""


def _value(key: str, value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(str(v) for v in value) or "nothing"
    if isinstance(value, int):
        return f"{value:#x}" if key in ("metadata", "bookkeeping") else _size(value)
    return str(value)


def _size(number: int) -> str:
    """``4 MiB`` for 4194304; bytes where no larger unit divides it."""
    for unit, factor in (("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if number >= factor and number % factor == 0:
            return f"{number // factor} {unit}"
    return f"{number} B"
