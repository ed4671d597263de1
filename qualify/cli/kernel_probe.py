# SPDX-License-Identifier: Apache-2.0
"""`qualify kernel probe`: boot a kernel once and say what it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from qualify.cli.kernel_schema import with_own
from qualify.cli.options import JsonOption, KernelsOption, SchemaOption
from qualify.cli.output import print_json
from qualify.cli.style import put
from qualify.errors import InputError
from qualify.kernels import KernelFolder, find_kernels, read_image
from qualify.kernels.interpret import ProbeReport, State, interpret
from qualify.kernels.probe import facts_of
from qualify.kernels.probes import save_probe
from qualify.machine.vm.probe import probe_kernel
from qualify.schema import Schema

__all__ = ["boot", "probe"]

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="A kernel, by the name of its folder.")]

_NO, _UNKNOWN = 1, 3


def boot(kernel: KernelFolder, schema: Schema) -> tuple[Iterable[Mapping[str, Any]], Iterable[str]]:
    """Boot a kernel's probe stage: (the agent's records, the lines of the kernel's log)."""
    with TemporaryDirectory(prefix="qualify-probe-") as folder:
        done = probe_kernel(kernel, schema.messages, Path(folder))
    records = [{"k": r.kind, "t": r.time, **r.fields} for r in done.records]
    return records, [line.text for line in done.lines]


def probe(
    name: NameArgument, kernels: KernelsOption = None, schema: SchemaOption = None, json_: JsonOption = False
) -> None:
    """Boot a kernel once and record what it is: what it writes, answers and takes, and which release that is.

    Exit status 0 when it is the release that it is taken for, 1 when it differs, 3 when the schema has no such release
    or the probe did not see everything.

    Examples: qualify kernel probe 7.1.13; qualify kernel probe mine --json
    """
    kernel = find_kernels(kernels).named(name)
    read_image(kernel.image)  # a file that no machine boots is told before one is started
    if (changed := kernel.changed) is not None:
        raise InputError([changed])
    loaded = with_own([kernel], schema)
    records, log = boot(kernel, loaded)
    report = interpret(facts_of(records, log), loaded, kernel.release, kernel.config_options)
    found = {"date": datetime.now(UTC).isoformat(timespec="seconds"), "image": kernel.digest, **report.to_json()}
    path = save_probe(kernel, found)
    if json_:
        print_json({"label": kernel.label, "recorded": str(path), **found})
    else:
        put(_lines(kernel, report))
        put([f"recorded in {path}"])
    if report.agrees is not True:
        raise typer.Exit(_NO if report.agrees is False else _UNKNOWN)


def _lines(kernel: KernelFolder, report: ProbeReport) -> Iterator[str]:
    facts = report.facts
    yield f"{kernel.label}: {facts.release} {facts.version}".rstrip()
    yield f"  KHO: {_state(report.kho)}; LUO: {_state(report.luo)}"
    for component, sight in report.sights.items():
        if sight.there:
            yield f"  {component}: {sight.text}: {_fitting(sight.fits)}"
    for handler in facts.handlers:
        answer = f"not made ({handler.made})" if handler.made else handler.errno or "taken"
        yield f"  files of type {handler.type}: {answer}"
    if facts.ioctls:
        yield "  ioctls: " + ", ".join(f"{i.name} {i.number}" for i in facts.ioctls if i.known)
    if report.matches:
        yield f"  behaves like {', '.join(report.matches)}, as far as a probe can see"
    elif report.nearest is not None:
        label, count = report.nearest
        yield f"  behaves like no release of the schema; nearest is {label}, which differs in {count}"
    yield from (f"  assumed: {component}: {', '.join(parts)}" for component, parts in report.assumed.items())
    yield from (f"  not seen: {trouble}" for trouble in facts.troubles)
    if not report.known:
        yield f"it is taken for '{report.registered}', which the schema does not have (docs/kernels.md)"
    elif report.differences:
        yield f"it differs from {report.registered}:"
    elif report.agrees:
        yield f"it is {report.registered}, as far as a probe can see"
    if report.known:
        yield from (f"  {difference}" for difference in report.differences)


def _state(state: State) -> str:
    if state.on:
        return "on"
    return "unknown" if state.present is None else "there, but off" if state.present else "not there"


def _fitting(fits: tuple[str, ...]) -> str:
    return f"fits {' and '.join(fits)}" if fits else "fits no format of the schema"
