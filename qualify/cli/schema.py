# SPDX-License-Identifier: Apache-2.0
"""`qualify schema list|show|diff|jsonschema`: what each release writes, reads, requires and does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from tabulate import tabulate

from qualify.cli.editor import EDITOR_SCHEMAS, editor_schema
from qualify.cli.options import JsonOption, SchemaOption
from qualify.cli.output import print_json
from qualify.cli.style import put, table
from qualify.errors import UsageError
from qualify.schema import Format, Release, Schema, load, suggest_release
from qualify.schema.diff import Difference, diff_formats, diff_releases
from qualify.yamlfile import suggest

__all__ = ["register"]

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="A release (label or alias) or a format.")]
OldArgument = Annotated[str, typer.Argument(metavar="OLD", help="A release (label or alias) or a format.")]
NewArgument = Annotated[str, typer.Argument(metavar="NEW", help="Another one of the same kind.")]
KindArgument = Annotated[str | None, typer.Argument(metavar="[KIND]", help="matrix, policy, scenario or schema.")]
DirOption = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="DIR", help="Write KIND.json files here.", show_default=False)
]


def register(app: typer.Typer) -> None:
    """Add the group to the application."""
    group = typer.Typer(no_args_is_help=True, help="Show what releases write, read, require and do.")
    group.command("list")(_list)
    group.command("show")(_show)
    group.command("diff")(_diff)
    group.command("jsonschema")(_jsonschema)
    app.add_typer(group, name="schema")


def _list(schema: SchemaOption = None, json_: JsonOption = False) -> None:
    """List the releases with what they write; equal fingerprints behave alike.

    Examples: qualify schema list; qualify schema list --schema mine.yaml
    """
    loaded = load(schema or ())
    if json_:
        print_json([_release_summary(loaded, r) for r in loaded.releases])
        return
    rows = [
        (r.label, ", ".join(r.aliases), loaded.fingerprint(r)[:12], r.provenance.kind.value, ", ".join(_written(r)))
        for r in loaded.releases
    ]
    put(table(rows, ["release", "aliases", "fingerprint", "known by", "writes"]))


def _show(name: NameArgument, schema: SchemaOption = None, json_: JsonOption = False) -> None:
    """Show one release with its components, or one format with its layout.

    Examples: qualify schema show 7.1.13; qualify schema show memfd-v2
    """
    loaded = load(schema or ())
    thing = _named(loaded, name)
    if json_:
        plain = thing.model_dump(mode="json", exclude_none=True)
        extra = {"fingerprint": loaded.fingerprint(thing)} if isinstance(thing, Release) else _layouts(loaded, thing)
        print_json(plain | extra)
        return
    put(_release_lines(loaded, thing) if isinstance(thing, Release) else _format_lines(loaded, thing))


def _diff(old: OldArgument, new: NewArgument, schema: SchemaOption = None, json_: JsonOption = False) -> None:
    """Show what differs between two releases, or between two formats, field by field.

    Examples: qualify schema diff 6.19 7.0; qualify schema diff memfd-v1 memfd-v2
    """
    loaded = load(schema or ())
    one, other = _named(loaded, old), _named(loaded, new)
    if isinstance(one, Release) and isinstance(other, Release):
        found: Sequence[Difference] = diff_releases(loaded, one, other)
    elif isinstance(one, Format) and isinstance(other, Format):
        found = diff_formats(loaded, one, other)
    else:
        raise UsageError(f"'{old}' and '{new}' are not of one kind; give two releases or two formats")
    if json_:
        print_json([_difference(d) for d in found])
        return
    put(_diff_lines(found))
    if not found:
        print(f"no difference: {old} and {new} write, read, require and do the same")


def _jsonschema(kind: KindArgument = None, output: DirOption = None, json_: JsonOption = False) -> None:
    """Print the JSON Schema of one kind of file, or write those of all kinds for editors.

    Examples: qualify schema jsonschema matrix; qualify schema jsonschema --output docs/jsonschema
    """
    if kind is not None and kind not in EDITOR_SCHEMAS:
        raise UsageError(f"no kind of file '{kind}'; {suggest(kind, EDITOR_SCHEMAS)}")
    kinds = [kind] if kind is not None else sorted(EDITOR_SCHEMAS)
    if output is None:
        if kind is None:
            raise UsageError(f"name a kind of file ({', '.join(kinds)}), or a folder for all of them with --output")
        print(editor_schema(kind), end="")
        return
    paths = [output / f"{name}.json" for name in kinds]
    try:
        output.mkdir(parents=True, exist_ok=True)
        for name, path in zip(kinds, paths, strict=True):
            path.write_text(editor_schema(name), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write to {output}: {error.strerror}") from error
    if json_:
        print_json([str(p) for p in paths])
    else:
        print("\n".join(str(p) for p in paths))


def _named(schema: Schema, name: str) -> Release | Format:
    if name in schema.formats:
        return schema.formats[name]
    releases = {alias for r in schema.releases for alias in (r.label, *r.aliases)}
    if name not in releases:
        versioned = name[:1].isdigit()
        hint = suggest_release(name, schema.releases) if versioned else suggest(name, [*releases, *schema.formats])
        raise UsageError(f"no release and no format '{name}'; {hint}")
    return schema.release(name)


def _written(release: Release) -> list[str]:
    return [spec.writes for spec in release.components.values() if spec.writes]


def _release_summary(schema: Schema, release: Release) -> dict[str, Any]:
    return {
        "label": release.label,
        "aliases": list(release.aliases),
        "version": release.version,
        "arch": release.arch,
        "page_size": release.page_size,
        "fingerprint": schema.fingerprint(release),
        "provenance": release.provenance.kind.value,
        "writes": {name: spec.writes for name, spec in release.components.items() if spec.writes},
    }


def _release_lines(schema: Schema, release: Release) -> Iterator[str]:
    names = f" (also {', '.join(release.aliases)})" if release.aliases else ""
    yield f"{release.label}{names}: {release.text}"
    yield f"  {release.arch}, {release.page_size}-byte pages, {release.endian} endian"
    yield f"  fingerprint {schema.fingerprint(release)}"
    yield f"  known by: {release.provenance}"
    if release.config:
        yield "  config: " + ", ".join(f"{k}={v}" for k, v in sorted(release.config.items()))
    for name, spec in release.components.items():
        yield ""
        yield f"{name}: writes {spec.writes or 'nothing'}, reads {', '.join(spec.reads) or 'nothing'}"
        if spec.requires:
            yield f"  requires {', '.join(spec.requires)}"
        rows = [(f"on {condition.value}", reaction.value) for condition, reaction in sorted(spec.on.items())]
        rows += [(f"trait {t}", _plain(schema.trait(release, name, t))) for t in schema.components[name].traits]
        for key, value in rows:
            yield f"  {key}: {value}"
        yield f"  known by: {spec.provenance}"


def _format_lines(schema: Schema, form: Format) -> Iterator[str]:
    yield f"{form.id}: {form.component}" + (f", {form.text}" if form.text else "")
    string = f"compatible '{form.compatible}'" if form.compatible else ""
    string = string or (f"versioned by the string of {form.versioned_by}" if form.versioned_by else "")
    version = f"version {form.version.field} = {form.version.value}" if form.version else ""
    yield f"  {', '.join(part for part in (string, version) if part)}"
    yield f"  known by: {form.provenance}"
    for key in ("carried", "dropped", "not_carried"):
        if names := getattr(form, key):
            yield f"  {key.replace('_', ' ')}: {', '.join(names)}"
    # a difference from nothing is the whole format, in the same words as `schema diff`
    blank = Format(id="nothing", component=form.component, carrier=form.carrier, provenance=form.provenance)
    for kind, items in _grouped(diff_formats(schema, blank, form)).items():
        if kind in ("node", "map", "limit", "constant"):
            yield f"  {kind}:"
            yield from (f"    {d.where}: {d.after}" for d in items)
    for layout in _layouts(schema, form)["layouts"].values():
        yield f"  struct {layout['name']}, {layout['size']} bytes{', packed' if layout['packed'] else ''}:"
        rows = [(m["offset"], m["type"], m["name"]) for m in layout["members"]]
        yield from (f"    {line}" for line in tabulate(rows, tablefmt="plain").splitlines())


def _layouts(schema: Schema, form: Format) -> dict[str, Any]:
    found = {}
    for name in sorted(schema.resolved(form.id)["layouts"]):
        struct = schema.structs[name]
        members = [
            {
                "name": f.name,
                "type": (f"{f.type}[{f.count}]" if f.count else f.type) + (f":{f.bits[1]}" if f.bits else ""),
                "offset": f.offset,
            }
            for f in schema.flat(name)
        ]
        found[name] = {"name": struct.name, "size": struct.size, "packed": struct.packed, "members": members}
    return {"layouts": found}


def _difference(difference: Difference) -> dict[str, Any]:
    return {
        "component": difference.component or None,
        "kind": difference.kind.value,
        "on_the_wire": difference.kind.on_the_wire,
        "where": difference.where,
        "before": difference.before or None,
        "after": difference.after or None,
    }


def _diff_lines(found: Sequence[Difference]) -> Iterator[str]:
    component: str | None = None
    for difference in found:
        if difference.component != component:
            component = difference.component
            yield component or "machine and configuration"
        mark = "!" if difference.kind.on_the_wire else " "
        yield f" {mark} {difference.kind.value:<11} {difference}"
    if any(d.kind.on_the_wire for d in found):
        yield "! marks what changes the bytes themselves"


def _grouped(found: Sequence[Difference]) -> dict[str, list[Difference]]:
    groups: dict[str, list[Difference]] = {}
    for difference in found:
        groups.setdefault(difference.kind.value, []).append(difference)
    return groups


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
