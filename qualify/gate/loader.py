# SPDX-License-Identifier: Apache-2.0
"""Policy files: every mistake in one go, each with its place, what was expected and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from qualify.errors import PolicyError, Problem
from qualify.gate.policy import PairSelector, Policy
from qualify.model import Consequence, Direction, Evidence, Verdict
from qualify.yamlfile import read, suggest, validate

__all__ = ["load_policy"]

_EXAMPLE = "a policy needs at least 'name' and 'required_pairs'; docs/examples/policy-window.yaml is a complete one"

_VOCABULARIES: dict[str, tuple[str, ...]] = {
    "allowed_verdicts": tuple(Verdict),
    "forbidden_consequences": tuple(Consequence),
    "minimum_evidence": tuple(Evidence),
    "directions": tuple(Direction),
}


def load_policy(path: Path) -> Policy:
    """The policy, or a PolicyError with every mistake in its file."""
    document = read(path)
    if isinstance(document, Problem):
        raise PolicyError([document])
    if not isinstance(document.data, dict):
        found = "nothing" if document.data is None else f"a {type(document.data).__name__}"
        raise PolicyError(
            [document.problem((), f"expected a mapping with name, required_pairs, …; found {found}", _EXAMPLE)]
        )
    policy = validate(Policy, document.data, document)
    if isinstance(policy, list):
        raise PolicyError([_with_hint(problem) for problem in policy])
    return policy.in_document(document)


def _with_hint(problem: Problem) -> Problem:
    """Every problem says what to do about it; those that come from the model alone get their hint here."""
    return problem if problem.hint else replace(problem, hint=next(_hints(problem.message)))


def _hints(message: str) -> Iterator[str]:
    for key, words in _VOCABULARIES.items():
        if key in message and "input should be '" in message:
            yield suggest(message.rpartition("got ")[2].strip("'\""), words)
    if "valid tuple" in message:
        yield "write a list: [a, b]"
    if "valid boolean" in message:
        yield "write true or false"
    if "unknown key" in message:
        yield f"known here: {', '.join(PairSelector.model_fields)}"
    if "at least 1 item" in message:
        yield "an empty list would allow nothing; name something or leave the key out for its default"
    yield _EXAMPLE
