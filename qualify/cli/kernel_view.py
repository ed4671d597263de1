# SPDX-License-Identifier: Apache-2.0
"""How kernels are shown: as rows of a list, as lines, as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from qualify.errors import InputError
from qualify.kernels import BzImage, KernelFolder, read_image
from qualify.kernels.fragment import read_fragment, unmet
from qualify.kernels.match import component_options, config_differences
from qualify.kernels.probes import read_probe
from qualify.schema import Release, Schema

__all__ = ["KernelRow", "kernel_lines", "kernel_plain", "kernel_row", "row_plain"]


@dataclass(frozen=True)
class KernelRow:
    """One kernel in a list."""

    label: str
    release: str
    version: str  # uname -r, '' when the image cannot be read
    size: int  # of the image in bytes, 0 when it cannot be read
    schema: str  # "yes", "no"
    probed: str  # when, '' never
    notes: tuple[str, ...]
    folder: str


def kernel_row(kernel: KernelFolder, schema: Schema) -> KernelRow:
    """One kernel as a row; what is wrong with it stands in the row and hides no other."""
    image, notes = _image(kernel)
    release = _release(kernel, schema)
    if release is not None:
        count = len(config_differences(schema, release, kernel.config_options))
        notes += [f"its config differs from the release in {count}"] if count else []
    return KernelRow(
        label=kernel.label,
        release=kernel.release,
        version=image.release if image is not None else "",
        size=image.size if image is not None else 0,
        schema="yes" if release is not None else "no",
        probed=str((read_probe(kernel) or {}).get("date", "")),
        notes=tuple(notes),
        folder=str(kernel.folder),
    )


def row_plain(row: KernelRow) -> dict[str, Any]:
    """A row for programs."""
    return {**asdict(row), "schema": row.schema == "yes", "notes": list(row.notes)}


def kernel_plain(kernel: KernelFolder, schema: Schema) -> dict[str, Any]:
    """Everything that is known of one kernel, for programs."""
    image, notes = _image(kernel)
    release = _release(kernel, schema)
    differences = config_differences(schema, release, kernel.config_options) if release is not None else ()
    return {
        "label": kernel.label,
        "release": kernel.release,
        "folder": str(kernel.folder),
        "image": {
            "path": str(kernel.image),
            "size": image.size if image is not None else None,
            "sha256": kernel.digest,
            "version": image.version if image is not None else None,
            "arch": image.arch if image is not None else None,
            "protocol": ".".join(map(str, image.protocol)) if image is not None else None,
            "relocatable": image.relocatable if image is not None else None,
            "init_size": image.init_size if image is not None else None,
        },
        "config": dict(_options(kernel, schema)) if kernel.config is not None else None,
        "btf": str(kernel.btf) if kernel.btf is not None else None,
        "append": kernel.append,
        "provenance": kernel.provenance,
        "schema": str(kernel.schema) if kernel.schema is not None else None,
        "matched": {"label": release.label, "fingerprint": schema.fingerprint(release)}
        if release is not None
        else None,
        "differences": [asdict(d) for d in differences],
        "probe": read_probe(kernel),
        "notes": notes,
    }


def kernel_lines(kernel: KernelFolder, schema: Schema) -> Iterator[str]:
    """The same for people."""
    image, notes = _image(kernel)
    yield f"{kernel.label}: {image.version if image is not None else 'its image cannot be read'}"
    yield f"  folder: {kernel.folder}"
    if image is not None:
        protocol = f"{image.protocol[0]}.{image.protocol[1]}"
        movable = "relocatable" if image.relocatable else "not relocatable"
        yield f"  image: {image.size} bytes, {image.arch}, boot protocol {protocol}, {movable}"
        yield f"  memory: {image.init_size} bytes until it has unpacked itself"
        yield f"  SHA-256: {kernel.digest}"
    yield from (f"  {name}: {text}" for name, text in (("from", kernel.provenance), ("append", kernel.append)) if text)
    release = _release(kernel, schema)
    if release is None:
        yield f"  release: {kernel.release}, which the schema does not have ('qualify schema list' shows what it has)"
    else:
        yield f"  release: {release.label}, fingerprint {schema.fingerprint(release)}"
        for difference in config_differences(schema, release, kernel.config_options):
            yield f"    differs: {difference}"
    if kernel.config is None:
        yield "  config: none beside the image"
    else:
        of_components = component_options(schema).values()
        yield "  config: " + " ".join(f"{o}={_options(kernel, schema)[o]}" for o in of_components)
        other = unmet(read_fragment(), kernel.config_options)
        yield "  other than our fragment: " + (" ".join(f"{u.option}={u.got}" for u in other) or "nothing")
    yield f"  BTF: {kernel.btf or 'none'}"
    yield from _probe_lines(kernel)
    yield from (f"note: {note}" for note in notes)


def _probe_lines(kernel: KernelFolder) -> Iterator[str]:
    probe = read_probe(kernel)
    if probe is None:
        yield "  probe: never"
        return
    matches = ", ".join(probe.get("matches", ())) or "nothing"
    yield f"  probe: {probe.get('date', 'at an unknown time')}, matches {matches}"
    if probe.get("image") not in (None, kernel.digest):
        yield "    of another image than the one that is there now"
    for difference in probe.get("differences", ()):
        yield f"    differs: {difference.get('component')}: {difference.get('what')}: expected " \
              f"{difference.get('expected')}, seen {difference.get('seen')}"  # fmt: skip


def _image(kernel: KernelFolder) -> tuple[BzImage | None, list[str]]:
    """(header, what to tell about the image)."""
    try:
        image = read_image(kernel.image)
        changed = kernel.changed
    except InputError as error:
        return None, [p.message for p in error.problems]
    return image, [*([f"{changed.message}; {changed.hint}"] if changed is not None else []), *image.limits]


def _release(kernel: KernelFolder, schema: Schema) -> Release | None:
    return next((r for r in schema.releases if kernel.release in (r.label, *r.aliases)), None)


def _options(kernel: KernelFolder, schema: Schema) -> Mapping[str, str]:
    """The options that matter here, with what the kernel has; '-' for those that its config does not name."""
    wanted = dict.fromkeys([*component_options(schema).values(), *read_fragment()])
    return {option: kernel.config_options.get(option, "-") for option in wanted}
