# SPDX-License-Identifier: Apache-2.0
"""Sessions, files and areas that name the same memory again and again: what a target lists of them has a limit."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from qualify.machine.incoming import IncomingFile, IncomingFiles
from qualify.machine.kernel import Kernel
from qualify.machine.memory import PhysicalMemory
from qualify.model import Outcome
from qualify.scenario import Folio, Host, KhoTest, ReserveMem
from qualify.schema import Format
from qualify.wire.structs import Value
from tests.bounds import bounded
from tests.machine.bench import Written, descriptor, member, memfd, said, scenario, session, trip
from tests.wire.golden import PAGE, schema

BOUND = 192 << 20  # bytes; the targets have 1 GiB of RAM
READS = 100_000
SPACE = ReserveMem(kind="reserve-mem", name="space", size=32 << 20, at=0x10000000 - (64 << 20))
MEMFD = "memfd/qual/0x1a"
RELEASES = ("6.19.11", "7.1.13", "7.3.4")  # tables in arrays, and in blocks


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """How often memory was asked; a test that takes very long takes many."""
    counts = [0]
    plain = PhysicalMemory.array

    def counted(self: PhysicalMemory, at: int, size: int) -> object:
        counts[0] += 1
        assert counts[0] < READS, "this would go on for very long"
        return plain(self, at, size)

    monkeypatch.setattr(PhysicalMemory, "array", counted)
    return counts


class Tables:
    """Writes tables into the reserved region, whatever their number of entries."""

    def __init__(self, release: str, written: Written) -> None:
        self.kernel = Kernel(schema(), schema().release(release))
        self.memory = written.memory
        self.next = SPACE.at

    def form(self, component: str) -> Format:
        form = self.kernel.written(component)
        assert form is not None
        return form

    def write(self, component: str, rows: list[dict[str, Value]]) -> list[int]:
        """The address of the first entry on, or those of the blocks."""
        form = self.form(component)
        table = self.kernel.table(form)
        assert form.container is not None
        if form.container.kind == "array":
            head = table.header.pack({"count": len(rows), "pgcnt": 1}) if table.header is not None else b""
            at = [self._take(len(head) + table.entry.size * len(rows))]
            self.memory.write(at[0], head + b"".join(map(table.entry.pack, rows)))
        else:
            at = [self._take(PAGE) for _ in range(-(-len(rows) // table.per_block))]
            table.encode(self.memory, at, rows)
        return at

    def _take(self, size: int) -> int:
        at = self.next
        self.next += -(-size // PAGE) * PAGE
        assert self.next <= SPACE.at + SPACE.size
        return at


def flooded(release: str, sessions: int, files: int, *, overlap: bool) -> Outcome:
    """Each session names the same table of files, or with `overlap` another stretch of the same entries."""

    def edit(written: Written) -> None:
        tables = Tables(release, written)
        sessions_form = tables.form("luo-session")
        header = tables.kernel.table(sessions_form).header
        assert header is not None
        pointer = written.find((written.find(b"qual\0\0\0\0") - header.size).to_bytes(8, "little"))
        kind, data = tables.form("memfd").compatible.encode(), descriptor(written)
        entry = tables.kernel.table(tables.form("luo-file"))
        blocks = entry.container.kind == "blocks"
        unit = entry.per_block if blocks else 1
        total = files + (unit * sessions if overlap else 0)
        at = tables.write("luo-file", [{"compatible": kind, "data": data, "token": 0x1A + i} for i in range(total)])
        rows: list[dict[str, Value]] = []
        for i in range(sessions):
            skip = i if overlap else 0
            where = at[skip] if blocks else at[0] + skip * entry.entry.size
            count = total - skip * unit if blocks else files
            name = b"qual" if not i else f"s{i}".encode()
            rows.append({"name": name, "file_set_ser.files": where, "file_set_ser.count": count})
        written.put(pointer, tables.write("luo-session", rows)[0])

    return trip(release, release, scenario(SPACE, session(memfd())), edit=edit)


@pytest.mark.parametrize("release", RELEASES)
def test_two_thousand_sessions_with_the_same_two_thousand_files(release: str, reads: list[int]) -> None:
    """Four million files, which kernels list without complaint: 384 MB."""
    with bounded(BOUND):
        seen = flooded(release, 2000, 2000, overlap=False)
    assert said(seen, MEMFD) == "RESTORED RETRIEVE_FD"


@pytest.mark.parametrize("release", RELEASES)
def test_more_files_than_fit_into_memory(release: str, reads: list[int]) -> None:
    """36 million, each of which takes 96 bytes of 1 GiB."""
    with bounded(BOUND):
        seen = flooded(release, 6000, 6000, overlap=False)
    assert said(seen, MEMFD) == "PANIC boot"
    assert "System is deadlocked on memory" in seen.detail


@pytest.mark.parametrize("release", RELEASES)
def test_tables_that_overlap(release: str, reads: list[int]) -> None:
    """No two of them are the same, and no entry costs a page."""
    seen = flooded(release, 4000, 4000, overlap=True)
    assert said(seen, MEMFD) == "PANIC boot"
    assert "sessions name more files than RAM has pages" in seen.detail


def test_the_first_of_two_files_with_one_token_is_found() -> None:
    """luo_retrieve_file() walks the list from its start."""
    files = IncomingFiles(tuple(IncomingFile("memfd-v2", data, 7) for data in (1, 2)))
    assert files.by_token[7].data == 1


# --- areas -------------------------------------------------------------------------------------------------------

SPARE = ReserveMem(kind="reserve-mem", name="spare", size=128 << 10, at=0x31000000)


def stretched(release: str, order: int, folios: int, ram: int) -> Outcome:
    """The list of a file's folios is said to lie in two blocks of 2^order pages: its own page, and another."""
    plan = scenario(SPARE, session(memfd(size=4 * PAGE)), host=Host(ram=ram))

    def edit(written: Written) -> None:
        at = descriptor(written)
        written.put(written.word(at + member(release, "folios.first")) + 16, SPARE.at)
        written.put(at + member(release, "folios.order"), order, 2)
        written.put(at + member(release, "folios.total_pages"), 2 << order, 4)
        written.put(at + member(release, "nr_folios"), folios)

    with bounded(96 << 20):
        return trip(release, release, plan, edit=edit)


