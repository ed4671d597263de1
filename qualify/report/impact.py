# SPDX-License-Identifier: Apache-2.0
"""What a finding does: the verdicts of the cells that it is blamed for, and the rules that they name."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from qualify.model import Reason, Verdict
from qualify.report.data import FindingGroup, PairRow

__all__ = ["with_impact"]

Pair = tuple[str, str]

_NOT_ABOUT_FORMATS = ("OPS", "SRC")
"""Rules about what the operator did and what the source refused: no finding about formats is to blame for that."""


def with_impact(groups: Sequence[FindingGroup], pairs: Sequence[PairRow]) -> tuple[FindingGroup, ...]:
    """The groups with `verdicts`, and with the advice of the rules behind these instead of their own."""
    rows = {(p.source, p.target): p for p in pairs}
    own = {p.source: _own(p) for p in pairs if p.source == p.target}
    beside: dict[Pair, set[str]] = defaultdict(set)
    for group in groups:
        if group.reached:
            for pair in group.pairs:
                beside[pair].add(group.component)
    return tuple(_one(g, rows, own, beside) if g.reached else g for g in groups)


def _own(pair: PairRow) -> dict[str, frozenset[tuple[str, str]]]:
    """Per scenario what the source does to itself: no fault of any pair."""
    return {c.scenario: frozenset((r.rule, r.component) for r in c.reasons) for c in pair.cells}


def _one(
    group: FindingGroup,
    rows: Mapping[Pair, PairRow],
    own: Mapping[str, Mapping[str, frozenset[tuple[str, str]]]],
    beside: Mapping[Pair, set[str]],
) -> FindingGroup:
    verdicts: Counter[Verdict] = Counter()
    rules: Counter[tuple[str, str]] = Counter()
    for pair in group.pairs:
        if (row := rows.get(pair)) is None:
            continue
        others = beside[pair] - {group.component}
        for cell in row.usual:
            known = own.get(row.source, {}).get(cell.scenario, frozenset())
            named = [r for r in cell.reasons if (r.rule, r.component) not in known]
            mine = _mine(named, group.component)
            # where another finding of the pair is named too, nobody can say which of them it was
            if not mine or cell.verdict is None or cell.same_as_itself or others & {r.component for r in named}:
                continue
            verdicts[cell.verdict] += 1
            rules.update(list(dict.fromkeys((r.rule, r.advice) for r in mine)))
    found = tuple(sorted(verdicts.items(), key=lambda v: -v[0].severity))
    return replace(group, verdicts=found, advice=_chief(rules) or group.advice)


def _mine(reasons: Iterable[Reason], component: str) -> list[Reason]:
    return [r for r in reasons if r.component == component and not r.rule.startswith(_NOT_ABOUT_FORMATS)]


def _chief(rules: Counter[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """(rule, advice), the most frequent first; what fires less than half as often is a side effect."""
    often = max(rules.values(), default=0)
    return tuple(rule for rule, count in rules.most_common() if rule[1] and 2 * count >= often)
