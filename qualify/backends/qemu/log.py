# SPDX-License-Identifier: Apache-2.0
"""One kernel's log, by what its records mean. The schema says which words mean what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from qualify.machine.vm.console import Line
from qualify.schema import LogMessage, Meaning
from qualify.schema import match as match_messages

__all__ = ["Entry", "KernelLog"]

_NOISE = {Meaning.BOOT_BANNER, Meaning.HANDLERS_REGISTERED}


@dataclass(frozen=True)
class Entry:
    """One record that means something."""

    text: str
    means: Meaning
    groups: Mapping[str, str]


@dataclass(frozen=True)
class KernelLog:
    """The records of one boot."""

    entries: tuple[Entry, ...]
    lines: tuple[str, ...]

    @classmethod
    def of_boot(cls, lines: Iterable[Line], boot: int, messages: Sequence[LogMessage]) -> KernelLog:
        """Records of the boot with that number. Lines without the kernel's time are no records."""
        own = tuple(line.text for line in lines if line.boot == boot and line.seconds is not None)
        entries = [
            Entry(text, found.message.means, found.groups) for text in own for found in match_messages(messages, text)
        ]
        return cls(tuple(entries), own)

    def of(self, *meanings: Meaning) -> tuple[Entry, ...]:
        """The records that mean one of these."""
        return tuple(e for e in self.entries if e.means in meanings)

    def named(self, meaning: Meaning, name: str) -> bool:
        """Whether a record says this of that name."""
        return any(e.means is meaning and e.groups.get("name") == name for e in self.entries)

    def about(self, name: str) -> tuple[str, ...]:
        """The kernel's words about a name."""
        return tuple(e.text for e in self.entries if e.groups.get("name") == name)

    @cached_property
    def telling(self) -> tuple[str, ...]:
        """Every record that means something, in the kernel's own words, once."""
        return tuple(dict.fromkeys(e.text for e in self.entries if e.means not in _NOISE))
