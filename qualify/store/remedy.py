# SPDX-License-Identifier: Apache-2.0
"""What to do about what a database or its driver complains about."""

from __future__ import annotations

__all__ = ["remedy"]

_TESTED = "tested are sqlite:///PATH and postgresql://HOST/NAME"

#: Part of a complaint -> what to do about it.
_REMEDIES = {
    "database is locked": "another program holds it; wait until that has ended, 'fuser FILE' says which one it is",
    "attempt to write a readonly database": "it or its folder cannot be written; copy it, or name another with --db",
    "unable to open database file": "it or its folder cannot be read and written; copy it, or name another with --db",
    "database or disk is full": "make room and try again",
    "file is not a database": "name another with --db",
    "file is encrypted or is not a database": "name another with --db",
    "database disk image is malformed": "take a copy of it that is whole, or name another with --db",
    "Can't load plugin": _TESTED,
    "No module named": _TESTED,
}


def remedy(error: BaseException | None) -> str:
    """``; what to do``, or nothing where we know none."""
    if isinstance(error, ModuleNotFoundError) and str(error.name).startswith("psycopg"):
        return f"; 'pip install {error.name}' installs it"
    found = next((advice for part, advice in _REMEDIES.items() if part in str(error)), "")
    return f"; {found}" if found else ""
