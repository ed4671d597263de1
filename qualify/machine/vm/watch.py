# SPDX-License-Identifier: Apache-2.0
"""What a machine does, as it comes in, until it is clear how it ended. Does no input or output, has no clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from qualify.agent import Record, RecordReader
from qualify.machine.vm.console import ConsoleReader, Line
from qualify.machine.vm.ending import End, Ending, Phase
from qualify.schema import LogMessage, Meaning
from qualify.schema import match as match_messages

__all__ = ["Patience", "Watch"]

_MUCH_SLOWER = 10  # the banner comes early in a boot, and the source's time is that of a whole one
_LAST_STAGE = {"target", "probe"}


@dataclass(frozen=True)
class Patience:
    """Seconds to wait: for a kernel until its agent speaks, for the next record of an agent, after a panic.

    `word`: after a jump, until the banner of the target's kernel; more where the source was slow to boot.
    """

    boot: float = 20.0
    record: float = 20.0
    panic: float = 3.0
    word: float = 5.0

    def times(self, factor: float) -> Patience:
        return Patience(self.boot * factor, self.record * factor, self.panic * factor, self.word * factor)

    def first_word(self, source_boot: float) -> float:
        """Until the banner of a target whose source took `source_boot` seconds to boot on the same machine."""
        return min(self.boot, max(self.word, _MUCH_SLOWER * source_boot))


class Watch:
    """Feed it; it is over when `ending` is set. Times are seconds since the start of the machine.

    `crash`: the jump is a panic of the first kernel, which is therefore no end.
    """

    def __init__(self, messages: Sequence[LogMessage], patience: Patience, *, crash: bool = False) -> None:
        self._messages = messages
        self._patience = patience
        self._crash = crash
        self._console, self._port = ConsoleReader(), RecordReader()
        self._heard = False
        self._banners = 0
        self._seen: dict[Meaning, str] = {}  # what speaks against the running kernel, in its own words
        self._stage = ""
        self._silence = 0.0  # seconds that a target is given for its first word; 0 before the jump and once it spoke
        self.phase = Phase.BOOT
        self.lines: list[Line] = []
        self.records: list[Record] = []
        self.times: dict[str, float] = {}
        self.deadline = patience.boot
        self.ending: Ending | None = None
        self.cut = False  # set by close(): the last of `damage` is a record that the machine did not live to finish

    @property
    def damage(self) -> Sequence[str]:
        """What of the agent's words did not arrive as it was sent."""
        return self._port.damage

    @property
    def last_words(self) -> str:
        """The last line on the console, and whose it is."""
        last = next((line.text for line in reversed(self.lines) if line.text.strip()), "")
        return f"the last line of the kernel is: {last}" if last else "its kernel has said nothing"

    def console(self, data: bytes, now: float) -> None:
        """Bytes of the serial console."""
        self._heard |= bool(data)
        for line in self._console.feed(data):
            self._line(line, now)

    def port(self, data: bytes, now: float) -> None:
        """Bytes of the agent's port."""
        self._heard |= bool(data)
        for record in self._port.feed(data):
            self.records.append(record)
            self._record(record, now)

    def reset(self) -> None:
        """The machine reset itself or switched itself off."""
        self._over(End.RESET, "the machine was reset without a word from the kernel")

    def died(self, detail: str) -> None:
        """The process ended by itself."""
        self._over(End.QEMU_DIED, detail)

    def expired(self) -> None:
        """`deadline` has passed."""
        if self.phase is Phase.BOOT and not self._heard:
            self._end(End.SILENT, "nothing came on the serial port")
        else:
            self._over(End.HANG, f"nothing more came; {self.last_words}", self._silence)

    def close(self) -> None:
        """No more input: what is left of a line counts as one; half a record is damage if the agent was not done."""
        for line in self._console.rest():
            self.lines.append(replace(line, boot=max(self._banners - 1, 0)))
        if self.ending is not None and self.ending.end not in _TOLD:
            whole = len(self.damage)
            self._port.close()
            self.cut = len(self.damage) > whole

    def _line(self, line: Line, now: float) -> None:
        found = match_messages(self._messages, line.text) if line.text else ()
        means = {m.message.means for m in found}
        if Meaning.BOOT_BANNER in means:
            self._banners += 1
            self.times["word"] = now
            if Meaning.PANIC in self._seen:  # it started a crash kernel, which has yet to boot
                self.deadline = now + self._patience.boot
            elif self._silence:
                self.deadline = self.times["jump"] + self._patience.boot
            self._silence = 0.0
            self._seen.clear()
        self.lines.append(replace(line, boot=max(self._banners - 1, 0)))
        if self._crash and self.phase.after_jump and self._banners < 2:
            return  # the panic that was asked for
        for meaning in means & _AGAINST:
            if meaning not in self._seen:
                self._seen[meaning] = line.text
                if meaning is Meaning.PANIC:
                    self.deadline = now + self._patience.panic  # for the rest of what it says

    def _record(self, record: Record, now: float) -> None:
        match record.kind:
            case "hello":
                self._stage = str(record.fields.get("stage", ""))
                self.phase = Phase.TARGET_WORK if self.phase.after_jump else Phase.WORK
                self.times["target boot" if self.phase.after_jump else "boot"] = now
            case "jump":
                self.phase = Phase.TARGET_BOOT
                self.times["jump"] = now
                if self._banners < 2:  # else its banner was read before this record
                    self._silence = self._patience.first_word(self.times.get("boot", 0.0))
                if self._crash and self._banners < 2:
                    self._seen.clear()  # its panic can be read before its last record: these are two streams
            case "jump-failed":
                self.phase = Phase.WORK  # the source said no, and is still there
                self.times.pop("jump", None)
                self._silence = 0.0
            case "fail":
                self._end(End.AGENT_FAILED, f"{record.fields.get('what', '')} {record.fields.get('errno', '')}".strip())
            case "end":
                self.times["end"] = now
                self._end(End.FINISHED if self._stage in _LAST_STAGE else End.STAYED, "")
            case _:
                pass
        if Meaning.PANIC not in self._seen:
            booting = self._silence or self._patience.boot
            self.deadline = now + (booting if self.phase is Phase.TARGET_BOOT else self._patience.record)

    def _over(self, end: End, detail: str, silence: float = 0.0) -> None:
        """It came to an end by itself; what the kernel said last says why."""
        seen = self._seen
        if end is End.RESET and self.phase is Phase.BOOT and not self.lines and not self.records:
            return self._end(End.SILENT, f"nothing came on the serial port, and {detail}")
        if end is not End.QEMU_DIED:
            blamed = seen.get(Meaning.OOPS)
            if Meaning.NO_INIT in seen:
                return self._end(End.AGENT_LOST, seen[Meaning.NO_INIT])
            if Meaning.OUT_OF_MEMORY in seen:
                return self._end(End.OUT_OF_MEMORY, seen[Meaning.OUT_OF_MEMORY])
            if Meaning.INIT_DIED in seen and not blamed:
                return self._end(End.AGENT_LOST, seen[Meaning.INIT_DIED])
            if blamed or Meaning.PANIC in seen:
                return self._end(End.PANIC, seen.get(Meaning.PANIC) or blamed or "")
            if end is End.RESET and Meaning.REBOOTING in seen:
                spoke = self.phase in (Phase.WORK, Phase.TARGET_WORK)
                return self._end(End.AGENT_LOST, f"{_RESTARTED[spoke]} ({seen[Meaning.REBOOTING]})")
        return self._end(end, detail, silence)

    def _end(self, end: End, detail: str, silence: float = 0.0) -> None:
        if self.ending is None:
            self.ending = Ending(end, self.phase, detail, silence)


_TOLD = {End.FINISHED, End.STAYED, End.AGENT_FAILED}  # the agent said that it is done
# A kernel that dies does not restart in good order: its user space, that is the agent, asked for it.
_RESTARTED = (
    "it restarted the machine, having found no port to speak on; the kernel needs two 8250 serial ports, and its "
    "command line must leave them and qualify.port alone",
    "it restarted the machine before it was done",
)
_AGAINST = {
    *(Meaning.PANIC, Meaning.OOPS, Meaning.INIT_DIED, Meaning.OUT_OF_MEMORY, Meaning.NO_INIT),
    Meaning.REBOOTING,  # weighs least
}
