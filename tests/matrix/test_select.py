# SPDX-License-Identifier: Apache-2.0
"""What a matrix selects from the schema and the library that ship."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from qualify.matrix import Cell, Matrix, load_matrix, plan_cells, select, shipped_matrices
from qualify.model import Direction
from qualify.scenario import Scenario
from qualify.schema import Schema, load


@pytest.fixture(scope="module")
def schema() -> Schema:
    return load()


@pytest.fixture(scope="module")
def library() -> dict[str, Scenario]:
    return {s.id: s for s in (_scenario("baseline"), _scenario("sparse", "memfd"), _scenario("huge", "memfd", "large"))}


def _scenario(name: str, *tags: str) -> Scenario:
    region = {"kind": "reserve-mem", "name": "r", "size": "1MiB", "at": "0x30000000"}
    return Scenario.model_validate(
        {"id": name, "title": name, "purpose": name, "tags": list(tags), "objects": [region]}
    )


def _matrix(**changes: Any) -> Matrix:
    return Matrix.model_validate({"name": "m", "title": "M", "scenarios": ["baseline"], **changes})


def _pairs(matrix: Matrix, schema: Schema, library: dict[str, Scenario]) -> list[tuple[str, str]]:
    return [(p.source, p.target) for p in select(matrix, schema, library).pairs]


def test_all_releases_in_all_pairs_come_in_the_order_of_the_schema(
    schema: Schema, library: dict[str, Scenario]
) -> None:
    labels = [r.label for r in schema.releases]
    assert _pairs(_matrix(), schema, library) == [(s, t) for s in labels for t in labels]


def test_series_takes_only_its_own_point_releases(schema: Schema, library: dict[str, Scenario]) -> None:
    chosen = select(_matrix(releases={"series": "6.17"}), schema, library).releases
    assert [r.label for r in chosen] == [r.label for r in schema.releases if r.version.startswith("6.17.")]
    assert len(chosen) == 2


def test_window_takes_the_newest_of_each_of_the_last_series(schema: Schema, library: dict[str, Scenario]) -> None:
    chosen = select(_matrix(releases={"window": {"last": 3}}), schema, library).releases
    assert [r.label for r in chosen] == ["7.1.13", "7.2.13", "7.3.4"]


def test_what_is_excluded_is_left_out_of_any_choice(schema: Schema, library: dict[str, Scenario]) -> None:
    def labels(releases: Any) -> list[str]:
        return [r.label for r in select(_matrix(releases=releases), schema, library).releases]

    everything = [r.label for r in schema.releases]
    assert labels({"exclude": ["7.1", "7.0.13"]}) == [x for x in everything if x not in ("7.1.13", "7.0.13")]
    assert labels({"all": True, "exclude": ["7.1.13"]}) == [x for x in everything if x != "7.1.13"]
    assert labels({"series": "6.17", "exclude": ["6.17.8"]}) == ["6.17.13"]
    # a window is counted over what is left
    assert labels({"window": {"last": 2}, "exclude": ["7.3.4"]}) == ["7.1.13", "7.2.13"]


def test_window_orders_series_by_number_not_by_spelling(library: dict[str, Scenario]) -> None:
    schema = _Releases("6.9.1", "6.10.2", "6.10.10", "6.8.99")
    chosen = select(_matrix(releases={"window": {"last": 2}}), schema, library).releases  # type: ignore[arg-type]
    assert [r.label for r in chosen] == ["6.9.1", "6.10.10"]


class _Releases:
    """Made-up releases; the shipped ones have no two-digit minor next to a one-digit one of the same major."""

    def __init__(self, *versions: str, variants: dict[str, tuple[str, ...]] | None = None) -> None:
        first = load().releases[0]
        named = [(label, v) for v in versions for label in sorted((v, *(variants or {}).get(v, ())))]
        self.releases = tuple(first.model_copy(update={"label": n, "version": v, "aliases": ()}) for n, v in named)

    def direction(self, source: Any, target: Any) -> Direction:
        return Direction.SAME


def _bases(schema: Schema) -> list[str]:
    return [r.label for r in schema.releases if r.label == r.version]


@pytest.mark.parametrize(
    ("rule", "distances"),
    [("same", {0}), ("neighbours", {1}), ("same-and-neighbours", {0, 1}), ("all", set(range(11)))],
)
def test_pair_rules(rule: str, distances: set[int], schema: Schema, library: dict[str, Scenario]) -> None:
    order = {label: i for i, label in enumerate(_bases(schema))}
    pairs = _pairs(_matrix(releases=_bases(schema), pairs=rule), schema, library)
    assert {abs(order[s] - order[t]) for s, t in pairs} == distances
    assert len(pairs) == sum(abs(a - b) in distances for a in range(11) for b in range(11))


def test_a_variant_stands_beside_its_base_and_not_between_versions(
    schema: Schema, library: dict[str, Scenario]
) -> None:
    pairs = set(_pairs(_matrix(pairs="neighbours"), schema, library))
    assert {("7.1.13", "7.2.13"), ("7.2.13", "7.1.13")} <= pairs
    beside = {(s, t) for s, t in pairs if "7.1.13-nomemfd" in (s, t)}
    assert beside == {("7.1.13", "7.1.13-nomemfd"), ("7.1.13-nomemfd", "7.1.13")}
    assert ("7.1.13-drift", "7.1.13-nomemfd") not in pairs


def test_a_variant_stands_in_for_a_base_that_was_not_chosen(schema: Schema, library: dict[str, Scenario]) -> None:
    chosen = _matrix(releases=["7.1.3", "7.1.13-nomemfd", "7.2.13"], pairs="neighbours", directions=["upgrade"])
    assert _pairs(chosen, schema, library) == [("7.1.3", "7.1.13-nomemfd"), ("7.1.13-nomemfd", "7.2.13")]


def test_a_base_is_known_by_its_label_and_not_by_its_place(library: dict[str, Scenario]) -> None:
    """Variants of one base are no neighbours of each other, and a label may sort before its version."""
    schema = _Releases("1.1", "1.2", "1.3", variants={"1.2": ("1-custom", "1.2-z")})
    chosen = _matrix(pairs="neighbours")
    pairs = select(chosen, schema, library).pairs  # type: ignore[arg-type]
    beside = [("1-custom", "1.2"), ("1.1", "1.2"), ("1.2", "1.2-z"), ("1.2", "1.3")]
    assert sorted((p.source, p.target) for p in pairs) == sorted(beside + [(t, s) for s, t in beside])


def test_directions_keep_only_those_asked_for(schema: Schema, library: dict[str, Scenario]) -> None:
    pairs = select(_matrix(directions=["rollback"]), schema, library).pairs
    assert {p.direction for p in pairs} == {Direction.ROLLBACK}
    assert ("7.3.4", "6.16.12") in {(p.source, p.target) for p in pairs}
    assert ("6.16.12", "7.3.4") not in {(p.source, p.target) for p in pairs}


def test_spelt_out_pairs_keep_their_order_and_go_by_label(schema: Schema, library: dict[str, Scenario]) -> None:
    wanted = [{"source": "7.1.3", "target": "7.0"}, {"source": "6.17.9+", "target": "6.17.8"}]
    chosen = select(_matrix(pairs=wanted), schema, library)
    assert [(p.source, p.target) for p in chosen.pairs] == [("7.1.3", "7.0.13"), ("6.17.13", "6.17.8")]
    assert [r.label for r in chosen.releases] == ["6.17.8", "6.17.13", "7.0.13", "7.1.3"]


def test_a_pair_listed_twice_is_one_pair(schema: Schema, library: dict[str, Scenario]) -> None:
    pair = {"source": "7.1.3", "target": "7.0.13"}
    assert len(_pairs(_matrix(pairs=[pair, pair]), schema, library)) == 1


def test_releases_may_be_named_by_alias(schema: Schema, library: dict[str, Scenario]) -> None:
    assert [r.label for r in select(_matrix(releases=["7.0", "6.17.8"]), schema, library).releases] == [
        "6.17.8",
        "7.0.13",
    ]


@pytest.mark.parametrize(
    ("scenarios", "expected"),
    [
        ("all", ["baseline", "sparse", "huge"]),
        (["sparse", "baseline"], ["baseline", "sparse"]),
        ({"tags": {"include": ["memfd"]}}, ["sparse", "huge"]),
        ({"tags": {"include": ["memfd"], "exclude": ["large"]}}, ["sparse"]),
        ({"tags": {"exclude": ["large"]}}, ["baseline", "sparse"]),
        ({"tags": {}}, ["baseline", "sparse", "huge"]),
    ],
)
def test_scenarios(scenarios: Any, expected: list[str], schema: Schema, library: dict[str, Scenario]) -> None:
    chosen = select(_matrix(scenarios=scenarios), schema, library).scenarios
    assert [s.id for s in chosen] == expected


def test_cells_go_by_backend_pair_and_scenario(schema: Schema, library: dict[str, Scenario]) -> None:
    matrix = _matrix(
        releases=["7.2.13", "7.3.4"], pairs="neighbours", scenarios=["baseline", "sparse"], backends=["b", "a"]
    )
    cells = plan_cells(matrix, schema, library)
    assert cells[:3] == (
        Cell("7.2.13", "7.3.4", "baseline", "b"),
        Cell("7.2.13", "7.3.4", "sparse", "b"),
        Cell("7.3.4", "7.2.13", "baseline", "b"),
    )
    assert len(cells) == 2 * 2 * 2
    assert cells == plan_cells(matrix, schema, library)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"releases": {"series": "5.4"}}, "selects no release: nothing in the schema fits 'releases'"),
        ({"releases": ["7.3.4"], "pairs": "neighbours"}, "leave none of its 1 releases"),
        ({"directions": ["rollback"], "pairs": "same"}, "leave none of its 13 releases"),
        ({"scenarios": {"tags": {"include": ["memfd"], "exclude": ["memfd"]}}}, "selects no scenario"),
    ],
)
def test_an_empty_selection_says_why(
    changes: dict[str, Any], sentence: str, schema: Schema, library: dict[str, Scenario]
) -> None:
    chosen = select(_matrix(**changes), schema, library)
    assert chosen.cells == ()
    assert sentence in chosen.why_empty


def test_a_selection_with_cells_is_not_called_empty(schema: Schema, library: dict[str, Scenario]) -> None:
    assert select(_matrix(), schema, library).why_empty == ""


def test_shipped_matrices_are_named_like_their_files() -> None:
    shipped = shipped_matrices()
    assert set(shipped) == {"upstream", "large", "real", "stable-6.17", "window"}
    assert {name: load_matrix(name).name for name in shipped} == {name: name for name in shipped}


DOWNSTREAM = {"7.1.13-drift"}  # mistakes that are kept to be caught


def test_upstream_takes_every_release_into_every_release(schema: Schema, library: dict[str, Scenario]) -> None:
    upstream = load_matrix("upstream")
    chosen = select(upstream, schema, library)
    assert {r.label for r in schema.releases} - {r.label for r in chosen.releases} == DOWNSTREAM
    assert len(chosen.pairs) == len(chosen.releases) ** 2 == 144
    assert [s.id for s in chosen.scenarios] == ["baseline", "sparse"]
    assert upstream.max_touched_bytes == 64 << 20


def test_large_takes_only_large_scenarios_between_neighbours(schema: Schema, library: dict[str, Scenario]) -> None:
    chosen = select(load_matrix("large"), schema, library)
    assert [s.id for s in chosen.scenarios] == ["huge"]
    assert len(chosen.pairs) == 12 + 2 * 11
    assert {("7.1.13", "7.2.13"), ("7.2.13", "7.1.13")} <= {(p.source, p.target) for p in chosen.pairs}


def test_real_takes_the_kernels_at_hand_and_their_variants(schema: Schema, library: dict[str, Scenario]) -> None:
    real = load_matrix("real")
    chosen = select(real, schema, library)
    assert [r.label for r in chosen.releases] == [
        *("6.18.15", "6.19.11", "7.1.13", "7.1.13-drift", "7.1.13-nomemfd", "7.3.4"),
    ]
    assert {r.label for r in chosen.releases} >= DOWNSTREAM
    assert (len(chosen.pairs), real.backends) == (36, ("simulator", "qemu"))
    assert [s.id for s in chosen.scenarios] == ["baseline", "sparse"]


def test_window_goes_both_ways(schema: Schema, library: dict[str, Scenario]) -> None:
    pairs = select(load_matrix("window"), schema, library).pairs
    assert len(pairs) == 9
    assert {p.direction for p in pairs} == set(Direction)


def test_the_digest_ignores_layout_but_not_content(tmp_path: Path) -> None:
    text = "name: m\ntitle: T\nscenarios: all\n"
    for name, body in (("a", text), ("b", "# a comment\n" + text.replace("all", '"all"')), ("c", text + "seed: 1\n")):
        (tmp_path / f"{name}.yaml").write_text(body)
    a, b, c = (load_matrix(tmp_path / f"{name}.yaml").digest for name in "abc")
    assert a == b != c
