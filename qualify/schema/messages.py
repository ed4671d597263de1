# SPDX-License-Identifier: Apache-2.0
"""What a kernel says in its log that nothing else tells: one regular expression per wording, and what it means.

They are matched on the text of kernel log records, never on what a program of ours prints. Where another interface
tells the same (errno, debugfs, contents), that one is believed.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from pydantic import field_validator, model_validator

from qualify.schema.base import Frozen, Provenance

__all__ = ["GROUPS", "Level", "LogMessage", "Match", "Meaning", "match"]


class Meaning(enum.StrEnum):
    """What a record says. Several wordings may mean one thing, and one record several things."""

    KHO_FOUND = "kho-found"  # the root FDT was accepted
    KHO_REFUSED = "kho-refused"  # something was handed over and the root FDT, scratch or map was not accepted
    KHO_IGNORED = "kho-ignored"  # something was handed over to a kernel without KHO
    KHO_DISABLED_KDUMP = "kho-disabled-kdump"
    KHO_NO_SCRATCH = "kho-no-scratch"  # as a source it cannot hand over anything
    KHO_BROKEN_SUBNODE = "kho-broken-subnode"
    KHO_MAP_UNREADABLE = "kho-map-unreadable"  # accepted, but the map does not hold the page of the FDT or is missing
    REGION_REVIVED = "region-revived"
    REGION_DIFFERS = "region-differs"  # handed over, but otherwise than asked for, or not under this name
    REGION_NOT_ALLOCATED = "region-not-allocated"  # neither revived nor allocated afresh
    REGIONS_NOT_PRESERVED = "regions-not-preserved"  # as a source it hands over none: one lies in scratch
    METADATA_READ = "metadata-read"
    METADATA_REFUSED = "metadata-refused"
    LUO_FOUND = "luo-found"
    LUO_REFUSED = "luo-refused"  # an early reader of LUO gives up: a panic follows
    LUO_DISABLED = "luo-disabled"  # because KHO is
    TABLE_REFUSED = "table-refused"  # a list of blocks: early (a panic follows) or at the first open
    NO_HANDLER = "no-handler"  # a file of a type that nobody registered
    SESSION_REFUSED = "session-refused"
    FILE_REFUSED = "file-refused"  # a memfd cannot be put together again
    FLB_PRESERVED = "flb-preserved"  # on a source
    FLB_FOUND = "flb-found"
    FLB_WRONG = "flb-wrong"  # its data is not what the test preserved
    FLB_FAILED = "flb-failed"
    HANDLERS_REGISTERED = "handlers-registered"
    KHO_TEST_RESTORED = "kho-test-restored"
    KHO_TEST_FAILED = "kho-test-failed"
    PANIC = "panic"
    OOPS = "oops"
    WARNING = "warning"
    INIT_DIED = "init-died"
    OUT_OF_MEMORY = "out-of-memory"
    REBOOTING = "rebooting"
    KEXEC_STARTING = "kexec-starting"
    BOOT_BANNER = "boot-banner"
    INITRD_CORRUPT = "initrd-corrupt"  # ours to mend, no finding about a kernel
    NO_INIT = "no-init"  # the same


# What a match holds besides its meaning: every message of that meaning captures these groups.
GROUPS: Mapping[Meaning, frozenset[str]] = {
    Meaning.KHO_BROKEN_SUBNODE: frozenset({"name"}),
    Meaning.REGION_REVIVED: frozenset({"name"}),
    Meaning.METADATA_READ: frozenset({"release", "count"}),
    Meaning.NO_HANDLER: frozenset({"compatible"}),
    Meaning.SESSION_REFUSED: frozenset({"name"}),
    Meaning.FLB_PRESERVED: frozenset({"name"}),
    Meaning.FLB_FOUND: frozenset({"name"}),
    Meaning.FLB_WRONG: frozenset({"name"}),
    Meaning.FLB_FAILED: frozenset({"name"}),
    Meaning.HANDLERS_REGISTERED: frozenset({"count", "compatible"}),
    Meaning.PANIC: frozenset({"why"}),
    Meaning.OOPS: frozenset({"why"}),
    Meaning.WARNING: frozenset({"where", "function"}),
    Meaning.BOOT_BANNER: frozenset({"release"}),
}


class Level(enum.StrEnum):
    """The kernel's log levels, most urgent first."""

    EMERG = "emerg"
    ALERT = "alert"
    CRIT = "crit"
    ERR = "err"
    WARN = "warn"
    NOTICE = "notice"
    INFO = "info"
    DEBUG = "debug"


class LogMessage(Frozen):
    """One wording of one kernel log record.

    `pattern` is a Python regular expression over the record's text, without time stamp and level; it starts with ``^``,
    so that a record which only quotes another is none of its kind. `level` is what the kernel logs it at: a hint for
    people and for choosing a console level, not compared.
    """

    id: str
    means: Meaning
    pattern: str
    level: Level | None = None
    text: str = ""
    provenance: Provenance

    @field_validator("pattern")
    @classmethod
    def _is_a_pattern(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"is no regular expression: {error}") from None
        if not value.startswith("^"):
            raise ValueError("must start with '^': a record that only quotes another must not match")
        return value

    @model_validator(mode="after")
    def _captures_what_it_means(self) -> LogMessage:
        missing = GROUPS.get(self.means, frozenset()) - re.compile(self.pattern).groupindex.keys()
        if missing:
            wanted = ", ".join(f"(?P<{name}>…)" for name in sorted(missing))
            raise ValueError(f"a message that means '{self.means}' must capture {wanted}")
        return self


@dataclass(frozen=True)
class Match:
    """What a record says, and what was captured; a group that took no part is ''."""

    message: LogMessage
    groups: Mapping[str, str]

    @property
    def means(self) -> Meaning:
        """What the record says."""
        return self.message.means


def match(messages: Iterable[LogMessage], text: str) -> tuple[Match, ...]:
    """What one kernel log record says, in the order of `messages`; nothing for most records.

    `text` is the record without time stamp and level; line ends and blanks behind it do not matter.
    """
    record = text.rstrip()
    found = ((message, _compiled(message.pattern).match(record)) for message in messages)
    return tuple(Match(m, {k: v or "" for k, v in hit.groupdict().items()}) for m, hit in found if hit is not None)


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)
