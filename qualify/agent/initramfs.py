# SPDX-License-Identifier: Apache-2.0
"""A writer of newc cpio archives, the format of an initramfs (kernel: Documentation/driver-api/early-userspace).

Deterministic: no times, no owners, inode numbers counted. Archives written one behind another are one initramfs.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, overload

from qualify.errors import HarnessError

__all__ = ["Entry", "write_newc"]

_MAGIC = "070701"
_TRAILER = "TRAILER!!!"
_BLOCK = 512
_LARGEST = (1 << 32) - 1  # the size field has eight hex digits
_LONGEST = 4095  # PATH_MAX of the kernel's unpacker, less the zero
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Entry:
    """A file (`data` is what it holds, or the host's file that does) or, without data, a directory."""

    path: str
    mode: int = 0o644  # permission bits
    data: bytes | Path | None = None


@overload
def write_newc(entries: Iterable[Entry]) -> bytes: ...
@overload
def write_newc(entries: Iterable[Entry], to: IO[bytes]) -> None: ...
def write_newc(entries: Iterable[Entry], to: IO[bytes] | None = None) -> bytes | None:
    """Write an archive to `to`, a piece at a time; without `to`, return it.

    Directories that entries lie in are made, mode 0755. HarnessError for a path that cannot be written, a path met
    twice, or a host's file that cannot be read or changes its size meanwhile.
    """
    if to is None:
        buffer = io.BytesIO()
        write_newc(entries, buffer)
        return buffer.getvalue()
    written = 0
    for number, entry in enumerate(_with_parents(entries), 1):
        written += _write_entry(to, entry, number)
    written += _write_header(to, _TRAILER, number=0, mode=0, size=0, links=1)
    to.write(bytes(-written % _BLOCK))
    return None


def _with_parents(entries: Iterable[Entry]) -> Iterator[Entry]:
    made: dict[str, bool] = {}  # path: is it a directory?
    for entry in entries:
        path = _clean(entry.path)
        for parent in reversed(PurePosixPath(path).parents[:-1]):
            if str(parent) not in made:
                made[str(parent)] = True
                yield Entry(str(parent), 0o755)
            elif not made[str(parent)]:
                raise HarnessError(f"initramfs: '{parent}' is a file, and '{path}' is to lie in it")
        if path in made:
            raise HarnessError(f"initramfs: '{path}' is there twice, or comes after what lies in it")
        made[path] = entry.data is None
        yield Entry(path, entry.mode, entry.data)


def _clean(path: str) -> str:
    """Relative and without detours, as archives have it."""
    parts = PurePosixPath(path.lstrip("/")).parts
    clean = "/".join(parts)
    if not parts or ".." in parts or "\0" in path or clean == _TRAILER or len(clean.encode()) > _LONGEST:
        raise HarnessError(f"initramfs: '{path}' is no path for an archive")
    return clean


def _write_entry(to: IO[bytes], entry: Entry, number: int) -> int:
    if entry.data is None:
        return _write_header(to, entry.path, number, stat.S_IFDIR | entry.mode, 0, 2)
    mode = stat.S_IFREG | entry.mode
    if isinstance(entry.data, bytes):
        written = _write_header(to, entry.path, number, mode, len(entry.data), 1) + to.write(entry.data)
    else:
        written = _write_file(to, entry.path, entry.data, number, mode)
    return written + to.write(bytes(-written % 4))


def _write_file(to: IO[bytes], path: str, source: Path, number: int, mode: int) -> int:
    """Copy a file of the host. An OSError of `to`, such as a full disk, is the caller's to tell."""
    try:
        file = source.open("rb")
    except OSError as error:
        raise HarnessError(f"cannot copy {source} into an initramfs: {error}") from error
    with file:
        size = left = os.fstat(file.fileno()).st_size
        written = _write_header(to, path, number, mode, size, 1)
        while left and (piece := _piece(file, left)):
            written += to.write(piece)
            left -= len(piece)
        if left or file.read(1):
            raise HarnessError(f"{source}: changed its size while it was copied into an initramfs")
        return written


def _piece(file: IO[bytes], left: int) -> bytes:
    try:
        return file.read(min(_PIECE, left))
    except OSError as error:
        raise HarnessError(f"cannot copy {file.name} into an initramfs: {error}") from error


def _write_header(to: IO[bytes], path: str, number: int, mode: int, size: int, links: int) -> int:
    if size > _LARGEST:
        raise HarnessError(f"initramfs: '{path}' has {size} bytes, of at most {_LARGEST}")
    name = path.encode() + b"\0"
    # inode, mode, uid, gid, links, mtime, size, device (major, minor), device of a node (major, minor), name, checksum
    fields = (number, mode, 0, 0, links, 0, size, 0, 0, 0, 0, len(name), 0)
    header = _MAGIC.encode() + b"".join(b"%08X" % value for value in fields) + name
    return to.write(header + bytes(-len(header) % 4))
