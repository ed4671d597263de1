# SPDX-License-Identifier: Apache-2.0
"""`qualify kernel build`: a kernel from source, with what it takes to be qualified."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path
from typing import Annotated

import platformdirs
import typer

from qualify.cli.kernel_view import kernel_plain
from qualify.cli.options import JsonOption
from qualify.cli.output import print_json
from qualify.cli.style import put
from qualify.errors import UsageError
from qualify.kernels import user_folder
from qualify.kernels.build import Configured, Tool, compile_kernel, configure, missing_tools
from qualify.kernels.folder import NAME
from qualify.kernels.manage import Parts, add_kernel
from qualify.kernels.origin import Origin, parse_origin

__all__ = ["build"]

SourceArgument = Annotated[
    str,
    typer.Argument(metavar="SOURCE", help="A source tree, a tarball, or debian:VERSION for Debian's source package."),
]
NameOption = Annotated[str, typer.Option("--name", metavar="NAME", help="What to call the kernel.")]
ReleaseOption = Annotated[
    str, typer.Option("--release", metavar="LABEL", help="The release of the schema that it is. [default: its name]")
]
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="BASE", help="The configuration to start from. [default: make tinyconfig]"),
]
FragmentOption = Annotated[
    list[Path] | None,
    typer.Option("--fragment", metavar="EXTRA", help="Options on top of ours, and over them; may be repeated."),
]
OwnSchemaOption = Annotated[
    Path | None, typer.Option("--schema", metavar="FILE", help="A schema file that describes its release.")
]
JobsOption = Annotated[
    int | None, typer.Option("--jobs", "-j", metavar="N", min=1, help="Compilers at a time. [default: one a processor]")
]
WorkOption = Annotated[
    Path | None,
    typer.Option(
        "--work", metavar="DIR", help="Build here and keep it. [default: the user's cache, emptied at the end]"
    ),
]
DryOption = Annotated[
    bool, typer.Option("--dry-run", help="Configure and check, say how long it would take, and stop.")
]
IntoOption = Annotated[
    Path | None, typer.Option("--kernels", metavar="DIR", help="Folder of kernels to add it to. [default: the user's]")
]


def build(
    source: SourceArgument,
    name: NameOption,
    release: ReleaseOption = "",
    config: ConfigOption = None,
    fragment: FragmentOption = None,
    schema: OwnSchemaOption = None,
    jobs: JobsOption = None,
    dry_run: DryOption = False,
    work: WorkOption = None,
    kernels: IntoOption = None,
    json_: JsonOption = False,
) -> None:
    """Build a kernel with everything on that qualify needs, and add it; how long it takes is told before it starts.

    Examples: qualify kernel build ~/linux --name mine --dry-run; qualify kernel build debian:6.19.11 --name 6.19.11;
    qualify kernel build linux-7.1.13.tar.xz --name ours --config /boot/config-ours
    """
    into = kernels or user_folder()
    _check_name(name, into)
    origin = parse_origin(source)
    _check_tools(missing_tools())
    processors = len(os.sched_getaffinity(0))
    jobs = jobs or processors  # None is one a processor
    place = work or platformdirs.user_cache_path("qualify") / "build" / name
    _say(json_, f"configuring {origin} in {place}")
    configured = configure(
        origin, place, base=config, extra=fragment or (), jobs=jobs, processors=processors
    )  # fmt: skip
    _check_tools(missing_tools(configured.options))
    _tell(json_, configured)
    if dry_run:
        if json_:
            print_json(_plan(origin, configured))
        return
    _say(json_, f"building; what the compiler says goes to {configured.log}")
    built = compile_kernel(configured, jobs)
    fragments = ", ".join(p.name for p in configured.fragments)
    provenance = f"built by qualify from {origin}: {configured.base} with {fragments}; {built.compiler}"
    parts = Parts(built.image, built.config, built.btf, schema, name, release, "", provenance)
    kernel, image, loaded = add_kernel(parts, into)
    if work is None:
        shutil.rmtree(place, ignore_errors=True)
    if json_:
        print_json(kernel_plain(kernel, loaded))
    else:
        put([f"added {kernel.label}: {image.release}, {image.size} bytes, SHA-256 {kernel.digest}"])
        put([f"  in {kernel.folder}"])


def _check_name(name: str, into: Path) -> None:
    """Now rather than after the build."""
    if not re.match(NAME, name):
        raise UsageError(
            f"--name '{name}' cannot be a name: letters, digits and . _ + ~ -, the first a letter or digit"
        )
    if (into / name).exists():
        raise UsageError(f"there is a kernel '{name}' in {into} already; give another --name, or remove it first")


def _check_tools(missing: tuple[Tool, ...]) -> None:
    if missing:
        names = ", ".join(f"{t.name} ({t.why})" for t in missing)
        packages = " ".join(dict.fromkeys(t.package for t in missing))
        raise UsageError(f"a kernel cannot be built without {names}; on Debian: apt-get install {packages}")


def _tell(json_: bool, configured: Configured) -> None:
    on = sum(value == "y" for value in configured.options.values())
    _say(json_, f"configured: {configured.base} with our fragment, {on} options on; every option of it took effect")
    if configured.unknown:
        _say(json_, f"  this tree has no {', '.join(configured.unknown)}")
    _say(json_, f"it will take {configured.time}: {configured.time.basis}")


def _plan(origin: Origin, configured: Configured) -> dict[str, object]:
    return {
        "source": str(origin),
        "tree": str(configured.tree),
        "base": configured.base,
        "config": str(configured.output / ".config"),
        "options_on": sum(value == "y" for value in configured.options.values()),
        "unknown_options": list(configured.unknown),
        "seconds": {"least": round(configured.time.least), "most": round(configured.time.most)},
        "basis": configured.time.basis,
        "log": str(configured.log),
    }


def _say(json_: bool, line: str) -> None:
    """What goes on, at once, also into a file; nothing for programs, who get one answer at the end."""
    if not json_:
        put([line])
        sys.stdout.flush()
