# SPDX-License-Identifier: Apache-2.0
"""One machine from start to end: QEMU, its ports and QMP events, until it is clear how it ended."""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import os
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

CONSOLE_LOG, RECORDS_LOG, MACHINE_FILE = "serial.log", "records.log", "machine.json"
_CHUNK = 1 << 16
_PIPE_BYTES = 1 << 20  # what anybody may ask for
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

    HarnessError: QEMU is not there or does not start. The process is gone when this returns, however it does.
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
        errors = stack.enter_context((workdir / "qemu.log").open("wb+"))
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
        asyncio.run(_watch(process, [p.out for p in pipes], ours, files, watch, workdir))
    watch.close()
    if (workdir / "qemu.log").stat().st_size == 0:
        (workdir / "qemu.log").unlink()
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
    tasks = [
        asyncio.create_task(_read(pipes[0], files[0], "console", items)),
        asyncio.create_task(_read(pipes[1], files[1], "port", items)),
        asyncio.create_task(_events(control, items)),
        asyncio.create_task(_exit(process, items)),
    ]
    try:
        while watch.ending is None:
            came = await _some(items, watch.deadline - (loop.time() - started))
            now = loop.time() - started
            gone = _feed(came, watch, now)
            if gone:  # a reset or the end of the process: only once all it has said has been read
                await asyncio.wait(tasks[:3], timeout=_GRACE)
                gone += _feed(_rest(items), watch, now)
                broken = [value for what, value in gone if what == "exit"]
                if broken:
                    watch.died(broken[0] + _said(workdir))
                else:
                    watch.reset()
            elif watch.deadline <= now:
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
            file.write(data)
            items.put_nowait((what, data))
    except OSError as error:  # the disk is full, most likely: nobody would keep the evidence
        items.put_nowait(("error", HarnessError(f"cannot keep what the machine says: {error}")))
    finally:
        loop.remove_reader(source)


async def _events(control: socket.socket, items: asyncio.Queue[_Item]) -> None:
    """QMP: why the machine stopped, where it says so before the process ends."""
    qmp = _client()
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
                    items.put_nowait(("exit", f"QEMU was ended from outside ({data.get('reason', 'unknown')})"))
        finally:
            over.cancel()
            await qmp.disconnect()


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
        how = f"signal {-status}" if status < 0 else f"exit status {status}"
        items.put_nowait(("exit", f"QEMU ended with {how}") if status else ("reset", None))
    finally:
        loop.remove_reader(handle)
        os.close(handle)


def _said(workdir: Path) -> str:
    """Its own last words behind a colon, ''."""
    lines = (workdir / "qemu.log").read_text(errors="backslashreplace").strip().splitlines()
    return f": {lines[-1]}" if lines else ""
