# SPDX-License-Identifier: Apache-2.0
"""Kernels into a folder of kernels and out of it again: whole or not at all, and nothing outside is ever touched."""

from __future__ import annotations

import datetime
import hashlib
import io
import os
import re
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from ruamel.yaml import YAML

from qualify.errors import InputError, Problem, Problems, UsageError
from qualify.kernels.config import parse_config
from qualify.kernels.folder import BTF, CONFIG, DESCRIPTION, IMAGE, NAME, Description, KernelFolder, read_folder
from qualify.kernels.image import BzImage, read_image
from qualify.schema import Schema, load
from qualify.yamlfile import Document, read, validate

__all__ = ["Parts", "add_kernel", "parts_of", "remove_kernel"]

_SPDX = "# SPDX-License-Identifier: Apache-2.0\n"
_BTF_MAGIC = (b"\x9f\xeb", b"\xeb\x9f")  # BTF_MAGIC of include/uapi/linux/btf.h, 7.1.13, in either byte order
_ENOUGH = 4096


@dataclass(frozen=True)
class Parts:
    """What makes up a kernel before it is added. `name` and `release` may be '' and are then found out."""

    image: Path
    config: Path | None = None
    btf: Path | None = None
    schema: Path | None = None
    name: str = ""
    release: str = ""
    append: str = ""
    provenance: str = ""


def parts_of(path: Path) -> Parts:
    """An image by itself, or what a folder with a bzImage holds; InputError when there is no image."""
    if not path.is_dir():
        return Parts(path)
    found = read_folder(path)
    if isinstance(found, list):
        raise InputError(found)
    if found is None:
        built = path / "arch" / "x86" / "boot" / IMAGE
        if built.is_file():  # a build tree
            config = path / ".config"
            return Parts(built, config if config.is_file() else None)
        hint = f"give an image, a folder with a {IMAGE}, or a tree in which one was built"
        raise InputError([Problem(str(path), 0, 0, f"holds no {IMAGE}", hint)])
    release = found.release if found.release != found.label else ""
    return Parts(found.image, found.config, found.btf, found.schema, found.label, release, found.append,
                 found.provenance)  # fmt: skip


def add_kernel(parts: Parts, into: Path) -> tuple[KernelFolder, BzImage, Schema]:
    """Copy a kernel into a folder of kernels; everything is checked first, and it appears there whole or not at all.

    Returns it with its image's header and the schema that holds its own file too. InputError with every mistake.
    """
    problems = Problems()
    image = problems.take(lambda: read_image(parts.image))
    name = parts.name or (image.release if image is not None else "")
    problems.add(_wrong_names(name, parts.release, image is not None or bool(parts.name)))
    if (into / name).exists() and name:
        hint = f"give another --name, or 'qualify kernel remove {name}' first"
        problems.add([Problem("", 0, 0, f"there is a kernel '{name}' in {into} already", hint)])
    problems.add(_wrong_files(parts))
    problems.take(lambda: _description(parts))
    schema = problems.take(lambda: load([parts.schema] if parts.schema is not None else ()))
    if schema is not None and parts.release:
        release = next((r.label for r in schema.releases if parts.release in (r.label, *r.aliases)), parts.release)
        parts = replace(parts, release=release)
    problems.check()
    assert image is not None
    assert schema is not None
    return _placed(parts, into, name), image, schema


def remove_kernel(kernel: KernelFolder, user: Path) -> None:
    """Remove a kernel's folder. UsageError for one that qualify did not make, outside the `user`'s folder of kernels.

    Of a link to a folder the link goes and the folder stays.
    """
    folder = kernel.folder
    mine = folder.parent.resolve() == user.resolve()
    if not mine and not kernel.made:
        raise UsageError(f"{folder} was not made by 'qualify kernel add' and is not in {user}; remove it yourself")
    try:
        if folder.is_symlink():
            folder.unlink()
            return
        going = Path(tempfile.mkdtemp(prefix=".removing-", dir=folder.parent))
        folder.rename(going / folder.name)  # gone at once, however long the rest takes
        shutil.rmtree(going)
    except OSError as error:
        raise UsageError(f"cannot remove {folder}: {error.strerror}") from error


