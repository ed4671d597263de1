# SPDX-License-Identifier: Apache-2.0
"""Who is to blame for a target that died: its handover, or whatever also stops it without one."""

from __future__ import annotations

import pytest

from qualify.backends.qemu.outcome import Control, blame, is_suspect
from qualify.errors import CellTimeoutError, HarnessError
from qualify.machine.vm import Boot, End, Ending, Phase

LIVED = Control(Ending(End.FINISHED, Phase.WORK), word=2.0)


def ended(end: End, phase: Phase = Phase.TARGET_BOOT) -> Ending:
    return Ending(end, phase, "the kernel's words")


@pytest.mark.parametrize("end", [End.HANG, End.RESET, End.PANIC, End.OUT_OF_MEMORY])
def test_it_dies_only_with_a_handover(end: End) -> None:
    assert is_suspect(ended(end))
    assert blame(ended(end), LIVED, "new")


@pytest.mark.parametrize("control", [End.HANG, End.SILENT, End.PANIC, End.QEMU_DIED, End.AGENT_LOST])
def test_it_dies_without_one_too(control: End) -> None:
    with pytest.raises(CellTimeoutError, match="without any handover it ended so: " + control.value):
        blame(ended(End.HANG), Control(ended(control, Phase.BOOT)), "new")
    with pytest.raises(HarnessError, match="target new ended so: reset") as caught:
        blame(ended(End.RESET), Control(ended(control, Phase.BOOT)), "new")
    assert not isinstance(caught.value, CellTimeoutError)


def test_a_silence_is_held_against_the_first_word_without_a_handover() -> None:
    silent = Ending(End.HANG, Phase.TARGET_BOOT, "nothing more came", silence=22.0)
    assert "hung" in blame(silent, Control(LIVED.ending, word=22.0), "new")
    with pytest.raises(CellTimeoutError, match=r"nothing within 22 s of the jump; .* first word took 23 s"):
        blame(silent, Control(LIVED.ending, word=23.0), "new")
    assert "hung" in blame(
        ended(End.HANG), Control(LIVED.ending, word=23.0), "new"
    )  # it spoke, and was given all its time


@pytest.mark.parametrize(
    "boot",
    [
        Boot(LIVED.ending, (), (), (), {"boot": 9.0, "word": 2.0}),
        Boot(LIVED.ending, (), (), (), {"boot": 3.0, "jump": 5.0, "word": 7.0}),
    ],
)
def test_the_first_word_counts_from_where_the_kernel_was_started(boot: Boot) -> None:
    assert Control.of(boot) == LIVED


@pytest.mark.parametrize("end", [End.QEMU_DIED, End.AGENT_LOST, End.AGENT_FAILED, End.SILENT])
def test_what_is_ours_is_never_suspected(end: End) -> None:
    assert not is_suspect(ended(end))


@pytest.mark.parametrize("end", list(End))
def test_before_the_jump_nothing_is(end: End) -> None:
    assert not is_suspect(ended(end, Phase.WORK))
