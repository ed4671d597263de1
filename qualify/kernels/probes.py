# SPDX-License-Identifier: Apache-2.0
"""What probes found, kept: in the kernel's folder where that is ours to write in, else in the user's data folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import platformdirs

from qualify.errors import UsageError
from qualify.kernels.folder import PROBE, KernelFolder
from qualify.kernels.registry import user_folder

__all__ = ["probe_path", "read_probe", "save_probe"]


def probe_path(kernel: KernelFolder) -> Path:
    """Where a kernel's probe is kept. Folders that others made are never written to."""
    if kernel.made or kernel.folder.parent.resolve() == user_folder().resolve():
        return kernel.folder / PROBE
    return platformdirs.user_data_path("qualify") / "probes" / f"{kernel.digest}.json"


def read_probe(kernel: KernelFolder) -> dict[str, Any] | None:
    """The last probe, also one that came along with the folder; None when there was none, or it cannot be read."""
    for path in (probe_path(kernel), kernel.folder / PROBE):
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(found, dict):
            return found
    return None


def save_probe(kernel: KernelFolder, found: dict[str, Any]) -> Path:
    """Keep what a probe found, whole or not at all; UsageError when it cannot be written."""
    path = probe_path(kernel)
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            unfinished.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
    return path
