# SPDX-License-Identifier: Apache-2.0
"""Scenario files to scenarios, and the library that ships."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from qualify.errors import Problem, ScenarioError
from qualify.scenario.check import check
from qualify.scenario.model import Scenario
from qualify.yamlfile import Document, Loc, read, validate

__all__ = ["DATA", "library", "load_scenarios"]

DATA = Path(__file__).parent / "data"


def library(extra: Sequence[Path] = ()) -> dict[str, Scenario]:
    """The shipped scenarios by id, then those of `extra` (files or folders of *.yaml). Raises ScenarioError."""
    problems: list[Problem] = []
    return _gather(_paths(extra, problems), problems)


def load_scenarios(path: Path) -> list[Scenario]:
    """The scenarios of one file: a list under ``scenarios``, or a single scenario."""
    return list(_gather([(path, str(path))], []).values())


def _paths(extra: Sequence[Path], problems: list[Problem]) -> Iterator[tuple[Path, str]]:
    shipped = sorted(DATA.glob("*.yaml"), key=lambda p: (p.stem != "baseline", p))  # the baseline first
    yield from ((p, f"scenarios/{p.name}") for p in shipped)
    for path in extra:
        if path.is_dir():
            files = sorted(path.glob("*.yaml"))
            if not files:
                problems.append(Problem(str(path), 0, 0, "holds no scenario files", "expected *.yaml in this folder"))
            yield from ((p, str(p)) for p in files)
        else:
            yield path, str(path)


def _gather(paths: Iterable[tuple[Path, str]], problems: list[Problem]) -> dict[str, Scenario]:
    found: dict[str, tuple[Scenario, Document, Loc]] = {}
    for path, name in paths:
        for scenario, document, at in _load(path, name, problems):
            if scenario.id in found:
                _, other, first = found[scenario.id]
                hint = f"first at {other.name}:{other.position((*first, 'id'))[0]}"
                problems.append(document.problem((*at, "id"), f"scenario '{scenario.id}' is defined twice", hint))
            else:
                found[scenario.id] = (scenario, document, at)
    if problems:
        raise ScenarioError(problems)
    return {name: scenario for name, (scenario, _, _) in found.items()}


def _load(path: Path, name: str, problems: list[Problem]) -> Iterator[tuple[Scenario, Document, Loc]]:
    document = read(path, name)
    if isinstance(document, Problem):
        problems.append(document)
        return
    data = document.data
    entries: list[tuple[Loc, object]]
    if isinstance(data, dict) and isinstance(data.get("scenarios"), list) and len(data) == 1:
        entries = [(("scenarios", i), entry) for i, entry in enumerate(data["scenarios"])]
    elif isinstance(data, dict) and "id" in data:
        entries = [((), data)]
    else:
        hint = "expected one scenario (with an id), or a list under the single key 'scenarios'"
        problems.append(document.problem((), "is not a scenario file", hint))
        return
    for at, entry in entries:
        scenario = validate(Scenario, entry, document, at)
        if isinstance(scenario, list):
            problems.extend(scenario)
            continue
        wrong = [document.problem((*at, *loc), text, hint) for loc, text, hint in check(scenario)]
        problems.extend(wrong)
        if not wrong:
            yield scenario, document, at
