# SPDX-License-Identifier: Apache-2.0
"""The simulated source against real kernels: given the addresses that a real allocator gave, it writes the same bytes.

Compared is what a release defines: whole pages of the memory map, FDTs up to totalsize, tables and descriptors up to
their last entry. Behind that, real pages hold whatever they held before.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import numpy as np
import pytest

from qualify.machine import source_luo
from qualify.machine.allocator import Pages
from qualify.machine.handover import Handover
from qualify.machine.memory import PhysicalMemory
from qualify.machine.source import SourceKernel
from qualify.scenario import Memfd
from qualify.wire import fdt, vmalloc
from tests.machine.golden_scenario import kho_test_folios, number, scenario_of, truth_of
from tests.wire.golden import CAPTURES, PAGE, Golden, golden, in_order

# the folios of 7.3.4-big are known only by their number: 511 MiB of single pages
NAMES = [name for name in CAPTURES if name != "7.3.4-big"]


class Recorded(Pages):
    """Gives out recorded addresses in turn; every one must be asked for, with the order it really had."""

    def __init__(self, addresses: list[int], real: Golden) -> None:
        super().__init__(0, PAGE, 1 << 62)
        self.left = deque(addresses)
        self._orders = dict(real.blocks.tolist())
        self.wrong: list[tuple[int, int]] = []

    def _take(self, order: int) -> int:
        at = self.left.popleft()
        if self._orders.get(at, order) != order:
            self.wrong.append((at, order))
        return at


def preserved_pages(real: Golden) -> Iterator[int]:
    """The first page of everything that a component allocates, in the order in which the simulated source does."""
    index = real.index
    yield number(index["root_fdt"])
    if "kexec-metadata" in index["subtrees"]:
        yield real.subtree("kexec-metadata")
    yield real.subtree("kho_test")
    yield from area_pages(real, "kho_test")
    if "LUO" in index["subtrees"]:
        blocks = [number(b) for b in index.get("session_blocks", [])]
        yield real.subtree("LUO")
        yield from [] if blocks else [number(index["session_header"])]
        yield from [number(index["flb_header"])] if "flb_header" in index else []
        descriptors = {m["token"]: number(m["phys"]) for m in index["memfd_luo_ser"]}
        for session in index["sessions"]:
            files = [] if not session["count"] else file_blocks_of(real, session["name"])
            yield from files if not blocks else []
            for file in session["files"]:
                yield descriptors[file["token"]]
                yield from area_pages(real, file["token"])
            yield from files if blocks else []
        yield from blocks
    if "memblock" in index["subtrees"]:
        yield real.subtree("memblock")


def file_blocks_of(real: Golden, session: str) -> list[int]:
    pages = real.role(f"file block {session}")
    if not pages:
        return real.role(f"file array {session}")[:1]
    first = next(number(s["files_phys"]) for s in real.index["sessions"] if s["name"] == session)
    return sorted(pages, key=lambda at: at != first)  # at most two


def area_pages(real: Golden, owner: str) -> list[int]:
    area = real.area(owner)
    return [number(at) for at in (*area["data_pages"], *area["chunks"])]


def bookkeeping_pages(real: Golden) -> list[int]:
    if "chunks" in real.index:
        return [number(at) for c in real.index["chunks"] for at in (c["chunk"], *(b["bitmap"] for b in c["bitmaps"]))]
    nodes = [(n["level"], number(n["phys"])) for n in real.index["radix_nodes"]]  # depth first, so in order of key
    top = max(level for level, _ in nodes)
    levels = [[at for level, at in nodes if level == wanted] for wanted in range(top + 1)]
    return [*levels[top], *(at for level in levels[:top] for at in level)]


def lengths(real: Golden) -> Iterator[tuple[int, int]]:
    """(page, how many of its bytes the release defines) for every page that was captured."""
    tables = {"session": real.kernel.written("luo-session"), "file": real.kernel.written("luo-file")}
    for at, role in real.roles.items():
        page = real.pages[at]
        if role.endswith("fdt"):
            yield at, int.from_bytes(page[4:8], "big")
        elif role == "scratch array":
            yield at, real.data["kho_data"]["scratch_size"]
        elif role == "LUO blob" or role.startswith("kexec-metadata"):
            name = "LUO" if role == "LUO blob" else "kexec-metadata"
            yield at, real.index["subtrees"][name]["size"]
        elif role == "kho_test folios_info vmalloc data":
            yield at, 8 * len(kho_test_folios(real))
        elif role.startswith(("session block", "file block")):
            form = tables[role.split()[0]]
            assert form is not None
            table = real.kernel.table(form)
            assert table.header is not None
            count = table.header.unpack(page)["count"]
            assert isinstance(count, int)
            yield at, table.header.size + count * table.entry.size
        elif role.startswith("memfd_luo_ser"):
            form = real.kernel.written("memfd")
            assert form is not None
            yield at, real.kernel.codec(form.struct).size
        elif role.startswith("memfd ") and role.endswith("data"):
            form = real.kernel.written("memfd")
            assert form is not None
            first = next(a for a in real.index["vmalloc_chunks"] if number(a["data_pages"][0]) <= at
                         and f"{at:#x}" in a["data_pages"])  # fmt: skip
            folios = next(m["nr_folios"] for m in real.index["memfd_luo_ser"] if m["token"] == first["owner"])
            done = first["data_pages"].index(f"{at:#x}") * PAGE
            yield at, min(folios * real.kernel.codec(form.structs["folio"]).size - done, PAGE)
        else:
            yield at, PAGE


def run(real: Golden, monkeypatch: pytest.MonkeyPatch) -> tuple[SourceKernel, PhysicalMemory, Handover]:
    """Run the source where the real one ran."""
    folios = {token: [number(p) for p in pages] for token, pages in real.data["contents_pages"].items()}

    def recorded_folios(file: Memfd, index: int, page_size: int) -> np.ndarray[tuple[int, int], np.dtype[np.uint64]]:
        where = folios[f"{file.token:#x}"]
        return np.array([(at, 0) for at in where], dtype=np.uint64).reshape(-1, 2)

    monkeypatch.setattr(source_luo, "file_blocks", recorded_folios)
    memory = PhysicalMemory(real.data["ram_bytes"])
    source = SourceKernel(real.kernel, scenario_of(real), memory, 0)
    source.truth = truth_of(real)
    source.truth.sessions, source.truth.tokens = set(), set()
    source.pages = Recorded(list(preserved_pages(real)), real)
    source.bookkeeping = Recorded(bookkeeping_pages(real), real)
    handover = source.run()
    assert source.truth.sessions == truth_of(real).sessions
    assert source.truth.tokens == truth_of(real).tokens
    return source, memory, handover


@pytest.mark.parametrize("name", NAMES)
def test_writes_the_bytes_of_the_real_kernel(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = golden(name)
    source, memory, handover = run(real, monkeypatch)
    for pages in (source.pages, source.bookkeeping):
        assert isinstance(pages, Recorded)
        assert not pages.left, "the real kernel allocated more"
        assert not pages.wrong, "the real kernel allocated blocks of another order"
    assert handover.kho_data == real.kho_data
    for at, data in handover.segments:  # what kexec does
        memory.write(at, data)
    compared = 0
    for at, length in lengths(real):
        assert memory.read(at, length) == real.pages[at][:length], f"{real.roles[at]} at {at:#x}"
        compared += length
    assert compared > 90_000


@pytest.mark.parametrize("name", NAMES)
def test_preserves_what_the_real_kernel_preserved(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = golden(name)
    source, _, _ = run(real, monkeypatch)
    np.testing.assert_array_equal(in_order(source.pages.preserved()), real.blocks)


def test_511_pages_of_folios_get_a_second_empty_chunk() -> None:
    """7.3.4-big: what its descriptor leads to, encoded again at the same addresses."""
    real = golden("7.3.4-big")
    area = real.area("0x1a")
    form = real.kernel.written("kho-vmalloc")
    assert form is not None
    chunk = real.kernel.codec(form.structs["chunk"])
    memory = PhysicalMemory(real.data["ram_bytes"])
    chunks = [number(c) for c in area["chunks"]]
    left = deque(chunks)
    blocks = np.array([number(p) for p in area["data_pages"]], dtype=np.uint64)
    what = vmalloc.encode(memory, chunk, blocks, area["flags"], area["order"], lambda pages=1: left.popleft())
    assert (what.first, what.total_pages) == (chunks[0], area["total_pages"])
    assert not left
    for at in chunks:
        assert memory.read(at, PAGE) == real.pages[at]


def test_root_tree_is_written_as_the_release_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """The order of nodes and strings differs between releases; a wrong one must not pass for equal."""
    orders = {}
    for name in NAMES:
        real = golden(name)
        _, memory, _ = run(real, monkeypatch)
        root = fdt.decode(memory.read(number(real.index["root_fdt"]), PAGE))
        orders[name] = [child.name for child in root.children]
    assert orders["6.18.15"] == ["kho_test", "memblock"]
    assert orders["6.19.11"] == ["memblock", "LUO", "kho_test"]
    assert orders["7.1.13"] == orders["7.3.4"] == ["memblock", "LUO", "kho_test", "kexec-metadata"]
