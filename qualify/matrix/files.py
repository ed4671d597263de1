# SPDX-License-Identifier: Apache-2.0
"""Finding and reading matrix files: by path, or by the name of one that ships."""

from __future__ import annotations

from pathlib import Path

from qualify.errors import MatrixError, Problem, UsageError
from qualify.matrix.model import Matrix
from qualify.yamlfile import keep_valid, read, suggest, validate

__all__ = ["find_matrix", "load_matrix", "read_matrix", "shipped_matrices"]

_HERE = Path(__file__).resolve().parent
_SUFFIXES = (".yaml", ".yml")
_LEAST = {"name": "broken", "title": "broken", "scenarios": []}


def shipped_matrices() -> dict[str, Path]:
    """Name -> file, in order of name. A checkout has them at its top, an installed package inside itself."""
    for folder in (_HERE / "shipped", _HERE.parents[1] / "matrices"):
        if folder.is_dir():
            return {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    return {}


def find_matrix(name: str) -> Path:
    """The file meant by a path or by the name of a shipped matrix. A path has a suffix or a slash."""
    if "/" in name or name.endswith(_SUFFIXES):
        return Path(name)
    shipped = shipped_matrices()
    if name not in shipped:
        hint = suggest(name, shipped)
        raise UsageError([Problem("", 0, 0, f"there is no matrix '{name}'", f"{hint}; a file is named by its path")])
    return shipped[name]


def read_matrix(name: str | Path) -> tuple[Matrix | None, list[Problem]]:
    """The matrix and every mistake in its file. With mistakes, it is what is right in it; None when nothing is."""
    path = find_matrix(name) if isinstance(name, str) else name
    document = read(path)
    if isinstance(document, Problem):
        return None, [document]
    if not isinstance(document.data, dict):
        found = "nothing" if document.data is None else f"a {type(document.data).__name__}"
        return None, [document.problem((), f"expected a mapping with name, title, releases, …; found {found}")]
    matrix = validate(Matrix, document.data, document)
    if isinstance(matrix, list):
        return keep_valid(Matrix, document.data, _LEAST).in_document(document), matrix
    return matrix.in_document(document), []


def load_matrix(name: str | Path) -> Matrix:
    """The matrix, or a MatrixError with every mistake in its file."""
    matrix, problems = read_matrix(name)
    if matrix is None or problems:
        raise MatrixError(problems)
    return matrix
