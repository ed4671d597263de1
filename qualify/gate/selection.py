# SPDX-License-Identifier: Apache-2.0
"""Which pairs and scenarios a policy means, against a schema, the scenario library and the matrices."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from qualify.errors import InputError, PolicyError, Problem, UsageError
from qualify.gate.policy import PairSelector, Policy
from qualify.gate.result import Demand
from qualify.matrix import (
    Matrix,
    load_matrix,
    select_pairs,
    select_releases,
    select_scenarios,
    unknown_scenarios,
)
from qualify.matrix.model import PairRule
from qualify.scenario import Scenario
from qualify.schema import Schema, suggest_release
from qualify.yamlfile import Loc

__all__ = ["demands"]

Pair = tuple[str, str]


def demands(
    policy: Policy,
    schema: Schema,
    library: Mapping[str, Scenario],
    matrix: Callable[[str], Matrix] = load_matrix,
) -> tuple[Demand, ...]:
    """Every pair x scenario of the policy, in its order; PolicyError lists every name that does not exist."""
    problems: list[Problem] = []
    pairs = [p for n, s in enumerate(policy.required_pairs) for p in _pairs(policy, s, n, schema, matrix, problems)]
    problems.extend(unknown_scenarios(policy.scenarios, library, policy.document))
    if problems:
        raise PolicyError(problems)
    scenarios = [s.id for s in select_scenarios(policy.scenarios, library)]
    return tuple(Demand(*pair, scenario) for pair in dict.fromkeys(pairs) for scenario in scenarios)


def _pairs(
    policy: Policy,
    selector: PairSelector,
    index: int,
    schema: Schema,
    matrix: Callable[[str], Matrix],
    problems: list[Problem],
) -> Iterator[Pair]:
    at: Loc = ("required_pairs", index)
    if selector.matrix is not None:
        yield from _of_matrix(policy, selector, at, schema, matrix, problems)
        return
    found = []
    for key, label in (("source", selector.source), ("target", selector.target)):
        try:
            found.append(schema.release(str(label)).label)
        except UsageError:
            message, hint = f"there is no release '{label}'", suggest_release(str(label), schema.releases)
            problems.append(policy.document.problem((*at, key), message, hint))
    if len(found) == 2:
        yield found[0], found[1]


def _of_matrix(
    policy: Policy,
    selector: PairSelector,
    at: Loc,
    schema: Schema,
    matrix: Callable[[str], Matrix],
    problems: list[Problem],
) -> Iterator[Pair]:
    try:
        chosen = matrix(str(selector.matrix))
        releases = select_releases(chosen.releases, schema.releases)
        unknown = [] if isinstance(chosen.pairs, PairRule) else _unknown(chosen, schema)
        if unknown:
            raise UsageError(f"it names releases that do not exist: {', '.join(unknown)}")
        for pair in select_pairs(chosen, releases, schema):
            if pair.direction in selector.directions:
                yield pair.source, pair.target
    except InputError as error:
        first = error.problems[0]
        message = f"matrix '{selector.matrix}' cannot be used: {first.message}"
        problems.append(
            policy.document.problem((*at, "matrix"), message, first.hint or "`qualify matrix show` tells more")
        )


def _unknown(matrix: Matrix, schema: Schema) -> list[str]:
    assert not isinstance(matrix.pairs, PairRule)
    known = {name for r in schema.releases for name in (r.label, *r.aliases)}
    return sorted({label for p in matrix.pairs for label in (p.source, p.target)} - known)
