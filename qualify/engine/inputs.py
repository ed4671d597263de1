# SPDX-License-Identifier: Apache-2.0
"""The input digest: equal means that running again could not tell anything new."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import qualify
from qualify.backends import Backend

__all__ = ["code_digest", "input_digest", "tool_version"]

#: The layers whose code decides outcomes and predictions.
_DECIDING = ("backends", "compat", "judge", "machine", "model", "scenario", "schema", "wire")


def input_digest(source: str, target: str, scenario: str, backend: Backend, seed: int) -> str:
    """Over both fingerprints, the scenario's digest, the backend, the seed, and the code that decides outcomes."""
    version = str(getattr(backend, "version", ""))
    parts = (source, target, scenario, backend.name, version, code_digest(), str(seed))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


@cache
def code_digest() -> str:
    """Over the code of the deciding layers: while it is being worked on, a version number says too little."""
    root = Path(qualify.__file__).parent
    digest = hashlib.sha256(qualify.__version__.encode())
    for layer in _DECIDING:
        for file in sorted((root / layer).rglob("*.py")):
            digest.update(file.relative_to(root).as_posix().encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()


def tool_version() -> str:
    """As recorded with every run: ``0.1.0+1a2b3c4d5e6f``."""
    return f"{qualify.__version__}+{code_digest()[:12]}"
