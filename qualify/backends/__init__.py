# SPDX-License-Identifier: Apache-2.0
"""Backends run cells. They are found by entry point, so that another package can add its own."""

from __future__ import annotations

from importlib.metadata import entry_points

from qualify.backends.protocol import Backend, BootingBackend, CellInput, Needs
from qualify.errors import HarnessError, Problem, UsageError
from qualify.yamlfile import suggest

__all__ = ["Backend", "BootingBackend", "CellInput", "Needs", "backend", "backend_names"]

_GROUP = "qualify.backends"


def backend_names() -> tuple[str, ...]:
    """Every backend that is installed."""
    return tuple(sorted({point.name for point in entry_points(group=_GROUP)}))


def backend(name: str) -> Backend:
    """A new backend of that name. UsageError when there is none, HarnessError when its package does not work."""
    points = entry_points(group=_GROUP, name=name)
    if not points:
        raise UsageError([Problem("", 0, 0, f"there is no backend '{name}'", suggest(name, backend_names()))])
    point = next(iter(points))
    try:
        made = point.load()()
    except Exception as error:
        raise HarnessError(f"backend '{name}' ({point.value}) cannot be loaded: {error}") from error
    if not isinstance(made, Backend):
        raise HarnessError(f"backend '{name}' ({point.value}) is not a backend: see qualify.backends.Backend")
    return made
