# SPDX-License-Identifier: Apache-2.0
"""One way that one step of LUO can go."""

from __future__ import annotations

from dataclasses import dataclass

from qualify.compat.stage import Fate, Option

__all__ = ["Turn", "go_on", "stop"]


@dataclass(frozen=True, slots=True)
class Turn:
    """`option` ends the walk; without one it goes on, with these objects settled."""

    condition: str = ""
    option: Option | None = None
    fates: tuple[Fate, ...] = ()


def go_on() -> tuple[Turn, ...]:
    """Nothing to say here."""
    return (Turn(),)


def stop(option: Option) -> tuple[Turn, ...]:
    """The walk ends, whatever else."""
    return (Turn(option=option),)
