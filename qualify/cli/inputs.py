# SPDX-License-Identifier: Apache-2.0
"""What a command reads before it does anything: all of it, so that all mistakes are told in one go."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from qualify.errors import Problem, Problems
from qualify.gate import Policy, read_policy
from qualify.matrix import Matrix, read_matrix
from qualify.scenario import Scenario, library
from qualify.schema import Schema, load
from qualify.yamlfile import suggest

__all__ = ["cell_arguments", "load_inputs", "with_matrix", "with_policy"]

M = TypeVar("M", Matrix, Policy)
T = TypeVar("T")

Library = dict[str, Scenario]
Paths = Sequence[Path] | None


def load_inputs(schema: Paths, scenarios: Paths) -> tuple[Schema, Library]:
    """What ships, with what the user added."""
    problems = Problems()
    known = problems.take(lambda: load(schema or ()))
    found = problems.take(lambda: library(scenarios or ()))
    if known is not None and found is not None:
        problems.add(_unknown_components(known, found))
    problems.check()
    assert known is not None
    assert found is not None
    return known, found


def with_matrix(name: str, schema: Paths, scenarios: Paths, use: Callable[[Matrix, Schema, Library], T]) -> T:
    """What `use` makes of the matrix with that name or path."""
    return _with(lambda: read_matrix(name), schema, scenarios, use)


def with_policy(file: Path, schema: Paths, scenarios: Paths, use: Callable[[Policy, Schema, Library], T]) -> T:
    """What `use` makes of the policy in a file."""
    return _with(lambda: read_policy(file), schema, scenarios, use)


def cell_arguments(source: str, target: str, scenario: str, schema: Paths, scenarios: Paths) -> str:
    """What stands behind `qualify explain` and its like to ask about one cell, with the files that hold it."""
    words = [source, target, *(() if scenario == "baseline" else ("--scenario", scenario))]
    words += [w for path in schema or () for w in ("--schema", str(path))]
    words += [w for path in scenarios or () for w in ("--scenarios", str(path))]
    return shlex.join(words)


def _with(
    read: Callable[[], tuple[M | None, list[Problem]]],
    schema: Paths,
    scenarios: Paths,
    use: Callable[[M, Schema, Library], T],
) -> T:
    """Names in a broken file are looked up too, as far as it can be read; not while what they name is unread."""
    problems = Problems()
    file, wrong = problems.take(read) or (None, [])
    problems.add(wrong)
    known = problems.take(lambda: load_inputs(schema, scenarios))
    made = problems.take(lambda: use(file, *known)) if file is not None and known is not None else None
    problems.check()
    assert made is not None
    return made


def _unknown_components(schema: Schema, scenarios: Mapping[str, Scenario]) -> list[Problem]:
    unknown = [(s, c) for s in scenarios.values() for c in s.target.without if c not in schema.components]
    return [
        Problem(
            "", 0, 0, f"scenario '{s.id}': target.without names no component: '{c}'; {suggest(c, schema.components)}"
        )
        for s, c in unknown
    ]