def _placed(parts: Parts, into: Path, name: str) -> KernelFolder:
    unfinished: Path | None = None
    try:
        into.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=".adding-", dir=into))
        unfinished.chmod(0o755)
        for source, target in ((parts.image, IMAGE), (parts.config, CONFIG), (parts.btf, BTF)):
            if source is not None:
                shutil.copyfile(source, unfinished / target)
        if parts.schema is not None:
            shutil.copyfile(parts.schema, unfinished / parts.schema.name)
        with (unfinished / IMAGE).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            os.fsync(file.fileno())
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        text = _yaml(_description(parts).model_copy(update={"digest": digest, "added": now}))
        (unfinished / DESCRIPTION).write_text(text, encoding="utf-8")
        unfinished.rename(into / name)
    except OSError as error:
        raise UsageError(f"cannot add to {into}: {error.strerror or error}") from error
    finally:
        if unfinished is not None and unfinished.exists():
            shutil.rmtree(unfinished)
    found = read_folder(into / name)
    assert isinstance(found, KernelFolder), found
    return found


def _description(parts: Parts) -> Description:
    """What kernel.yaml says; InputError in the words of the options."""
    data = {
        "release": parts.release,
        "provenance": parts.provenance,
        "append": parts.append,
        "schema": parts.schema.name if parts.schema is not None else "",
    }
    found = validate(Description, {k: v for k, v in data.items() if v}, Document("", {}, ""))
    if isinstance(found, list):
        raise InputError([Problem("", 0, 0, f"{p.message}", p.hint) for p in found])
    return found


def _yaml(description: Description) -> str:
    out = io.StringIO()
    yaml = YAML()
    yaml.width = 120
    yaml.dump({k: v for k, v in description.model_dump(by_alias=True).items() if v}, out)
    return _SPDX + out.getvalue()


def _wrong_names(name: str, release: str, known: bool) -> list[Problem]:
    hint = "letters, digits and . _ + ~ -, the first a letter or digit"
    found = [("--name", name)] if known else []
    found += [("--release", release)] if release else []
    return [Problem("", 0, 0, f"{option} '{v}' cannot be a name", hint) for option, v in found if not re.match(NAME, v)]


def _wrong_files(parts: Parts) -> list[Problem]:
    """Files beside the image that are not what they are given as."""
    found = []
    if parts.config is not None:
        text = _start(parts.config)
        if isinstance(text, Problem):
            found.append(text)
        elif not parse_config(parts.config.read_text(encoding="utf-8", errors="replace")):
            hint = "give the .config of the build; /proc/config.gz must be unpacked first"
            found.append(Problem(str(parts.config), 0, 0, "is not a kernel configuration: it sets no option", hint))
    if parts.btf is not None:
        text = _start(parts.btf)
        if isinstance(text, Problem):
            found.append(text)
        elif text[:2] not in _BTF_MAGIC:
            hint = "take it out of vmlinux: objcopy -O binary --only-section=.BTF vmlinux vmlinux.btf"
            found.append(Problem(str(parts.btf), 0, 0, "is not BTF", hint))
    if parts.schema is not None:
        document = read(parts.schema)
        if isinstance(document, Problem):
            found.append(document)
        elif parts.schema.name in (IMAGE, CONFIG, BTF, DESCRIPTION):
            text_ = f"is called like another file of a kernel's folder: {parts.schema.name}"
            found.append(Problem(str(parts.schema), 0, 0, text_, "call it schema.yaml"))
    return found


def _start(path: Path) -> bytes | Problem:
    try:
        with path.open("rb") as file:
            return file.read(_ENOUGH)
    except OSError as error:
        return Problem(str(path), 0, 0, f"cannot be read: {error.strerror}")
