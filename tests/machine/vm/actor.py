#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Stands in for QEMU: takes its descriptors from the command line, then does one act after the other.

The acts are JSON in the file that QUALIFY_TEST_ACTS names.

It imports nothing of ours: it is a program of its own, at the other end of real pipes.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sys
import time


def main() -> None:
    if sys.argv[1:] == ["--version"]:
        sys.stdout.write("QEMU emulator version 0 (actor)\n")
        return
    words = " ".join(sys.argv)
    fds = {name: int(re.search(pattern, words)[1]) for name, pattern in PATTERNS.items()}  # type: ignore[index]
    control = socket.socket(fileno=fds["control"])
    with open(os.environ["QUALIFY_TEST_ACTS"]) as file:
        acts = json.load(file)
    for act in acts:
        play(act, fds, control)


PATTERNS = {"console": r"fd=(\d+),set=1", "port": r"fd=(\d+),set=2", "control": r"id=control,fd=(\d+)"}


def play(act: list[str], fds: dict[str, int], control: socket.socket) -> None:
    match act:
        case ["console" | "port" as where, text]:
            data = text.encode("latin-1")
            while data:
                try:
                    data = data[os.write(fds[where], data) :]
                except BlockingIOError:
                    time.sleep(0.005)
        case ["greet"]:
            control.setblocking(True)
            send(control, {"QMP": {"version": {"qemu": {"major": 7, "minor": 2, "micro": 0}}, "capabilities": []}})
            control.recv(4096)  # capabilities; without an end of a line
            send(control, {"return": {}})
        case ["event", name, guest, reason]:
            data = {"guest": guest == "guest", "reason": reason}
            send(control, {"event": name, "data": data, "timestamp": {"seconds": 1, "microseconds": 0}})
        case ["say", text]:
            sys.stderr.write(text)
            sys.stderr.flush()
        case ["pid", path]:
            with open(path, "w") as file:
                file.write(str(os.getpid()))
        case ["fork"]:  # a process of its own that does not end with it
            if os.fork() == 0:
                time.sleep(600)
        case ["deaf"]:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        case ["sleep", seconds]:
            time.sleep(float(seconds))
        case ["signal", number]:
            os.kill(os.getpid(), int(number))
        case ["exit", status]:
            os._exit(int(status))


def send(control: socket.socket, what: object) -> None:
    control.sendall(json.dumps(what).encode() + b"\r\n")


if __name__ == "__main__":
    main()
