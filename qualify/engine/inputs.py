# SPDX-License-Identifier: Apache-2.0
"""The input digest: equal means that running again could not tell anything new."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import qualify
from qualify.backends import Backend, BootingBackend, CellInput
from qualify.matrix import Cell
from qualify.scenario import Scenario
from qualify.schema import Schema

__all__ = ["Inputs", "code_digest", "input_digest", "tool_version"]

#: What decides outcomes and predictions: layers, and the messages of errors, which end up in logs.
_DECIDING = ("backends", "compat", "errors.py", "judge", "machine", "model", "scenario", "schema", "wire")
#: The same for backends that boot machines: what runs in these, and what they are. Beside Python there is C.
_BOOTING = ("agent", "kernels")
#: Data that is told more exactly: a cell's input has its releases' fingerprints and its scenario's digest.
_TOLD = ("scenario/data", "schema/data")
_SUFFIXES = (".py", ".yaml")
_BOOTING_SUFFIXES = (*_SUFFIXES, ".c", ".h")


class Inputs:
    """The input digests of cells, as schema, scenarios and tool are now. Each distinct one is computed once."""

    def __init__(self, schema: Schema, library: Mapping[str, Scenario], backend: Callable[[str], Backend]) -> None:
        self._schema = schema
        self._library = library
        self._backend = backend
        self._known: dict[tuple[object, ...], str] = {}
        self._code: dict[str, str] = {}  # by backend; asking what kind one is takes its time

    def digest(self, cell: Cell, seed: int | None) -> str:
        """The digest of one cell; without a seed the scenario's own counts."""
        schema, scenario, backend = self._schema, self._library[cell.scenario], self._backend(cell.backend)
        source, target = schema.release(cell.source), schema.release(cell.target)
        chosen = scenario.seed if seed is None else seed
        more = _more(backend, CellInput(schema, source, target, scenario, chosen))
        key = (schema.fingerprint(source), schema.fingerprint(target), scenario.digest, cell.backend, chosen, more)
        if (found := self._known.get(key)) is None:
            if (code := self._code.get(cell.backend)) is None:
                code = self._code[cell.backend] = _code_for(backend)
            found = self._known[key] = input_digest(*key[:3], backend, chosen, more, code=code)
        return found


def _more(backend: Backend, cell: CellInput) -> tuple[str, ...]:
    inputs = getattr(backend, "inputs", None)
    return () if inputs is None else tuple(inputs(cell))


def _code_for(backend: Backend) -> str:
    return code_digest(booting=isinstance(backend, BootingBackend))


def input_digest(
    source: str,
    target: str,
    scenario: str,
    backend: Backend,
    seed: int,
    more: Sequence[str] = (),
    *,
    code: str | None = None,
) -> str:
    """Over both fingerprints, the scenario's digest, the backend, the seed, what decides outcomes, and `more`.

    `code`: the digest of what decides for such a backend, where it is known.
    """
    version = str(getattr(backend, "version", ""))
    parts = (source, target, scenario, backend.name, version, code or _code_for(backend), str(seed), *more)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


@cache
def code_digest(*, booting: bool = False) -> str:
    """Over what decides, code and data such as the rules: while it is worked on, a version number says too little.

    What decides for backends that boot machines is more, and a change of that leaves the results of others current.
    """
    root = Path(qualify.__file__).parent
    digest = hashlib.sha256(qualify.__version__.encode())
    for file in _deciding(root, booting):
        digest.update(file.relative_to(root).as_posix().encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _deciding(root: Path, booting: bool) -> Iterator[Path]:
    told = {root / folder for folder in _TOLD}
    more = _BOOTING if booting else ()
    layers = (*((name, _SUFFIXES) for name in _DECIDING), *((name, _BOOTING_SUFFIXES) for name in more))
    for name, suffixes in layers:
        found = [root / name] if name.endswith(".py") else (root / name).rglob("*")
        yield from sorted(f for f in found if f.suffix in suffixes and f.is_file() and told.isdisjoint(f.parents))


def tool_version() -> str:
    """As recorded with every run, over whatever decides in any: ``0.1.0+1a2b3c4d5e6f``."""
    return f"{qualify.__version__}+{code_digest(booting=True)[:12]}"
