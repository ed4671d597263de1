# SPDX-License-Identifier: Apache-2.0
"""The gate and `run` agree on which results are of today."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from qualify.engine import inputs, load_current, plan, run_matrix, tool_version
from qualify.errors import HarnessError, UsageError
from qualify.gate import Demand, load_facts
from qualify.matrix import Cell, Matrix
from qualify.model import Status
from qualify.scenario import Scenario, library
from qualify.schema import Schema, load
from qualify.store import Store, load_latest, open_store

LIBRARY = library()
PAIRS = [{"source": "7.2.13", "target": "7.3.4"}]
DEMAND = Demand("7.2.13", "7.3.4", "baseline")
CELL = Cell("7.2.13", "7.3.4", "baseline", "simulator")


@pytest.fixture(scope="module")
def schema() -> Schema:
    return load()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "a.sqlite") as opened:
        yield opened


def measure(store: Store, schema: Schema, found: dict[str, Scenario] = LIBRARY, seed: int | None = None) -> int:
    """Run the one cell; how many runs that took."""
    plain = {"name": "m", "title": "M", "pairs": PAIRS, "scenarios": ["baseline"]}
    return run_matrix(plan(Matrix.model_validate(plain), schema, found, seed=seed), store, jobs=1).executed


def current(store: Store, schema: Schema, found: dict[str, Scenario] = LIBRARY) -> bool:
    with store.session() as session:
        (fact,) = load_facts(session, [DEMAND], schema, found)
    assert fact.status is Status.DONE
    return fact.current


def other_schema(schema: Schema) -> Schema:
    memfd = schema.components["memfd"].model_copy(update={"contents": ("size",)})
    return replace(schema, components={**schema.components, "memfd": memfd})


def test_just_measured_is_current(store: Store, schema: Schema) -> None:
    assert measure(store, schema) == 1
    assert current(store, schema)


def test_another_schema_makes_it_stale_until_it_is_run_again(store: Store, schema: Schema) -> None:
    measure(store, schema)
    other = other_schema(schema)
    assert not current(store, other)
    assert measure(store, other) == 1
    assert current(store, other)
    assert not current(store, schema)


def test_another_scenario_of_that_name_makes_it_stale(store: Store, schema: Schema) -> None:
    measure(store, schema)
    fewer = {name: getattr(LIBRARY["baseline"], name) for name in Scenario.model_fields}
    fewer["objects"] = fewer["objects"][:1]
    other = {**LIBRARY, "baseline": Scenario.model_validate(fewer)}
    assert not current(store, schema, other)
    assert measure(store, schema, other) == 1
    assert current(store, schema, other)


def test_another_tool_makes_it_stale(store: Store, schema: Schema, monkeypatch: pytest.MonkeyPatch) -> None:
    measure(store, schema)
    monkeypatch.setattr(inputs, "code_digest", lambda **_: "0" * 64)
    assert not current(store, schema)
    assert measure(store, schema) == 1
    assert current(store, schema)


def test_another_seed_measures_the_same_thing(store: Store, schema: Schema) -> None:
    measure(store, schema, seed=7)
    assert current(store, schema)
    assert not current(store, other_schema(schema))


@pytest.mark.parametrize("error", [UsageError("there is no backend"), HarnessError("cannot be loaded")])
def test_of_a_backend_that_is_not_here_the_version_of_the_tool_decides(
    store: Store, schema: Schema, error: Exception
) -> None:
    def lookup(_name: str) -> object:
        raise error

    measure(store, schema)
    with store.session() as session:
        latest = load_latest(session, [CELL])
        older = {CELL: replace(latest[CELL], tool_version="0.0.9+000000000000")}
        assert latest[CELL].tool_version == tool_version()
        assert load_current(session, latest, schema, LIBRARY, lookup) == {CELL}  # type: ignore[arg-type]
        assert load_current(session, older, schema, LIBRARY, lookup) == frozenset()  # type: ignore[arg-type]
        assert load_current(session, latest, other_schema(schema), LIBRARY, lookup) == frozenset()  # type: ignore[arg-type]
