# SPDX-License-Identifier: Apache-2.0
"""The agent's C parts on the host, with sanitizers where the compiler has them."""

from __future__ import annotations

import functools
import os
import struct
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from qualify.agent.compile import SOURCES, find_compiler
from qualify.errors import HarnessError

__all__ = ["run"]

_STRICT = ["-std=c11", "-O1", "-g", "-Wall", "-Wextra", "-Werror"]
_SANITIZED = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
_WORK = tempfile.TemporaryDirectory(prefix="qualify-selftest-")


@functools.cache
def _binary() -> Path | None:
    try:
        compiler = find_compiler()
    except HarnessError:
        return None
    path = Path(_WORK.name) / "selftest"
    sources = sorted(str(p) for p in SOURCES.glob("*.c") if p.name != "main.c")
    for flags in ([*_STRICT, *_SANITIZED], _STRICT):
        done = subprocess.run(
            [*compiler, *flags, "-o", str(path), *sources], capture_output=True, text=True, check=False
        )
        if not done.returncode:
            return path
    raise AssertionError(done.stderr)


def run(mode: str, *args: object, inputs: Iterable[bytes] = ()) -> bytes:
    """What a mode of guest/selftest.c prints. Skips without a compiler; fails when a sanitizer complains."""
    binary = _binary()
    if binary is None:
        pytest.skip("no C compiler")
    data = b"".join(struct.pack("=I", len(i)) + i for i in inputs)
    environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0:allow_user_segv_handler=1"}
    command = [str(binary), mode, *map(str, args)]
    done = subprocess.run(command, input=data, capture_output=True, check=False, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    assert not done.stderr
    return done.stdout
