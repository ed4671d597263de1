# SPDX-License-Identifier: Apache-2.0
"""One kernel in its folder: the image, and what may stand beside it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

from pydantic import BaseModel, ConfigDict, Field, field_validator

from qualify.errors import InputError, Problem
from qualify.kernels.config import parse_config
from qualify.yamlfile import read, validate

__all__ = ["BTF", "CONFIG", "DESCRIPTION", "IMAGE", "NAME", "PROBE", "Description", "KernelFolder", "read_folder"]

IMAGE, CONFIG, BTF, DESCRIPTION, PROBE = "bzImage", "config", "vmlinux.btf", "kernel.yaml", "probe.json"

#: What a kernel or a release may be called: the pattern of labels in the schema.
NAME = r"^[A-Za-z0-9][\w.+~-]*$"


_DECIDED = ("kho", "liveupdate")  # appended, they would win over what a scenario says


class Description(BaseModel):
    """`kernel.yaml`: what cannot be read from the image. Everything may be left out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    release: str = Field(default="", pattern=NAME + "|^$")  # label in the schema; '' is the folder's name
    provenance: str = ""  # where the kernel comes from, in words
    append: str = ""  # more for its command line
    schema_: str = Field(default="", alias="schema")  # name of a schema file in the folder
    digest: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")  # SHA-256 of bzImage when it was added
    added: str = ""  # when `qualify kernel add` made the folder

    @field_validator("schema_")
    @classmethod
    def _in_the_folder(cls, value: str) -> str:
        if "/" in value or value in (".", ".."):
            raise ValueError("expected the name of a file in this folder, without a path")
        return value

    @field_validator("append")
    @classmethod
    def _one_line(cls, value: str) -> str:
        if not value.isprintable():
            raise ValueError("a kernel command line is one line of printable text")
        if taken := [word for word in value.split() if word.partition("=")[0] in _DECIDED]:
            raise ValueError(f"{taken[0]}: whether and how state is handed over is decided by each scenario, not here")
        return value


@dataclass(frozen=True)
class KernelFolder:
    """One kernel. `label` is the folder's name, `release` the label of what it is in the schema."""

    label: str
    folder: Path
    image: Path
    config: Path | None = None
    btf: Path | None = None
    release: str = ""
    append: str = ""
    provenance: str = ""
    schema: Path | None = None
    recorded_digest: str = ""  # of kernel.yaml; '' when nobody noted one
    made: bool = False  # by `qualify kernel add`

    @cached_property
    def digest(self) -> str:
        """Hex SHA-256 of the image as it is now; InputError when it cannot be read."""
        try:
            with self.image.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise InputError([Problem(str(self.image), 0, 0, f"cannot be read: {error.strerror}")]) from error

    @cached_property
    def config_options(self) -> Mapping[str, str]:
        """Option without ``CONFIG_`` -> value; empty without a config."""
        if self.config is None:
            return MappingProxyType({})
        try:
            return parse_config(self.config.read_text(encoding="utf-8", errors="replace"))
        except OSError as error:
            raise InputError([Problem(str(self.config), 0, 0, f"cannot be read: {error.strerror}")]) from error

    @property
    def changed(self) -> Problem | None:
        """What to tell when the image is not the one that was added."""
        if not self.recorded_digest or self.recorded_digest == self.digest:
            return None
        message = f"is not the image that was added: SHA-256 is {self.digest}, recorded was {self.recorded_digest}"
        hint = f"add it again under another name, or correct 'digest' in {self.folder / DESCRIPTION}"
        return Problem(str(self.image), 0, 0, message, hint)


def read_folder(folder: Path) -> KernelFolder | list[Problem] | None:
    """The kernel in a folder; None when it holds neither an image nor a description, problems when it is broken."""
    image, file = folder / IMAGE, folder / DESCRIPTION
    if not image.is_file():
        if not file.is_file():
            return None
        hint = f"put the kernel there, or remove the folder: {folder}"
        return [Problem(str(file), 0, 0, f"describes a kernel, but there is no {IMAGE} beside it", hint)]
    described = _described(file) if file.exists() else Description()
    if isinstance(described, list):
        return described
    schema = folder / described.schema_ if described.schema_ else None
    if schema is not None and not schema.is_file():
        document = read(file)
        text = f"'schema': no file '{schema.name}' in this folder"
        return [
            Problem(str(file), 0, 0, text) if isinstance(document, Problem) else document.problem(("schema",), text)
        ]
    return KernelFolder(
        label=folder.name,
        folder=folder,
        image=image,
        config=_there(folder / CONFIG),
        btf=_there(folder / BTF),
        release=described.release or folder.name,
        append=described.append,
        provenance=described.provenance,
        schema=schema,
        recorded_digest=described.digest,
        made=bool(described.added),
    )


def _described(file: Path) -> Description | list[Problem]:
    document = read(file)
    if isinstance(document, Problem):
        return [document]
    return validate(Description, document.data if document.data is not None else {}, document)


def _there(path: Path) -> Path | None:
    return path if path.is_file() else None
