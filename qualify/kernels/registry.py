# SPDX-License-Identifier: Apache-2.0
"""Which kernels there are: folders of kernels, one folder a kernel, searched in order."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from qualify.errors import InputError, Problem, UsageError
from qualify.kernels.folder import IMAGE, KernelFolder, read_folder
from qualify.yamlfile import suggest

__all__ = ["VARIABLE", "Registry", "find_kernels", "search_folders", "user_folder"]

#: The environment variable that names folders of kernels, separated as PATH is.
VARIABLE = "QUALIFY_KERNELS"


@dataclass(frozen=True)
class Registry:
    """The kernels that were found, those of the first folder first; of two with one label the first counts."""

    kernels: tuple[KernelFolder, ...]
    folders: tuple[Path, ...]

    def get(self, release_label: str) -> KernelFolder | None:
        """The kernel of that release; of several the one that is called like it, else the first."""
        found = [k for k in self.kernels if k.release == release_label]
        return next((k for k in found if k.label == release_label), found[0] if found else None)

    def named(self, label: str) -> KernelFolder:
        """The kernel in the folder of that name; UsageError with what there is."""
        for kernel in self.kernels:
            if kernel.label == label:
                return kernel
        where = ", ".join(map(str, self.folders))
        raise UsageError(f"no kernel '{label}' in {where}; {suggest(label, [k.label for k in self.kernels])}")


def user_folder() -> Path:
    """Where kernels are added, and looked for when nothing names another folder."""
    return platformdirs.user_data_path("qualify") / "kernels"


def search_folders(given: Sequence[Path] | None = None) -> tuple[tuple[Path, ...], str]:
    """(folders to search, what named them): those given, else those of QUALIFY_KERNELS, else the user's."""
    if given:
        return tuple(given), "--kernels"
    if named := os.environ.get(VARIABLE, "").strip():
        return tuple(Path(part).expanduser() for part in named.split(os.pathsep) if part.strip()), VARIABLE
    return (user_folder(),), ""


def find_kernels(folders: Sequence[Path] | None = None) -> Registry:
    """Every kernel below the folders given, else below those of `search_folders`.

    Folders below that hold no kernel are passed over. InputError with every mistake: a folder that was named and is not
    there, descriptions that do not load. The user's own folder need not be there.
    """
    searched, named_by = search_folders(folders)
    problems: list[Problem] = []
    kernels: dict[str, KernelFolder] = {}
    for folder in searched:
        for below in _below(folder, named_by, problems):
            found = read_folder(below)
            if isinstance(found, list):
                problems += found
            elif found is not None:
                kernels.setdefault(found.label, found)
    if problems:
        raise InputError(problems)
    return Registry(tuple(kernels.values()), searched)


def _below(folder: Path, named_by: str, problems: list[Problem]) -> list[Path]:
    """The folders in a folder that may hold a kernel each, in order of their names."""
    if (folder / IMAGE).is_file():
        hint = f"name the folder above it: {folder.absolute().parent}"
        problems.append(
            Problem(str(folder), 0, 0, f"is the folder of one kernel; {named_by} takes folders of those", hint)
        )
        return []
    try:
        return sorted(p for p in folder.iterdir() if not p.name.startswith(".") and p.is_dir())
    except FileNotFoundError:
        if named_by:
            hint = f"{named_by} names it; 'qualify kernel add --help' says how kernels get into such a folder"
            problems.append(Problem(str(folder), 0, 0, "no such folder of kernels", hint))
    except NotADirectoryError:
        problems.append(
            Problem(str(folder), 0, 0, f"is no folder; {named_by or 'it'} must be one with a folder a kernel")
        )
    except OSError as error:
        problems.append(Problem(str(folder), 0, 0, f"cannot be read: {error.strerror}"))
    return []
