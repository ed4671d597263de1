# SPDX-License-Identifier: Apache-2.0
"""Broken files with what the user reads about them, as text that one can read too.

=== what is wrong
the file
--- says
the message, with FILE for its path
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["cases"]


def cases(path: Path) -> dict[str, tuple[str, str]]:
    """Name -> (text of the file, expected message)."""
    found: dict[str, tuple[str, str]] = {}
    for section in path.read_text(encoding="utf-8").split("=== ")[1:]:
        name, body = section.split("\n", 1)
        text, expected = body.split("--- says\n")
        assert name not in found
        found[name] = (text, expected.rstrip("\n"))
    return found
