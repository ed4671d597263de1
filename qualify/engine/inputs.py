# SPDX-License-Identifier: Apache-2.0
"""The input digest: equal means that running again could not tell anything new."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import qualify
from qualify.backends import Backend

__all__ = ["code_digest", "input_digest", "tool_version"]

#: What decides outcomes and predictions: layers, and the messages of errors, which end up in logs.
_DECIDING = ("backends", "compat", "errors.py", "judge", "machine", "model", "scenario", "schema", "wire")
#: Data that is told more exactly: a cell's input has its releases' fingerprints and its scenario's digest.
_TOLD = ("scenario/data", "schema/data")
_SUFFIXES = (".py", ".yaml")


def input_digest(source: str, target: str, scenario: str, backend: Backend, seed: int) -> str:
    """Over both fingerprints, the scenario's digest, the backend, the seed, and the code that decides outcomes."""
    version = str(getattr(backend, "version", ""))
    parts = (source, target, scenario, backend.name, version, code_digest(), str(seed))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


@cache
def code_digest() -> str:
    """Over what decides, code and data such as the rules: while it is worked on, a version number says too little."""
    root = Path(qualify.__file__).parent
    digest = hashlib.sha256(qualify.__version__.encode())
    for file in _deciding(root):
        digest.update(file.relative_to(root).as_posix().encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _deciding(root: Path) -> Iterator[Path]:
    told = {root / folder for folder in _TOLD}
    for name in _DECIDING:
        found = [root / name] if name.endswith(".py") else (root / name).rglob("*")
        yield from sorted(f for f in found if f.suffix in _SUFFIXES and f.is_file() and told.isdisjoint(f.parents))


def tool_version() -> str:
    """As recorded with every run: ``0.1.0+1a2b3c4d5e6f``."""
    return f"{qualify.__version__}+{code_digest()[:12]}"
