# SPDX-License-Identifier: Apache-2.0
"""Compilation on demand: cached, safe when many want it at once, and clear when it cannot be."""

from __future__ import annotations

import shutil
import struct
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from qualify.agent import agent_binary
from qualify.agent.compile import FLAGS, agent_sources, find_compiler
from qualify.errors import HarnessError

needs_cc = pytest.mark.skipif(not any(map(shutil.which, ("cc", "gcc", "clang"))), reason="no C compiler")


@needs_cc
def test_compiled_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(3) as pool:
        paths = set(pool.map(lambda _: agent_binary(tmp_path), range(3)))
    (path,) = paths
    assert path.read_bytes().startswith(b"\x7fELF")
    assert list(tmp_path.iterdir()) == [path], "nothing is left beside it"
    before = path.stat()
    assert agent_binary(tmp_path) == path
    assert path.stat().st_mtime_ns == before.st_mtime_ns


@needs_cc
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_no_warnings(compiler: str, tmp_path: Path) -> None:
    if not shutil.which(compiler):
        pytest.skip(f"no {compiler}")
    sources = [str(s) for s in agent_sources() if s.suffix == ".c"]
    subprocess.run([compiler, *FLAGS, "-Werror", "-o", str(tmp_path / "a"), *sources], check=True)


@needs_cc
def test_the_binary_is_static(tmp_path: Path) -> None:
    data = agent_binary(tmp_path).read_bytes()
    (headers,), (count,) = struct.unpack_from("=Q", data, 32), struct.unpack_from("=H", data, 56)  # of a 64-bit ELF
    kinds = {struct.unpack_from("=I", data, headers + 56 * i)[0] for i in range(count)}
    assert 1 in kinds, "PT_LOAD"
    assert 3 not in kinds, "PT_INTERP: a dynamic loader is wanted, and the initramfs has none"


def script(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_another_compiler_another_binary(tmp_path: Path) -> None:
    make = 'while [ "$1" != -o ]; do [ "$#" = 1 ] && {{ echo {}; exit; }}; shift; done; echo made > "$2"'
    first = agent_binary(tmp_path / "c", script(tmp_path / "cc", make.format("version 1")))
    assert first.read_text() == "made\n"
    second = agent_binary(tmp_path / "c", script(tmp_path / "cc", make.format("version 2")))
    assert first != second


def test_no_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(HarnessError, match=r"no C compiler \(cc, gcc, clang\).*apt install gcc libc6-dev"):
        agent_binary(tmp_path)
    monkeypatch.setenv("CC", "nosuchcc -m64")
    with pytest.raises(HarnessError, match=r"no C compiler \(nosuchcc -m64\)"):
        agent_binary(tmp_path)


def test_order_of_compilers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    for name in ("clang", "gcc", "cc"):
        path = script(tmp_path / name, "exit 0")
        assert find_compiler() == [path]
    monkeypatch.setenv("CC", "clang -m64")
    assert find_compiler() == [str(tmp_path / "clang"), "-m64"]
    assert find_compiler("gcc") == [str(tmp_path / "gcc")]


def test_a_compiler_that_fails(tmp_path: Path) -> None:
    text = '[ "$#" = 1 ] && exit 0; echo "ld: cannot find -lc" >&2; exit 1'
    with pytest.raises(HarnessError) as caught:
        agent_binary(tmp_path / "c", script(tmp_path / "cc", text))
    assert "ld: cannot find -lc" in str(caught.value)
    assert "libc6-dev" in str(caught.value)
    assert list((tmp_path / "c").iterdir()) == []


@needs_cc
def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HarnessError, match="cannot keep the guest agent in"):
        agent_binary(tmp_path / "file")
