# SPDX-License-Identifier: Apache-2.0
"""Two formats side by side: every field with its bytes, and nothing about formats that are equal."""

from __future__ import annotations

import pytest

from qualify.schema import Format, load
from qualify.schema.sidebyside import Line, Part, side_by_side

SCHEMA = load()


def parts(written: str, read: str) -> dict[str, Part]:
    return {p.title: p for p in side_by_side(SCHEMA, SCHEMA.format(written), SCHEMA.format(read))}


def lines(part: Part) -> dict[str, Line]:
    return {line.name: line for line in part.lines}


def test_bitmaps_come_with_the_windows_that_they_cover() -> None:
    found = parts("kho-v1-b512", "kho-v1-b4096")
    assert list(found) == ["What the reader compares", "Memory map", "Known from"]
    (string,) = found["What the reader compares"].lines
    assert (string.written, string.read, string.differs) == ("'kho-v1'", "'kho-v1'", False)
    memory = lines(found["Memory map"])
    bitmap = memory["bitmap"]
    assert (bitmap.written, bitmap.written_span) == ("4,096 bits", (0, 512))
    assert (bitmap.read, bitmap.read_span) == ("32,768 bits", (0, 4096))
    windows = {name: (line.written, line.read) for name, line in memory.items() if name.startswith("window")}
    assert windows == {
        "window of a bitmap, order 0 (blocks of 4 KiB)": ("16 MiB", "128 MiB"),
        "window of a bitmap, order 9 (blocks of 2 MiB)": ("8 GiB", "64 GiB"),
        "window of a bitmap, order 10 (blocks of 4 MiB)": ("16 GiB", "128 GiB"),
    }


def test_windows_grow_with_the_page() -> None:
    written, read = SCHEMA.format("kho-v1-b512"), SCHEMA.format("kho-v1-b4096")
    memory = next(p for p in side_by_side(SCHEMA, written, read, 16384) if p.title == "Memory map")
    assert lines(memory)["window of a bitmap, order 0 (blocks of 16 KiB)"].written == "64 MiB"


def test_structs_field_by_field_with_offset_and_size() -> None:
    members = lines(parts("memfd-v1", "memfd-v2")["struct memfd_luo_ser"])
    assert members["pos"] == Line("pos", "u64", "u64", (0, 8), (0, 8))
    assert not members["pos"].differs
    assert members["seals"] == Line("seals", "", "u32", None, (16, 4))
    assert members["folios.order"] == Line("folios.order", "u16", "u16", (38, 2), (46, 2))
    assert members["folios.order"].differs
    assert members["(whole)"] == Line("(whole)", "", "", (0, 40), (0, 48))
    seals = lines(parts("memfd-v1", "memfd-v2")["Properties"])["seals"]
    assert (seals.written, seals.read) == ("accepted and lost", "comes back")


def test_a_node_that_nobody_writes() -> None:
    tree = lines(parts("luo-v1", "luo-v1-flb")["Device tree"])
    assert tree["/luo-flb"] == Line("/luo-flb", "", "node")
    assert not tree["/luo-session"].differs


def test_tables_with_their_room() -> None:
    found = parts("luo-session-v2", "luo-session-v5")
    table = lines(found["Table"])
    assert (table["room for"].written, table["room for"].read) == ("819 entries", "510,000 entries")
    header = lines(found["table header: struct luo_session_header_ser vs kho_block_header_ser"])
    assert header["count"] == Line("count", "u64", "u64", (0, 8), (8, 8))


def test_it_says_how_the_two_sides_are_known() -> None:
    known = parts("kho-test-v1-inline", "kho-test-v1-vmalloc")["Known from"]
    assert known.note
    assert (
        lines(known)["source"].written == "read, 6.17.8, lib/test_kho.c, kho_test_save_data(), kho_test_restore_data()"
    )


@pytest.mark.parametrize("form", SCHEMA.formats.values(), ids=lambda f: f.id)
def test_equal_formats_have_nothing_to_show(form: Format) -> None:
    assert side_by_side(SCHEMA, form, form) == ()


def test_only_parts_that_differ_are_shown() -> None:
    for written in SCHEMA.formats.values():
        for read in SCHEMA.formats.values():
            if written.component == read.component and written.id != read.id:
                found = side_by_side(SCHEMA, written, read)
                assert len(found) > 1
                assert all(any(line.differs for line in part.lines) for part in found[1:] if not part.note)
