# SPDX-License-Identifier: Apache-2.0
"""How a machine ended -> a finding about the kernels, or one about us. The two never mix. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from qualify.agent import Record
from qualify.backends.qemu.answers import Side
from qualify.errors import CellTimeoutError, HarnessError
from qualify.machine.vm import Boot, End, Ending

__all__ = ["Control", "blame", "check_harness", "check_made", "check_release", "is_suspect"]

_NO_MEMORY = {"ENOMEM", "ENOSPC"}
_SUSPECT = {End.PANIC, End.RESET, End.HANG, End.OUT_OF_MEMORY}
_SILENT = (
    "the kernel wrote nothing to its serial console: it needs CONFIG_SERIAL_8250_CONSOLE, and nothing in its "
    "command line may take console=ttyS0 away"
)


def is_suspect(ending: Ending) -> bool:
    """Whether the target died in a way that its handover can be to blame for. A control run must say."""
    return ending.phase.after_jump and ending.end in _SUSPECT


def check_harness(boot: Boot, source: str, target: str) -> None:
    """Raise HarnessError or CellTimeoutError when this boot says nothing about a handover."""
    ending = boot.ending
    where = f"target {target}" if ending.phase.after_jump else f"source {source}"
    # what died after the jump may leave half a record; everything before it is whole
    damage = boot.damage[:-1] if boot.cut and is_suspect(ending) else boot.damage
    if damage and ending.end is not End.QEMU_DIED:
        raise HarnessError(f"{len(damage)} records of the agent were damaged on their way: {damage[0]}")
    match ending.end:
        case End.QEMU_DIED:
            raise HarnessError(f"{where} ({ending.phase}): {ending.detail}")
        case End.SILENT:
            raise HarnessError(f"{where}: {ending.detail}: {_SILENT}")
        case End.AGENT_LOST:
            raise HarnessError(f"{where}: the agent was lost, and no kernel is to blame: {ending.detail}")
        case End.AGENT_FAILED:
            raise HarnessError(f"{where}: the agent cannot go on: {ending.detail}")
        case End.HANG if not ending.phase.after_jump:
            raise CellTimeoutError(f"{where} ({ending.phase}): {ending.detail}")
        case End.OUT_OF_MEMORY if not ending.phase.after_jump:
            raise HarnessError(
                f"{where} ran out of memory; the scenario's host.ram is too small for it: {ending.detail}"
            )
        case End.PANIC | End.RESET if not ending.phase.after_jump:
            raise HarnessError(f"{where} died before the jump ({ending.phase}): {ending.detail}")
        case End.STAYED if not any(_is_refusal(r) for r in boot.records):
            raise HarnessError(f"{where}: the agent ended without a jump and without a word why")
        case _:
            pass
    if boot.records and not any(line.seconds is not None for line in boot.lines):
        raise HarnessError(f"source {source}: {_SILENT}")


def _is_refusal(record: Record) -> bool:
    return record.kind == "jump-failed" or (record.kind == "load" and bool(record.fields.get("errno")))


def check_made(source: Side, label: str) -> None:
    """Raise HarnessError when a file could not even be made for want of memory: the machine was given too little."""
    for (_, token), fields in source.files.items():
        if fields.get("made") in _NO_MEMORY:
            raise HarnessError(
                f"source {label} has no memory for the file {token:#x} ({fields.get('step', '')}: {fields['made']}); "
                "the scenario's host.ram is too small for it"
            )


def check_release(called: str, version: str, label: str, folder: str) -> None:
    """Raise HarnessError when a kernel is not the release that it stands for."""
    if re.match(rf"{re.escape(version)}(?![0-9A-Za-z]|\.[0-9])", called):  # 7.1.13-ours, and not 7.1.130 or 7.1.13.1
        return
    raise HarnessError(
        f"the kernel in {folder} calls itself {called}, and stands for release {label} (version {version}); "
        "see: qualify kernel show"
    )


@dataclass(frozen=True)
class Control:
    """How a target ended without a handover. `word`: seconds from the jump to its banner, None if it said nothing."""

    ending: Ending
    word: float | None = None

    @classmethod
    def of(cls, boot: Boot) -> Self:
        word = boot.times.get("word", 0.0) - boot.times.get("jump", 0.0)
        return cls(boot.ending, word if word > 0 else None)


def blame(ending: Ending, control: Control, target: str) -> str:
    """Why the target died on its handover, given how the same target ended without one.

    CellTimeoutError or HarnessError when the control run shows that the handover is not to blame.
    """
    if control.ending.end is not End.FINISHED:
        text = (
            f"target {target} ended so: {ending.end}: {ending.detail}; without any handover it ended so: "
            f"{control.ending.end}: {control.ending.detail}"
        )
        if control.word is None:
            text += f": {_SILENT}"
        raise CellTimeoutError(text) if ending.end is End.HANG else HarnessError(text)
    if ending.silence and control.word is not None and control.word > ending.silence:
        raise CellTimeoutError(
            f"target {target} said nothing within {ending.silence:.0f} s of the jump; without any handover its first "
            f"word took {control.word:.0f} s, so it may have needed more"
        )
    match ending.end:
        case End.HANG:
            return f"hung ({ending.phase}), while the same kernel boots without a handover; {ending.detail}"
        case End.RESET:
            return f"reset itself ({ending.phase}) without a word, while the same kernel boots without a handover"
        case _:
            return ending.detail
