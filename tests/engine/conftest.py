# SPDX-License-Identifier: Apache-2.0
"""Backends that misbehave on purpose, and a small matrix over the shipped schema to run them on."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from qualify.backends import Backend, CellInput
from qualify.engine import Plan, plan
from qualify.errors import UsageError
from qualify.matrix import Matrix
from qualify.model import Evidence, Interface, MachineObservation, ObjectObservation, Reply
from qualify.scenario import Scenario
from qualify.schema import Schema, load
from qualify.store import Store, open_store


@dataclass
class Trouble:
    """A backend that writes down every run and does what its rules say: {(source, target): what}.

    What: raise, exit, kill, hang, stuck (hangs in native code), memory, nonsense, files, swallow.
    """

    notes: Path
    rules: dict[tuple[str, str], str]
    shareable: bool = True
    name: str = "trouble"
    version: str = "1"
    evidence: Evidence = Evidence.VM
    pause: float = 0.0

    def run(self, cell: CellInput, workdir: Path) -> MachineObservation:
        source, target = cell.source.label, cell.target.label
        with self.notes.open("a") as notes:
            notes.write(f"{source} {target} {cell.scenario.id} {cell.seed} {os.getpid()}\n")
        time.sleep(self.pause)
        rule = self.rules.get((source, target), "")
        if rule == "raise":
            raise RuntimeError("the bench is on fire")
        if rule == "exit":
            raise SystemExit(3)
        if rule == "kill":
            os.kill(os.getpid(), 9)
        if rule == "hang":
            time.sleep(3600)
        if rule == "swallow":
            _deaf()
        if rule == "stuck":
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
            ctypes.PyDLL(None).sleep(3600)  # holds the interpreter's lock: no Python code can run
        if rule == "memory":
            raise MemoryError
        if rule == "nonsense":
            return None  # type: ignore[return-value]
        if rule == "files":
            (workdir / "deep").mkdir()
            (workdir / "deep" / "console.log").write_text(f"{source} to {target}")
            (workdir / "empty").touch()
        objects = (ObjectObservation("reserve_mem/r", "reserve-mem", Interface.RESERVE_MEM, Reply.GIVEN),)
        return MachineObservation(objects, counters={"cells": 1})

    @property
    def runs(self) -> list[list[str]]:
        """The words of every run so far."""
        return [line.split() for line in self.notes.read_text().splitlines()] if self.notes.exists() else []


def _deaf() -> None:
    """Code that takes every error for its own."""
    while True:
        try:
            time.sleep(3600)
        except Exception:  # pragma: no cover
            continue


@pytest.fixture(scope="session")
def schema() -> Schema:
    return load()


@pytest.fixture(scope="session")
def library() -> dict[str, Scenario]:
    """Two scenarios of one region each."""
    region = {"kind": "reserve-mem", "name": "r", "size": "64KiB", "at": "0x30000000"}
    plain = [
        {"id": name, "title": "t", "purpose": "p", "objects": [region], "seed": n}
        for n, name in enumerate(("one", "two"))
    ]
    return {p["id"]: Scenario.model_validate(p) for p in plain}  # type: ignore[misc]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "a.sqlite") as opened:
        yield opened


@pytest.fixture
def trouble(tmp_path: Path) -> Trouble:
    return Trouble(tmp_path / "notes", {})


Planner = Callable[..., Plan]


@pytest.fixture
def planner(schema: Schema, library: dict[str, Scenario]) -> Planner:
    """Plans a matrix over the given backend."""

    def _plan(backend: Backend, *, seed: int | None = None, matrix_seed: int | None = None, **changes: Any) -> Plan:
        plain = {
            "seed": matrix_seed,
            "name": "m",
            "title": "M",
            "scenarios": ["one"],
            "backends": [backend.name],
            **changes,
        }
        return plan(Matrix.model_validate(plain), schema, library, seed=seed, registry=_registry(backend))

    return _plan


def _registry(backend: Backend) -> Callable[[str], Backend]:
    def lookup(name: str) -> Backend:
        if name != backend.name:
            raise UsageError(f"there is no backend '{name}'")
        return backend

    return lookup
