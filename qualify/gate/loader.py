# SPDX-License-Identifier: Apache-2.0
"""Policy files: every mistake in one go, each with its place, what was expected and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from qualify.errors import PolicyError, Problem
from qualify.gate.policy import PairSelector, Policy
from qualify.model import Consequence, Direction, Evidence, Verdict
from qualify.yamlfile import keep_valid, read, suggest, validate

__all__ = ["load_policy", "read_policy"]

_EXAMPLE = "docs/examples/policy-window.yaml is a complete policy to compare with"
_LEAST: dict[str, Any] = {"name": "broken", "required_pairs": []}

_VOCABULARIES: dict[str, tuple[str, ...]] = {
    "allowed_verdicts": tuple(Verdict),
    "forbidden_consequences": tuple(Consequence),
    "minimum_evidence": tuple(Evidence),
    "directions": tuple(Direction),
}


def read_policy(path: Path) -> tuple[Policy | None, list[Problem]]:
    """The policy and every mistake in its file. With mistakes, it is what is right in it; None when nothing is."""
    document = read(path)
    if isinstance(document, Problem):
        return None, [document]
    if not isinstance(document.data, dict):
        found = "nothing" if document.data is None else f"a {type(document.data).__name__}"
        message = f"expected a mapping with name, required_pairs, …; found {found}"
        return None, [document.problem((), message, f"a policy needs at least 'name' and 'required_pairs'; {_EXAMPLE}")]
    policy = validate(Policy, document.data, document)
    if isinstance(policy, list):
        return keep_valid(Policy, document.data, _LEAST).in_document(document), [_with_hint(p) for p in policy]
    return policy.in_document(document), []


def load_policy(path: Path) -> Policy:
    """The policy, or a PolicyError with every mistake in its file."""
    policy, problems = read_policy(path)
    if policy is None or problems:
        raise PolicyError(problems)
    return policy


def _with_hint(problem: Problem) -> Problem:
    """Every problem says what to do about it; those that come from the model alone get their hint here."""
    return problem if problem.hint else replace(problem, hint=next(_hints(problem.message)))


def _hints(message: str) -> Iterator[str]:
    for key, words in _VOCABULARIES.items():
        if key in message and "input should be '" in message:
            yield suggest(message.rpartition("got ")[2].strip("'\""), words)
    if "expected a list" in message:
        yield "write a list: [a, b]"
    if "valid boolean" in message:
        yield "write true or false"
    if "unknown key" in message:
        yield f"known here: {', '.join(PairSelector.model_fields)}"
    if "at least 1 entry" in message:
        yield "an empty list would allow nothing; name something or leave the key out for its default"
    if "'maximum_age'" in message:
        yield "for example maximum_age: 30d; leave it out where evidence may be of any age"
    yield _EXAMPLE
