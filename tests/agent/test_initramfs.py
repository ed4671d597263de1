# SPDX-License-Identifier: Apache-2.0
"""newc archives, read back by a reader of our own and by cpio."""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qualify.agent import Entry, write_newc
from qualify.errors import HarnessError

Read = dict[str, tuple[int, bytes]]


def read_newc(data: bytes) -> Read:
    """Entries of one archive; asserts what the format and our promises ask."""
    found: Read = {}
    at, inodes = 0, set[int]()
    while True:
        assert at % 4 == 0
        assert data[at : at + 6] == b"070701"
        fields = [int(data[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in range(13)]
        inode, mode, uid, gid, _, mtime, size, *_, name_size, check = fields
        name = data[at + 110 : at + 110 + name_size]
        assert name.endswith(b"\0")
        at += 110 + name_size
        at += -at % 4
        content, at = data[at : at + size], at + size
        assert len(content) == size
        at += -at % 4
        if name == b"TRAILER!!!\0":
            break
        assert (uid, gid, mtime, check) == (0, 0, 0, 0)
        assert inode not in inodes
        inodes.add(inode)
        assert name[:-1].decode() not in found
        found[name[:-1].decode()] = (mode, content)
    assert len(data) % 512 == 0
    assert not any(data[at:])
    return found


def test_entries(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(b"x" * 3_000_001)
    entries = [
        Entry("/init", 0o755, b"#!"),
        Entry("a/b/c", 0o600, tmp_path / "big"),
        Entry("a/d", 0o644, b""),
        Entry("dev", 0o700),
    ]
    data = write_newc(entries)
    found = read_newc(data)
    assert list(found) == ["init", "a", "a/b", "a/b/c", "a/d", "dev"]
    assert found["init"] == (0o100755, b"#!")
    assert found["a"] == found["a/b"] == (0o040755, b"")
    assert found["a/b/c"] == (0o100600, b"x" * 3_000_001)
    assert found["dev"] == (0o040700, b"")
    assert write_newc(entries) == data, "deterministic"
    stream = io.BytesIO()
    assert write_newc(entries, stream) is None
    assert stream.getvalue() == data


NAMES = st.text(st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), min_size=1, max_size=9)
PATHS = st.lists(NAMES.filter(lambda n: n not in (".", "..")), min_size=1, max_size=4).map("/".join)


@given(st.dictionaries(PATHS, st.binary(max_size=600), max_size=8))
def test_any_files(files: dict[str, bytes]) -> None:
    inner = {p for path in files for p in (path.rsplit("/", n)[0] for n in range(1, path.count("/") + 1))}
    files = {p: d for p, d in files.items() if p not in inner}
    found = read_newc(write_newc(Entry(p, 0o640, d) for p, d in files.items()))
    assert {p: d for p, (mode, d) in found.items() if mode == 0o100640} == files
    assert {p for p, (mode, _) in found.items() if mode == 0o040755} <= inner


@pytest.mark.skipif(not shutil.which("cpio"), reason="no cpio")
def test_cpio_reads_it(tmp_path: Path) -> None:
    data = write_newc([Entry("init", 0o755, b"1" * 513), Entry("x/y/z", 0o444, b"2"), Entry("empty")])
    subprocess.run(["cpio", "-id", "--quiet"], input=data, cwd=tmp_path, check=True)
    assert (tmp_path / "init").read_bytes() == b"1" * 513
    assert (tmp_path / "init").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "x/y/z").read_bytes() == b"2"
    assert (tmp_path / "empty").is_dir()


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        ([Entry("a", 0o644, b""), Entry("a", 0o644, b"")], "'a' is there twice"),
        ([Entry("a", 0o644, b""), Entry("a/b", 0o644, b"")], "'a' is a file, and 'a/b' is to lie in it"),
        ([Entry("a/b", 0o644, b""), Entry("a", 0o644, b"")], "'a' is there twice, or comes after"),
        ([Entry("../a", 0o644, b"")], "no path"),
        ([Entry("/", 0o644)], "no path"),
        ([Entry("a\0", 0o644)], "no path"),
        ([Entry("TRAILER!!!", 0o644, b"")], "no path"),
        ([Entry("a", 0o644, Path("/nowhere/at/all"))], "cannot copy /nowhere/at/all"),
    ],
)
def test_refused(entries: list[Entry], told: str) -> None:
    with pytest.raises(HarnessError) as caught:
        write_newc(entries)
    assert told in str(caught.value)
