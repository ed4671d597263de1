# SPDX-License-Identifier: Apache-2.0
"""The initramfs of each boot. The target's lies within the source's, beside the target's kernel."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

from qualify.agent import Entry, agent_binary, render, write_newc
from qualify.backends.qemu.projection import INITRD, KERNEL, Asked

__all__ = ["source_initrd", "target_initrd"]

_FAST = 1  # of gzip's levels


def source_initrd(asked: Asked, target_kernel: Path, folder: Path) -> Path:
    """What the source boots with; `folder` is empty."""
    inner = target_initrd(asked, folder / "target-initrd")
    if asked.padded_initrd > inner.stat().st_size:
        os.truncate(inner, asked.padded_initrd)  # zeros between archives and after them mean nothing
    outer = folder / "source-initrd"
    entries = [*_own(asked), Entry(KERNEL, data=target_kernel), Entry(INITRD, data=inner)]
    with outer.open("wb") as file:
        write_newc(entries, file)
    return outer


def target_initrd(asked: Asked, path: Path) -> Path:
    """What the target boots with, whoever starts it. Compressed: kexec hashes all of it twice, which costs far more."""
    with path.open("wb") as file, gzip.GzipFile("", "wb", _FAST, file, mtime=0) as packed:
        packed.write(write_newc(_own(asked)))
    return path


def _own(asked: Asked) -> list[Entry]:
    return [Entry("init", 0o755, agent_binary()), Entry("plan", data=render(asked.plan).encode())]
