# SPDX-License-Identifier: Apache-2.0
"""From cells to runs: input digests, groups, order, what is outstanding."""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import qualify
from qualify.backends import Needs
from qualify.engine import Limits, Plan, group, tool_version
from qualify.engine import inputs as inputs_module
from qualify.engine.inputs import code_digest, input_digest
from qualify.engine.pool import _batch, _may_begin
from qualify.engine.run import _in_order
from qualify.engine.worker import Task
from qualify.schema import Schema
from tests.engine.bench import Bench

Planner = Callable[..., Plan]
GOOD: dict[str, Any] = {"source": "a", "target": "b", "scenario": "c", "seed": 1}


def test_everything_that_goes_in_changes_the_digest(trouble: Any) -> None:
    seen = {input_digest(backend=trouble, **GOOD)}
    for change in ({"source": "x"}, {"target": "x"}, {"scenario": "x"}, {"seed": 2}, {"source": "b", "target": "a"}):
        seen.add(input_digest(backend=trouble, **{**GOOD, **change}))
    trouble.version = "2"
    seen.add(input_digest(backend=trouble, **GOOD))
    trouble.name = "other"
    seen.add(input_digest(backend=trouble, **GOOD))
    assert len(seen) == 8


def test_the_code_that_decides_is_part_of_the_input(
    trouble: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = input_digest(backend=trouble, **GOOD)
    (tmp_path / "compat").mkdir()
    (tmp_path / "compat" / "decide.py").write_text("changed")
    monkeypatch.setattr(qualify, "__file__", str(tmp_path / "__init__.py"))
    code_digest.cache_clear()
    try:
        assert input_digest(backend=trouble, **GOOD) != before
    finally:
        monkeypatch.undo()
        code_digest.cache_clear()
    assert input_digest(backend=trouble, **GOOD) == before


def test_what_decides_is_there() -> None:
    root = Path(qualify.__file__).parent
    files = [root / name if name.endswith(".py") else root / name / "__init__.py" for name in inputs_module._DECIDING]
    assert [file for file in files if not file.is_file()] == []
    assert [name for name in inputs_module._TOLD if not any((root / name).rglob("*.yaml"))] == []


@pytest.fixture
def our_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The package with its data, to be edited at will; what is loaded stays the original."""
    copy = tmp_path / "qualify"
    shutil.copytree(Path(qualify.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(qualify, "__file__", str(copy / "__init__.py"))
    code_digest.cache_clear()
    yield copy
    monkeypatch.undo()
    code_digest.cache_clear()


@pytest.mark.parametrize("name", ["compat/rules.yaml", "compat/decide.py", "machine/target.py", "errors.py"])
def test_whatever_of_ours_decides_is_part_of_the_input(our_copy: Path, name: str) -> None:
    before = code_digest()
    with (our_copy / name).open("a") as file:
        file.write("# changed\n")
    code_digest.cache_clear()
    assert code_digest() != before


@pytest.mark.parametrize(
    "name", ["report/terminal.py", "cli/run.py", "schema/data/components.yaml", "scenario/data/baseline.yaml"]
)
def test_what_decides_nothing_or_is_told_more_exactly_is_not(our_copy: Path, name: str) -> None:
    before = code_digest()
    with (our_copy / name).open("a") as file:
        file.write("# changed\n")
    code_digest.cache_clear()
    assert code_digest() == before


def test_the_tool_version_names_version_and_code() -> None:
    assert tool_version() == f"{qualify.__version__}+{code_digest(booting=True)[:12]}"


def test_cells_alike_have_one_input_and_others_do_not(planner: Planner, trouble: Any, schema: Schema) -> None:
    planned = planner(trouble, scenarios="all")
    by_input: dict[str, set[tuple[str, str, str]]] = {}
    for keys in planned.cells:
        source, target = (schema.fingerprint(schema.release(n)) for n in (keys.cell.source, keys.cell.target))
        by_input.setdefault(keys.input_digest, set()).add((source, target, keys.cell.scenario))
    assert all(len(kinds) == 1 for kinds in by_input.values())
    assert len(by_input) == len({kind for kinds in by_input.values() for kind in kinds})


def test_groups_keep_every_cell_once_and_in_order(planner: Planner, trouble: Any) -> None:
    planned = planner(trouble, scenarios="all")
    groups = group(planned.cells, planned.backends)
    assert sorted(k.cell.source + k.cell.target + k.cell.scenario for g in groups for k in g.cells) == sorted(
        k.cell.source + k.cell.target + k.cell.scenario for k in planned.cells
    )
    assert all(len({k.input_digest for k in g.cells}) == 1 for g in groups)
    assert len(groups) < len(planned.cells)
    assert [len(g.cells) for g in group(planned.cells, planned.backends, share=False)] == [1] * len(planned.cells)


def test_cells_that_start_alike_stand_together(planner: Planner, trouble: Any) -> None:
    planned = planner(trouble, scenarios="all", releases=["7.1.3", "7.2.13", "7.3.4"])
    groups = _in_order(group(planned.cells, planned.backends))
    starts = [(g.cells[0].cell.source, g.cells[0].cell.scenario) for g in groups]
    changes = [pair for pair, after in pairwise(starts) if pair != after]
    assert len(changes) == len(set(starts)) - 1 == 5
    assert len(groups) == 18


def test_batches_do_not_part_short_tasks_that_go_together() -> None:
    tasks = [Task("s", str(n), ("one" if n < 4 else "two",), "b", 0) for n in range(10)]
    waiting = deque(range(10))
    assert _batch(tasks, waiting, 1) == [0]
    assert _batch(tasks, waiting, 2) == [1, 2, 3]
    assert _batch(tasks, waiting, 3) == [4, 5, 6, 7, 8, 9]
    assert not waiting


@pytest.mark.parametrize(
    "name", ["agent/agent.c", "agent/wire.h", "agent/link.py", "kernels/registry.py", "kernels/x.yaml"]
)
def test_what_boots_is_part_of_the_input_where_machines_boot(our_copy: Path, trouble: Any, name: str) -> None:
    """And of no other: a change of the agent leaves what a simulator said as it is."""
    bench = Bench(Path("notes"))
    inputs = [input_digest(backend=b, **GOOD) for b in (trouble, bench)]
    version = tool_version()
    (our_copy / name).parent.mkdir(exist_ok=True)
    with (our_copy / name).open("a") as file:
        file.write("# changed\n")
    code_digest.cache_clear()
    assert input_digest(backend=trouble, **GOOD) == inputs[0]
    assert input_digest(backend=bench, **GOOD) != inputs[1]
    assert tool_version() != version


def test_what_lies_beside_the_agents_code_decides_nothing(our_copy: Path) -> None:
    before = code_digest(booting=True)
    (our_copy / "agent").mkdir(exist_ok=True)
    (our_copy / "agent" / "README.md").write_text("words")
    code_digest.cache_clear()
    assert code_digest(booting=True) == before


def test_a_boot_goes_alone_and_holds_up_no_other() -> None:
    plain = [Task("s", str(n), ("one",), "b", 0) for n in range(3)]
    boots = [Task("s", str(n), ("one",), "b", 0, Needs()) for n in range(3)]
    waiting = deque(range(6))
    assert [_batch([*plain, *boots], waiting, 2) for _ in range(4)] == [[0, 1, 2], [3], [4], [5]]
    tasks, limits = [*plain, *boots], Limits(2)
    assert _may_begin(tasks, 3, [[4]], limits)
    assert not _may_begin(tasks, 3, [[4], [5]], limits)  # every worker has its boot
    assert not _may_begin(tasks, 3, [[0, 1, 2], [5]], limits)
    assert _may_begin(tasks, 0, [[1], [2]], limits)  # others may wait at the workers' doors
