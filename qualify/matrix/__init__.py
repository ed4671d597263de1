# SPDX-License-Identifier: Apache-2.0
"""Matrix files: which releases meet which, in which scenarios, on which backends. Pure but for reading the files."""

from qualify.matrix.cells import Cell, Selection, plan_cells, select
from qualify.matrix.files import find_matrix, load_matrix, read_matrix, shipped_matrices
from qualify.matrix.model import Matrix
from qualify.matrix.pairs import Pair, select_pairs
from qualify.matrix.releases import select_releases
from qualify.matrix.scenarios import select_scenarios, unknown_scenarios

__all__ = [
    "Cell",
    "Matrix",
    "Pair",
    "Selection",
    "find_matrix",
    "load_matrix",
    "plan_cells",
    "read_matrix",
    "select",
    "select_pairs",
    "select_releases",
    "select_scenarios",
    "shipped_matrices",
    "unknown_scenarios",
]
