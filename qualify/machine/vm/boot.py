# SPDX-License-Identifier: Apache-2.0
"""One machine from start to end: QEMU, its ports and QMP events, until it is clear how it ended."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import json
import logging
import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qualify.agent import Record
from qualify.errors import HarnessError
from qualify.machine.child import end, spawn
from qualify.machine.vm.accel import accelerator
from qualify.machine.vm.console import Line
from qualify.machine.vm.ending import Ending
from qualify.machine.vm.qemu import Machine, arguments, find_qemu, qemu_version
from qualify.machine.vm.watch import Patience, Watch
from qualify.schema import LogMessage

__all__ = ["CONSOLE_LOG", "MACHINE_FILE", "RECORDS_LOG", "Boot", "Patience", "boot"]

CONSOLE_LOG, RECORDS_LOG, MACHINE_FILE, QEMU_LOG = "serial.log", "records.log", "machine.json", "qemu.log"
_ASKED_TO_END = "terminating on signal "
_CHUNK = 1 << 16
_PIPE_BYTES = 1 << 20  # what anybody may ask for
_ANSWER = 10.0  # seconds for QEMU to say how its machine is
_GRACE = 2.0  # seconds for what is still on its way once QEMU has ended
_ROUNDS = 2 * _PIPE_BYTES // _CHUNK + 8  # of the event loop, to read two full pipes

_Item = tuple[str, Any]


@dataclass(frozen=True)
class Boot:
    """What came of one machine. `times`: seconds from its start to `boot`, `jump`, `target boot` and `end`.

    `cut`: the last of `damage` is a record that the machine did not live to finish.
    """

    ending: Ending
    records: tuple[Record, ...]
    damage: tuple[str, ...]
    lines: tuple[Line, ...]
    times: dict[str, float]
    cut: bool = False


def boot(
    machine: Machine,
    messages: Sequence[LogMessage],
    workdir: Path,
    *,
    patience: Patience | None = None,
    crash: bool = False,
) -> Boot:
    """Run a machine until it ends, and end it if it does not. It writes serial.log, records.log and machine.json.

    HarnessError: QEMU is not there or does not start. The process is gone when this returns, however it does. An
    exception that ends it early gets a note of what was waited for.
    """
    program = find_qemu()
    accel = accelerator(program)
    watch = Watch(messages, patience or Patience().times(accel.patience), crash=crash)
    with ExitStack() as stack:
        pipes = [stack.enter_context(_pipe()) for _ in range(2)]
        ours, theirs = stack.enter_context(_connected())
        console, port, control = pipes[0].into, pipes[1].into, theirs.fileno()
        argv = arguments(program, machine, accel, console=console, port=port, control=control)
        about = {"qemu": qemu_version(program), "accelerator": accel.name, "why": accel.why, "command": argv}
        (workdir / MACHINE_FILE).write_text(json.dumps(about, indent=1) + "\n")
        errors = stack.enter_context((workdir / QEMU_LOG).open("wb+"))
        fds = (console, port, control)
        try:
            process = spawn(argv, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors, pass_fds=fds)
        except OSError as error:
            raise HarnessError(f"{program} does not start: {error}") from error
        stack.callback(end, process, 0)  # nothing in it is worth a farewell
        theirs.close()
        for pipe in pipes:
            pipe.close_into()
        files = [stack.enter_context((workdir / name).open("wb", buffering=0)) for name in (CONSOLE_LOG, RECORDS_LOG)]
        try:
            asyncio.run(_watch(process, [p.out for p in pipes], ours, files, watch, workdir))
        except BaseException as error:  # whatever limits the time of a cell: say what was waited for
            error.add_note(f"the machine was at its {watch.phase}; {watch.last_words}")
            raise
    watch.close()
    if (workdir / QEMU_LOG).stat().st_size == 0:
        (workdir / QEMU_LOG).unlink()
    assert watch.ending is not None
    said = tuple(watch.records), tuple(watch.damage), tuple(watch.lines)
    return Boot(watch.ending, *said, watch.times, watch.cut)


@dataclass
class _Pipe:
    """Descriptors of both ends; -1 once closed."""

    out: int
    into: int

    def close_into(self) -> None:
        if self.into >= 0:
            os.close(self.into)
        self.into = -1


@contextmanager
def _pipe() -> Iterator[_Pipe]:
    """As large as a pipe may be: a whole boot's log fits while this process waits for a processor."""
    pipe = _Pipe(*os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK))
    with suppress(OSError):
        fcntl.fcntl(pipe.into, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    try:
        yield pipe
    finally:
        pipe.close_into()
        os.close(pipe.out)


@contextmanager
def _connected() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Ours and QEMU's. No name in any file system, so nothing can be left over or be too long."""
    pair = socket.socketpair()
    with pair[0], pair[1]:
        pair[0].setblocking(False)
        yield pair


async def _watch(
    process: subprocess.Popen[bytes],
    pipes: Sequence[int],
    control: socket.socket,
    files: Sequence[Any],
    watch: Watch,
    workdir: Path,
) -> None:
    loop = asyncio.get_running_loop()
    items: asyncio.Queue[_Item] = asyncio.Queue()
    started = loop.time()
    qmp = _client()
    tasks = [
        asyncio.create_task(_read(pipes[0], files[0], "console", items)),
        asyncio.create_task(_read(pipes[1], files[1], "port", items)),
        asyncio.create_task(_events(qmp, control, items)),
        asyncio.create_task(_exit(process, items)),
    ]
    try:
        while watch.ending is None:
            came = await _some(items, watch.deadline - (loop.time() - started))
            now = loop.time() - started
            gone = _feed(came, watch, now)
            if gone:  # a reset or the end of the process: only once all it has said has been read
                await asyncio.wait(tasks, timeout=_GRACE)
                gone += _feed(_rest(items), watch, now)
                if died := _how_it_died(workdir, gone):
                    watch.died(died)
                else:
                    watch.reset()
            elif watch.deadline <= now:
                if why := await _not_running(qmp):
                    watch.died(why)
                watch.expired()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _some(items: asyncio.Queue[_Item], seconds: float) -> list[_Item]:
    """What has come, after at most so long."""
    try:
        return [await asyncio.wait_for(items.get(), max(seconds, 0.001)), *_rest(items)]
    except TimeoutError:  # perhaps of ours, for want of a processor: it may have spoken meanwhile
        for _ in range(_ROUNDS):
            await asyncio.sleep(0)
        return _rest(items)


def _rest(items: asyncio.Queue[_Item]) -> list[_Item]:
    return [items.get_nowait() for _ in range(items.qsize())]


def _feed(came: Sequence[_Item], watch: Watch, now: float) -> list[_Item]:
    """Give the watch what was said; the rest is how the machine ended. Raises what went wrong on our side."""
    gone: list[_Item] = []
    for what, value in came:
        match what:
            case "console":
                watch.console(value, now)
            case "port":
                watch.port(value, now)
            case "error":
                raise value
            case _:
                gone.append((what, value))
    return gone


async def _read(source: int, file: Any, what: str, items: asyncio.Queue[_Item]) -> None:
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(source, ready.set)
    try:
        while True:
            await ready.wait()
            ready.clear()
            try:
                data = os.read(source, _CHUNK)
            except BlockingIOError:
                continue
            if not data:
                return
            if file.write(data) != len(data):  # the last that there was room for
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            items.put_nowait((what, data))
    except OSError as error:  # the disk is full, most likely: nobody would keep the evidence
        hint = "free some room there, or name another folder for temporary files in TMPDIR"
        text = f"cannot keep what the machine says in {file.name}: {error.strerror}; {hint}"
        items.put_nowait(("error", HarnessError(text)))
    finally:
        loop.remove_reader(source)


async def _events(qmp: Any, control: socket.socket, items: asyncio.Queue[_Item]) -> None:
    """QMP: why the machine stopped, where it says so before the process ends."""
    # listening before there is a connection: what comes right after it would be missed. A process that ends takes the
    # connection with it: _exit() tells.
    with suppress(Exception), qmp.listener(("SHUTDOWN",)) as listener:
        await qmp.connect(control)
        over = asyncio.create_task(qmp.runstate_changed())  # a listener alone would wait for ever
        try:
            while not (over.done() and listener.empty()):
                event = asyncio.create_task(listener.get())
                await asyncio.wait({event, over}, return_when=asyncio.FIRST_COMPLETED)
                if not event.done():
                    event.cancel()
                elif (data := event.result()["data"]).get("guest"):
                    items.put_nowait(("reset", None))
                else:  # then its exit status is 0 as well
                    items.put_nowait(("asked", str(data.get("reason", "unknown"))))
        finally:
            over.cancel()
            await qmp.disconnect()


async def _not_running(qmp: Any) -> str:
    """Why a machine that says nothing cannot be held responsible for it: its QEMU does not run it; else ''."""
    try:
        found = await asyncio.wait_for(qmp.execute("query-status"), _ANSWER)
    except TimeoutError:
        return f"QEMU itself answered nothing for {_ANSWER:g} s: it was stopped, or this host is overloaded"
    except Exception:  # no connection: nothing is known
        return ""
    return "" if found.get("running") else f"QEMU no longer runs the machine: its state is {found.get('status')}"


def _client() -> Any:
    from qemu.qmp import QMPClient

    logging.getLogger("qemu.qmp").setLevel(logging.CRITICAL)
    return QMPClient("qualify")


async def _exit(process: subprocess.Popen[bytes], items: asyncio.Queue[_Item]) -> None:
    loop, gone = asyncio.get_running_loop(), asyncio.Event()
    handle = os.pidfd_open(process.pid)
    try:
        loop.add_reader(handle, gone.set)
        await gone.wait()
        status = process.wait()
        items.put_nowait(("exit", status))
    finally:
        loop.remove_reader(handle)
        os.close(handle)


def _how_it_died(workdir: Path, gone: Sequence[_Item]) -> str:
    """Why the process ended if that was no doing of the guest; '' for its reset, with which QEMU ends too.

    A signal that asks QEMU to end gives status 0 as well: only its own words, or its last event, tell the two apart
    (qemu_kill_report() in softmmu/runstate.c of 7.2).
    """
    said = (workdir / QEMU_LOG).read_text(errors="backslashreplace").strip().splitlines()
    status = next((value for what, value in gone if what == "exit"), 0)
    if asked := next((line for line in said if _ASKED_TO_END in line), ""):
        return f"QEMU was ended from outside: {asked}"
    if reason := next((value for what, value in gone if what == "asked"), ""):
        return f"QEMU was ended from outside ({reason})"
    if status == -signal.SIGKILL:
        return "QEMU was killed (signal 9): by somebody, or by this host because its memory was full (see dmesg)"
    if status == 0:
        return ""
    how = f"signal {-status}" if status < 0 else f"exit status {status}"
    return f"QEMU ended with {how}" + (f": {said[-1]}" if said else "")