@pytest.mark.parametrize("release", RELEASES)
def test_two_pages_that_are_said_to_be_two_gigabytes(release: str) -> None:
    """What counts is what the reader needs of it: four folios."""
    assert said(stretched(release, 18, 4, 8 << 30), MEMFD) == "RESTORED RETRIEVE_FD"


@pytest.mark.parametrize("release", RELEASES)
def test_a_list_of_eight_million_folios(release: str) -> None:
    """128 MiB of list that lead nowhere: 6.19 answers 0 if the first could be restored."""
    seen = stretched(release, 14, 8 << 20, 1 << 30)
    assert said(seen, MEMFD) == ("RESTORED RETRIEVE_FD" if release == "6.19.11" else "REFUSED RETRIEVE_FD EIO")


def test_an_area_that_leaves_ram() -> None:
    """Read where it lies in RAM, a panic where the reader goes on beyond."""
    assert said(stretched("7.1.13", 15, 4, 1 << 30), MEMFD) == "RESTORED RETRIEVE_FD"
    seen = stretched("7.1.13", 15, 8 << 20, 1 << 30)
    assert said(seen, MEMFD) == "PANIC boot"
    assert "while reading a restored vmalloc area" in seen.detail


def test_the_same_folio_added_up_for_hours() -> None:
    """A release that checks no page gives the same one out again: 4 MiB 500 times on a host of 1 GiB."""
    folios = (Folio(at=0x35400000, order=10), *(Folio(at=0x36000000 + i * PAGE) for i in range(500)))

    def edit(written: Written) -> None:
        word = (0x35400000 | 10).to_bytes(8, "little")
        written.put(written.find(word), word * len(folios))

    seen = trip("6.17.8", "6.17.8", scenario(KhoTest(kind="kho-test", folios=folios)), edit=edit)
    assert said(seen, "kho_test") == "PANIC boot"
    assert "soft lockup" in seen.detail
