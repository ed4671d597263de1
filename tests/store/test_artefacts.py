# SPDX-License-Identifier: Apache-2.0
"""The artefact store: complete or absent, stored once, checked when read."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from qualify.errors import StoreError
from qualify.store import ArtefactStore


@pytest.fixture
def artefacts(tmp_path: Path) -> ArtefactStore:
    return ArtefactStore(tmp_path / "artefacts")


def _file(folder: Path, text: str) -> Path:
    path = folder / "console.log"
    path.write_text(text)
    return path


def test_a_file_is_named_by_its_contents(artefacts: ArtefactStore, tmp_path: Path) -> None:
    kept = artefacts.put(_file(tmp_path, "hello"), "console.log")
    assert kept.sha256 == hashlib.sha256(b"hello").hexdigest()
    assert (kept.name, kept.size) == ("console.log", 5)
    assert artefacts.read(kept.sha256) == b"hello"


def test_equal_contents_are_stored_once(artefacts: ArtefactStore, tmp_path: Path) -> None:
    first = artefacts.put(_file(tmp_path, "same"), "a")
    inode = artefacts.path(first.sha256).stat().st_ino
    second = artefacts.put(_file(tmp_path, "same"), "b")
    assert (second.sha256, second.name) == (first.sha256, "b")
    assert artefacts.path(first.sha256).stat().st_ino == inode


def test_a_failed_write_leaves_nothing(
    artefacts: ArtefactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        artefacts.put(_file(tmp_path, "hello"), "a")
    assert [p for p in artefacts.folder.rglob("*") if p.is_file()] == []


def test_damage_is_noticed(artefacts: ArtefactStore, tmp_path: Path) -> None:
    kept = artefacts.put(_file(tmp_path, "hello"), "a")
    artefacts.path(kept.sha256).write_text("jello")
    with pytest.raises(StoreError, match="artefact is damaged: its contents do not match its name"):
        artefacts.read(kept.sha256)


def test_an_artefact_that_is_gone(artefacts: ArtefactStore) -> None:
    with pytest.raises(StoreError, match="artefact cannot be read: No such file"):
        artefacts.read("0" * 64)


def test_adopting_copies_once_and_shrugs_at_what_the_other_lost(artefacts: ArtefactStore, tmp_path: Path) -> None:
    other = ArtefactStore(tmp_path / "other")
    kept = other.put(_file(tmp_path, "hello"), "a")
    assert artefacts.adopt(other, kept.sha256)
    assert artefacts.read(kept.sha256) == b"hello"
    assert not artefacts.adopt(other, kept.sha256)
    assert not artefacts.adopt(other, "0" * 64)


def test_a_damaged_file_of_another_store_is_not_adopted(artefacts: ArtefactStore, tmp_path: Path) -> None:
    other = ArtefactStore(tmp_path / "other")
    kept = other.put(_file(tmp_path, "hello"), "a")
    other.path(kept.sha256).write_text("jello")
    with pytest.raises(StoreError, match=f"{kept.sha256}: artefact is damaged: its contents do not match its name"):
        artefacts.adopt(other, kept.sha256)
    assert not artefacts.folder.exists()


@pytest.mark.parametrize("there", [[], ["artefacts"], ["artefacts", "artefacts/2c"]])
def test_every_folder_on_the_way_to_a_new_file_is_synced(
    artefacts: ArtefactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: list[str]
) -> None:
    synced: list[Path] = []
    really = os.fsync

    def note(handle: int) -> None:
        synced.append(Path(os.readlink(f"/proc/self/fd/{handle}")))
        really(handle)

    for name in there:
        (tmp_path / name).mkdir()
    monkeypatch.setattr(os, "fsync", note)
    final = artefacts.path(artefacts.put(_file(tmp_path, "hello"), "a").sha256)
    assert final.parent == tmp_path / "artefacts" / "2c"
    assert synced[0].parent == final.parent
    assert set(synced[1:]) == {final.parent, artefacts.folder, tmp_path}
    synced.clear()
    artefacts.put(_file(tmp_path, "hello"), "b")
    assert synced == []


def test_removing(artefacts: ArtefactStore, tmp_path: Path) -> None:
    kept = artefacts.put(_file(tmp_path, "hello"), "a")
    artefacts.remove(kept.sha256)
    artefacts.remove(kept.sha256)
    assert not artefacts.path(kept.sha256).exists()
