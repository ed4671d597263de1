# SPDX-License-Identifier: Apache-2.0
"""What stands in a square of the grid: the baseline, then everything worse that the pair holds, mildest first."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from qualify.report.data import CellRow, PairRow

__all__ = ["Band", "Role", "bands"]


class Role(enum.StrEnum):
    """Why a cell stands in a square."""

    BASELINE = "baseline"
    WORST = "worst"  # source to source does better: the change of kernel is to blame
    ITSELF = "itself"  # source to source does no better


@dataclass(frozen=True, slots=True)
class Band:
    """One stripe of a square."""

    role: Role
    cell: CellRow | None


def bands(pair: PairRow) -> tuple[Band, ...]:
    """One to three stripes, each with a verdict of its own. The worst verdict of the usual scenarios is among them."""
    found = [Band(Role.BASELINE, pair.headline)]
    added, deepest = pair.added_cell, pair.worst_cell
    for role, cell in ((Role.WORST, added), (Role.ITSELF, deepest)):
        if cell is not None and cell.verdict not in {b.cell.verdict if b.cell else None for b in found}:
            found.append(Band(role, cell))
    return tuple(found)
