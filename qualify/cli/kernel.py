# SPDX-License-Identifier: Apache-2.0
"""`qualify kernel add|list|show|remove`, and where the commands of this group come together."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from qualify.cli.kernel_build import build
from qualify.cli.kernel_probe import probe
from qualify.cli.kernel_schema import with_own
from qualify.cli.kernel_view import kernel_lines, kernel_plain, kernel_row, row_plain
from qualify.cli.options import JsonOption, KernelsOption, SchemaOption
from qualify.cli.output import print_json
from qualify.cli.style import put, table
from qualify.kernels import KernelFolder, find_kernels, search_folders, user_folder
from qualify.kernels.manage import add_kernel, parts_of, remove_kernel
from qualify.schema import Schema, load, suggest_release

__all__ = ["register"]

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="A kernel, by the name of its folder.")]
PathArgument = Annotated[
    Path, typer.Argument(metavar="PATH", help="A bzImage, a folder that holds one, or the tree in which it was built.")
]
NameOption = Annotated[
    str, typer.Option("--name", metavar="NAME", help="What to call it. [default: the folder's name, else its release]")
]
ReleaseOption = Annotated[
    str,
    typer.Option("--release", metavar="LABEL", help="The release of the schema that it is. [default: its name]"),
]
ConfigOption = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="Its configuration (.config).")]
BtfOption = Annotated[Path | None, typer.Option("--btf", metavar="FILE", help="The .BTF section of its vmlinux.")]
OwnSchemaOption = Annotated[
    Path | None, typer.Option("--schema", metavar="FILE", help="A schema file that describes its release.")
]
AppendOption = Annotated[
    str, typer.Option("--append", metavar="TEXT", help="What it needs on its command line besides the usual.")
]
ProvenanceOption = Annotated[
    str, typer.Option("--provenance", metavar="TEXT", help="Where it comes from: tree, commit, compiler.")
]
IntoOption = Annotated[
    Path | None,
    typer.Option("--kernels", metavar="DIR", help="Folder of kernels to add it to. [default: the user's]"),
]


def register(app: typer.Typer) -> None:
    """Add the group to the application."""
    group = typer.Typer(no_args_is_help=True, help="Keep, examine and build the kernels that are booted.")
    group.command("add")(_add)
    group.command("list")(_list)
    group.command("show")(_show)
    group.command("remove")(_remove)
    group.command("probe")(probe)
    group.command("build")(build)
    app.add_typer(group, name="kernel")


def _add(
    path: PathArgument,
    name: NameOption = "",
    release: ReleaseOption = "",
    config: ConfigOption = None,
    btf: BtfOption = None,
    schema: OwnSchemaOption = None,
    append: AppendOption = "",
    provenance: ProvenanceOption = "",
    kernels: IntoOption = None,
    json_: JsonOption = False,
) -> None:
    """Copy a kernel into a folder of kernels; nothing is added unless all of it is right.

    Examples: qualify kernel add ~/linux --name mine --release 7.1.13; qualify kernel add /boot/vmlinuz-7.1.13 --config
    /boot/config-7.1.13
    """
    parts = parts_of(path)
    parts = replace(
        parts,
        name=name or parts.name,
        release=release or parts.release,
        config=config or parts.config,
        btf=btf or parts.btf,
        schema=schema or parts.schema,
        append=append or parts.append,
        provenance=provenance or parts.provenance,
    )
    kernel, image, loaded = add_kernel(parts, kernels or user_folder())
    notes = [*image.limits, *_unknown_release(kernel, loaded), *_not_searched(kernel)]
    if json_:
        print_json(kernel_plain(kernel, loaded) | {"notes": notes})
        return
    put(
        [f"added {kernel.label}: {image.release}, {image.size} bytes, SHA-256 {kernel.digest}", f"  in {kernel.folder}"]
    )
    put(f"note: {note}" for note in notes)


def _list(kernels: KernelsOption = None, schema: SchemaOption = None, json_: JsonOption = False) -> None:
    """List the kernels that can be booted, with the releases that they are.

    Examples: qualify kernel list; qualify kernel list --kernels ~/kernels
    """
    registry = find_kernels(kernels)
    common = load(schema or ())
    rows = [kernel_row(k, with_own([k], schema) if k.schema else common) for k in registry.kernels]
    if json_:
        print_json([row_plain(row) for row in rows])
        return
    if not rows:
        put([f"no kernels in {', '.join(map(str, registry.folders))}; 'qualify kernel add --help' says how to add one"])
        return
    cells = [(r.label, r.release, r.version, r.size or "", r.schema, r.probed, "; ".join(r.notes)) for r in rows]
    put(table(cells, ["kernel", "release", "uname -r", "bytes", "in the schema", "probed", "notes"]))


def _show(
    name: NameArgument, kernels: KernelsOption = None, schema: SchemaOption = None, json_: JsonOption = False
) -> None:
    """Show one kernel: its image, the options that matter here, the release it is taken for, and the last probe.

    Examples: qualify kernel show 7.1.13; qualify kernel show mine --json
    """
    kernel = find_kernels(kernels).named(name)
    loaded = with_own([kernel], schema)
    if json_:
        print_json(kernel_plain(kernel, loaded))
    else:
        put(kernel_lines(kernel, loaded))


def _remove(name: NameArgument, kernels: KernelsOption = None, json_: JsonOption = False) -> None:
    """Remove a kernel that was added, without asking; folders that qualify did not make are left alone.

    Example: qualify kernel remove mine
    """
    kernel = find_kernels(kernels).named(name)
    remove_kernel(kernel, user_folder())
    if json_:
        print_json({"removed": kernel.label, "folder": str(kernel.folder)})
    else:
        put([f"removed {kernel.label}: {kernel.folder}"])


def _unknown_release(kernel: KernelFolder, schema: Schema) -> Iterator[str]:
    names = {alias for r in schema.releases for alias in (r.label, *r.aliases)}
    if kernel.release not in names:
        yield (
            f"the schema has no release '{kernel.release}', so nothing can be predicted about it; "
            f"{suggest_release(kernel.release, schema.releases)}. Remove it and add it again with --release LABEL if "
            "it is one of those, or with --schema FILE to describe it (docs/kernels.md)"
        )


def _not_searched(kernel: KernelFolder) -> Iterator[str]:
    folders, named_by = search_folders()
    if kernel.folder.parent.resolve() not in {f.resolve() for f in folders}:
        folder = shlex.quote(str(kernel.folder.parent))
        where = f"{named_by} names other folders" if named_by else "it is not the user's folder of kernels"
        yield f"{where}: say --kernels {folder} to other commands, or name it in QUALIFY_KERNELS"
