# SPDX-License-Identifier: Apache-2.0
"""The schema as a kernel is judged by it: what ships, what the user names, and what stands in the kernel's folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qualify.kernels import KernelFolder
from qualify.schema import Schema, load

__all__ = ["with_own"]


def with_own(kernels: Sequence[KernelFolder], schema: Sequence[Path] | None) -> Schema:
    """The schema with those files, each read once; SchemaError with every mistake."""
    paths = [*(schema or ()), *(k.schema for k in kernels if k.schema is not None)]
    return load(list({p.resolve(): p for p in paths}.values()))
