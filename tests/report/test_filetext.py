# SPDX-License-Identifier: Apache-2.0
"""Files in a page: harmless, cut where they are long, and within a limit that the urgent ones get first."""

from __future__ import annotations

import base64
import os
import zlib
from pathlib import Path

import pytest

from qualify.model import Evidence, Status, Verdict
from qualify.report import CellRow, FileRow
from qualify.report.filetext import HEAD, LIMIT, FileText, is_text, packed_text, readable
from qualify.report.load_texts import load_texts
from qualify.store import ArtefactStore
from tests.report.real_sample import HOSTILE_LOG


def unpacked(text: FileText) -> str:
    return zlib.decompress(base64.b64decode(text.data)).decode()


def test_nothing_in_a_log_steers_anything() -> None:
    text = readable(HOSTILE_LOG)
    assert text.splitlines()[0] == "\\x1bc\\x1b[?7l\\x1b[2JSeaBIOS (version 1.16.2)"
    assert "\\x00\\xff\\xfe \\u202e gnp.exe" in text
    assert all(c == "\n" or c.isprintable() for c in text)


@pytest.mark.parametrize("raw", [bytes(range(256)), "\u2028\u2066\u009b\ufeff\t".encode(), b"\xed\xa0\x80", b"\r\r\n"])
def test_every_byte_has_a_harmless_form(raw: bytes) -> None:
    text = readable(raw)
    assert all(c in "\n\t" or c.isprintable() for c in text)
    assert unpacked(packed_text(raw)) == text


def put(tmp_path: Path, store: ArtefactStore, name: str, contents: bytes) -> FileRow:
    (tmp_path / "file").write_bytes(contents)
    kept = store.put(tmp_path / "file", name)
    return FileRow(kept.name, kept.sha256, kept.size)


def cell(*files: FileRow, verdict: Verdict | None = Verdict.RESTORED) -> CellRow:
    status = Status.DONE if verdict else Status.ERROR
    return CellRow("a", "b", "s", "qemu", status, verdict, Evidence.VM if verdict else None, files=files)


@pytest.fixture
def store(tmp_path: Path) -> ArtefactStore:
    return ArtefactStore(tmp_path / "artefacts")


def test_a_long_log_keeps_its_beginning_and_its_end(tmp_path: Path, store: ArtefactStore) -> None:
    log = put(tmp_path, store, "serial.log", b"first\n" + b"x" * LIMIT + b"\nKernel panic\n")
    found = load_texts(store, [cell(log)])[log.sha256]
    assert found.left_out == log.size - LIMIT == 20
    text = unpacked(found)
    assert text.startswith("first\n")
    assert text.endswith("\nKernel panic\n")
    assert "[… 20 bytes are left out here …]" in text
    assert text.index("[…") == HEAD + 2
    short = put(tmp_path, store, "serial.log", b"y" * LIMIT)
    assert load_texts(store, [cell(short)])[short.sha256].left_out == 0


def test_what_needs_explaining_goes_first_into_a_full_page(tmp_path: Path, store: ArtefactStore) -> None:
    fine, bad, broken = (put(tmp_path, store, "serial.log", os.urandom(3000).hex().encode()) for _ in range(3))
    records = put(tmp_path, store, "records.jsonl", b"{}\n")
    cells = [cell(fine), cell(bad, records, verdict=Verdict.PANIC), cell(broken, verdict=None)]
    texts = load_texts(store, cells, total=10_000)
    assert [bool(texts[f.sha256].data) for f in (broken, bad, fine, records)] == [True, True, False, True]
    assert texts[fine.sha256].why == "the page is full"


def test_equal_files_are_there_once_and_blobs_not_at_all(tmp_path: Path, store: ArtefactStore) -> None:
    log, blob = put(tmp_path, store, "serial.log", b"log"), put(tmp_path, store, "source/out/fdt", b"\xd0\x0d")
    assert list(load_texts(store, [cell(log, blob), cell(log)])) == [log.sha256]
    assert is_text("target/serial.log")
    assert not is_text("source/out/fdt")


def test_a_lost_or_damaged_file_is_told(tmp_path: Path, store: ArtefactStore) -> None:
    lost, damaged, big = (put(tmp_path, store, "serial.log", c) for c in (b"one", b"two", b"z" * (LIMIT + 1)))
    store.remove(lost.sha256)
    store.path(damaged.sha256).write_bytes(b"other")
    store.remove(big.sha256)
    texts = load_texts(store, [cell(lost, damaged, big)])
    assert "cannot be read" in texts[lost.sha256].why
    assert "is damaged" in texts[damaged.sha256].why
    assert "cannot be read" in texts[big.sha256].why
    assert not any(t.data for t in texts.values())
