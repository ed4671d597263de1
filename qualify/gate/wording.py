# SPDX-License-Identifier: Apache-2.0
"""Numbers and ages in words."""

from __future__ import annotations

from datetime import timedelta

__all__ = ["age_in_words", "plural"]

_DAY = 24


def plural(count: int, noun: str) -> str:
    """``1 cell``, ``2 cells``."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def age_in_words(age: timedelta) -> str:
    """``12 hours``, ``1 day``; whole hours, as a policy gives them."""
    hours = int(age.total_seconds() // 3600)
    return plural(hours // _DAY, "day") if hours and hours % _DAY == 0 else plural(hours, "hour")
