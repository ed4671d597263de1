# SPDX-License-Identifier: Apache-2.0
"""How far a machine came and how it ended: facts about one boot, before anybody says what they mean."""

from __future__ import annotations

import enum
from dataclasses import dataclass

__all__ = ["End", "Ending", "Phase"]


class Phase(enum.StrEnum):
    """Where a machine was. One that is not to jump has only the first two."""

    BOOT = "boot"  # the first kernel, until its agent speaks
    WORK = "work"  # the agent there
    TARGET_BOOT = "target boot"  # from the jump until the agent speaks again
    TARGET_WORK = "target work"

    @property
    def after_jump(self) -> bool:
        return self in (Phase.TARGET_BOOT, Phase.TARGET_WORK)


class End(enum.StrEnum):
    """Why a machine is no more."""

    FINISHED = "finished"  # the agent of the last kernel said that it is done
    STAYED = "stayed"  # the agent of the first kernel is done and did not jump
    PANIC = "panic"  # a panic, or an oops after which nothing came any more
    RESET = "reset"  # the processor was reset without a word from the kernel: triple fault, early reset
    HANG = "hang"  # nothing came in time
    SILENT = "silent"  # nothing at all came on the serial port
    OUT_OF_MEMORY = "out of memory"  # the guest's, not the host's
    AGENT_LOST = "agent lost"  # the agent died and no kernel is to blame, or it was never found
    AGENT_FAILED = "agent failed"  # it said itself that it cannot go on
    QEMU_DIED = "QEMU died"


@dataclass(frozen=True)
class Ending:
    """`detail` is one line: the kernel's words where it had some.

    `silence`: seconds after the jump when a target was given up that had not said a word; 0 for every other end.
    """

    end: End
    phase: Phase
    detail: str = ""
    silence: float = 0.0
