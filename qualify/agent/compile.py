# SPDX-License-Identifier: Apache-2.0
"""The agent's binary: compiled on demand with the host's C compiler, cached by what went into it."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

from platformdirs import user_cache_path

from qualify.errors import HarnessError

__all__ = ["FLAGS", "SOURCES", "agent_binary", "agent_sources", "find_compiler"]

SOURCES = Path(__file__).parent / "guest"
FLAGS = ("-std=c11", "-O2", "-Wall", "-Wextra", "-static", "-s")
_NAMES = ("cc", "gcc", "clang")
_SELFTEST = "selftest.c"  # a main of its own, for tests on the host
_TIMEOUT = 300  # seconds
_HINT = "install a C compiler and a static C library (Debian: apt install gcc libc6-dev), or name a compiler in $CC"


def agent_sources() -> tuple[Path, ...]:
    """What the agent is compiled from, headers too."""
    found = sorted(p for p in SOURCES.iterdir() if p.suffix in {".c", ".h"} and p.name != _SELFTEST)
    if not found:
        raise HarnessError(f"{SOURCES}: the sources of the guest agent are not there; is qualify installed whole?")
    return tuple(found)


def find_compiler(compiler: str | None = None) -> list[str]:
    """The command: the one given, $CC, cc, gcc or clang. HarnessError without one."""
    named = compiler or os.environ.get("CC", "")
    for name in (named,) if named.strip() else _NAMES:
        command = shlex.split(name)
        if command and (path := shutil.which(command[0])):
            return [path, *command[1:]]
    raise HarnessError(f"no C compiler ({named or ', '.join(_NAMES)}) to build the guest agent with; {_HINT}")


def agent_binary(cache: Path | None = None, compiler: str | None = None) -> Path:
    """The static binary, compiled unless the cache has it. `cache` is a folder, by default the user's.

    HarnessError when there is no compiler, when it fails (its message is told), or when the cache cannot be written.
    """
    command, sources = find_compiler(compiler), agent_sources()
    folder = cache if cache is not None else user_cache_path("qualify") / "agent"
    path = folder / f"agent-{_digest(command, sources)}"
    if path.is_file():
        return path
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # compiled beside and renamed: whoever comes second replaces a whole binary with an equal one
        with tempfile.TemporaryDirectory(dir=folder, prefix=".compile-") as work:
            made = Path(work) / "agent"
            _compile(command, sources, made)
            os.replace(made, path)
    except OSError as error:
        raise HarnessError(f"cannot keep the guest agent in {folder}: {error}") from error
    return path


def _digest(command: list[str], sources: tuple[Path, ...]) -> str:
    digest = hashlib.sha256()
    for part in (*FLAGS, *command, _identity(command)):
        digest.update(part.encode() + b"\0")
    for source in sources:
        data = source.read_bytes()
        digest.update(f"{source.name}\0{len(data)}\0".encode() + data)
    return digest.hexdigest()[:32]


def _identity(command: list[str]) -> str:
    """What the compiler says of itself: an upgrade is another compiler."""
    return _run([*command, "--version"]) + _run([*command, "-dumpmachine"])


def _compile(command: list[str], sources: tuple[Path, ...], to: Path) -> None:
    _run([*command, *FLAGS, "-o", str(to), *(str(s) for s in sources if s.suffix == ".c")])


def _run(command: list[str]) -> str:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HarnessError(f"the C compiler cannot be run: {error}; {_HINT}") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise HarnessError(f"cannot build the guest agent: {shlex.join(command)} failed; {_HINT}\n{said}")
    return done.stdout
