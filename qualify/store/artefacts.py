# SPDX-License-Identifier: Apache-2.0
"""Files that cells leave behind, stored under the digest of their contents. A file is complete or it is not there.

A file comes before the row that names it, and one that is there already is not written again. So whoever puts files
and commits their rows holds the store `in_use` all the while, and files are removed only while nobody does.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from qualify.errors import StoreError
from qualify.store.locks import EXCLUSIVE_NOW, SHARED, UNLOCK, lock

__all__ = ["Artefact", "ArtefactStore"]

_OURS = re.compile(r"[0-9a-f]{64}|\.[0-9a-f]{32}")  # artefacts, and what a kill left of one being written


@dataclass(frozen=True, slots=True)
class Artefact:
    """One stored file, under the name its backend gave it."""

    name: str
    sha256: str
    size: int


@dataclass(frozen=True)
class ArtefactStore:
    """A folder of files named by digest."""

    folder: Path

    def path(self, sha256: str) -> Path:
        """Where the contents with that digest are, or would be."""
        return self.folder / sha256[:2] / sha256

    def put(self, file: Path, name: str) -> Artefact:
        """Copy a file in: temporary name, fsync, rename, fsync of the folders. The same contents are written once."""
        with file.open("rb") as source:
            sha256 = hashlib.file_digest(source, "sha256").hexdigest()
            size = source.tell()
            self._copy(source, sha256)
        return Artefact(name, sha256, size)

    def _copy(self, source: BinaryIO, sha256: str) -> None:
        final = self.path(sha256)
        if final.exists():
            return
        final.parent.mkdir(parents=True, exist_ok=True)
        # Not by tempfile: that would make it readable for nobody else, whatever the user's umask says.
        temporary = final.with_name(f".{uuid.uuid4().hex}")
        try:
            source.seek(0)
            with temporary.open("xb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
                target.flush()
                os.fsync(target.fileno())
            os.replace(temporary, final)
            # The way to the file may be as new as the file, made here or just now by another process.
            for folder in (final.parent, self.folder, self.folder.parent):
                _sync_folder(folder)
        finally:
            temporary.unlink(missing_ok=True)

    def read(self, sha256: str) -> bytes:
        """The contents, checked against their name."""
        try:
            data = self.path(sha256).read_bytes()
        except OSError as error:
            raise StoreError(f"{self.path(sha256)}: artefact cannot be read: {error.strerror}") from error
        if hashlib.sha256(data).hexdigest() != sha256:
            raise StoreError(f"{self.path(sha256)}: artefact is damaged: its contents do not match its name")
        return data

    def adopt(self, other: ArtefactStore, sha256: str) -> bool:
        """Copy from another store; False when it is here or the other lost it. StoreError when it is damaged there."""
        theirs = other.path(sha256)
        if self.path(sha256).exists() or not theirs.exists():
            return False
        with theirs.open("rb") as source:
            if hashlib.file_digest(source, "sha256").hexdigest() != sha256:
                text = (
                    "artefact is damaged: its contents do not match its name; without the file the rest can be merged"
                )
                raise StoreError(f"{theirs}: {text}")
            self._copy(source, sha256)
        return True

    @contextmanager
    def in_use(self, *, make: bool = True) -> Iterator[None]:
        """Meanwhile no other process removes files. Those who only read need not `make` the folder."""
        if make:
            with suppress(OSError):  # whoever has a file to put will be told
                self.folder.mkdir(parents=True, exist_ok=True)
        with self._locked(SHARED):
            yield

    @contextmanager
    def unused(self) -> Iterator[bool]:
        """Whether nobody uses the store; if so, nobody begins to until this ends. Does not wait."""
        with self._locked(EXCLUSIVE_NOW) as locked:
            yield locked

    @contextmanager
    def _locked(self, how: int) -> Iterator[bool]:
        """Whether the folder is locked. Where there is none, there is nothing that could be removed."""
        try:
            handle = os.open(self.folder, os.O_RDONLY)
        except OSError:
            yield not self.folder.exists()
            return
        try:
            yield lock(handle, how)
        finally:
            lock(handle, UNLOCK)  # closing is not enough: a worker forked meanwhile has the handle too
            os.close(handle)

    def sweep(self, named: Collection[str]) -> None:
        """Remove what no row names: what was pruned, and what killed runs left. Only while `unused`."""
        for file in self.folder.glob("??/*"):
            if file.name not in named and _OURS.fullmatch(file.name):
                file.unlink(missing_ok=True)

    def remove(self, sha256: str) -> None:
        """Forget the contents; nothing when they are not there."""
        self.path(sha256).unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
