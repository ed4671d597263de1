# SPDX-License-Identifier: Apache-2.0
"""The schema-driven decoders against what real kernels wrote: every structure comes out as the capture's index says.

The index was made by a decoder of its own (a probe in C and Python that does not use this project).
"""

from __future__ import annotations

import numpy as np
import pytest

from qualify.schema import ChunkListMap
from qualify.wire import chunklist, fdt, radix, vmalloc
from qualify.wire.properties import read_number
from qualify.wire.structs import StructCodec
from tests.wire.golden import CAPTURES, PAGE, Golden, golden, in_order


@pytest.fixture(params=CAPTURES)
def real(request: pytest.FixtureRequest) -> Golden:
    return golden(request.param)


def codec(real: Golden, component: str, role: str = "") -> StructCodec:
    form = real.kernel.written(component)
    assert form is not None
    return real.kernel.codec(form.structs[role] if role else form.struct)


def number(text: str | int | None) -> int:
    return int(text, 16) if isinstance(text, str) else int(text or 0)


def text(raw: object) -> str:
    assert isinstance(raw, bytes)
    return raw.rstrip(b"\0").decode()


def test_says_where_it_comes_from(real: Golden) -> None:
    assert {"how", "date", "qemu", "command_line"} <= set(real.data["origin"])
    assert real.data["release"] in real.data["origin"]["how"]


def test_kho_data(real: Golden) -> None:
    facts = real.data["kho_data"]
    found = codec(real, "kho").unpack(real.kho_data)
    assert len(real.kho_data) == codec(real, "kho").size
    for member in ("fdt_addr", "fdt_size", "scratch_addr", "scratch_size"):
        assert found[member] == number(facts[member]), member


def test_scratch_array(real: Golden) -> None:
    facts, scratch = real.data["kho_data"], codec(real, "kho", "scratch")
    count = facts["scratch_size"] // scratch.size
    rows = scratch.unpack_array(real.memory().read(number(facts["scratch_addr"]), facts["scratch_size"]), count)
    found = list(zip(scratch.column(rows, "addr").tolist(), scratch.column(rows, "size").tolist(), strict=True))
    assert found == [(number(r["addr"]), number(r["size"])) for r in facts["scratch"]]


def test_root_fdt_leads_to_map_and_subtrees(real: Golden) -> None:
    form = real.kernel.written("kho")
    assert form is not None
    assert form.fdt is not None
    root = real.tree(number(real.index["root_fdt"]))
    assert fdt.node_check_compatible(root, form.fdt.compatible) == 0
    where = form.fdt.prop("memory-map")
    assert where is not None
    assert read_number(root, where) == number(real.index["memory_map"])
    template = form.fdt.child("*")
    assert template is not None
    facts = real.index["subtrees"]
    assert {child.name for child in root.children} == set(facts)
    for child in root.children:
        values = {p.role: read_number(child, p) for p in template.properties}
        assert values["address"] == number(facts[child.name]["phys"])
        if "size" in values:
            assert values["size"] == facts[child.name]["size"]


def test_memory_map(real: Golden) -> None:
    """Exactly the blocks that were preserved: none more, none fewer, each with its order."""
    form = real.kernel.written("kho")
    assert form is not None
    layout, first = real.kernel.memory_map(form), number(real.index["memory_map"])
    if isinstance(layout, ChunkListMap):
        found = chunklist.decode(real.memory(), layout, *real.kernel.map_codecs(layout), first, PAGE)
    else:
        found = radix.decode(real.memory(), layout, first, PAGE)
    np.testing.assert_array_equal(in_order(found), real.blocks)


@pytest.mark.parametrize("name", ["6.18.15", "6.19.11"])
def test_chunks_of_the_map(name: str) -> None:
    real = golden(name)
    form = real.kernel.written("kho")
    assert form is not None
    layout = form.memory_map
    assert isinstance(layout, ChunkListMap)
    header, entry = real.kernel.map_codecs(layout)
    facts = real.index["chunks"]
    for chunk, following in zip(facts, [*facts[1:], None], strict=True):
        page = real.pages[number(chunk["chunk"])]
        head = header.unpack(page)
        assert (head["order"], head["num_elms"]) == (chunk["order"], chunk["num_elms"])
        assert head["next"] == (number(following["chunk"]) if following else 0)
        rows = entry.unpack_array(page[header.size :], chunk["num_elms"])
        pairs = zip(entry.column(rows, "phys_start").tolist(), entry.column(rows, "bitmap").tolist(), strict=True)
        assert list(pairs) == [(number(b["phys_start"]), number(b["bitmap"])) for b in chunk["bitmaps"]]


def test_sub_fdts(real: Golden) -> None:
    """Property by property, also those whose payload is a struct."""
    for name, facts in real.index["subtrees"].items():
        if "props" not in facts:
            continue
        root = real.tree(number(facts["phys"]))
        found = []
        for path, node in [("/", root), *(("/" + c.name, c) for c in root.children)]:
            found += [[path, p, value.hex()] for p, value in node.properties]
        assert found == facts["props"], name


def test_reserve_mem_regions(real: Golden) -> None:
    regions = real.known.get("reserve_mem", [])
    if not regions:
        assert "memblock" not in real.index["subtrees"]
        return
    form = real.kernel.written("reserve-mem")
    assert form is not None
    assert form.fdt is not None
    root, template = real.tree(real.subtree("memblock")), form.fdt.child("*")
    assert template is not None
    assert fdt.node_check_compatible(root, form.fdt.compatible) == 0
    for region in regions:
        node = root.child(region["name"])
        assert node is not None
        assert fdt.node_check_compatible(node, template.compatible) == 0
        values = {p.role: read_number(node, p) for p in template.properties}
        assert values == {"address": number(region["start"]), "size": region["size"]}


def test_luo_root(real: Golden) -> None:
    form = real.kernel.written("luo")
    if form is None:
        assert "LUO" not in real.index["subtrees"]
        return
    at = real.subtree("LUO")
    sessions, flbs = real.kernel.written("luo-session"), real.kernel.written("luo-flb")
    if form.fdt is None:
        values = real.kernel.codec(form.struct).unpack(real.pages[at])
        assert text(values["compatible"]) == form.compatible
        assert values["liveupdate_num"] == real.index["liveupdate_number"]
        assert sessions is not None
        assert flbs is not None
        assert values[sessions.carrier.field] == number(real.index["session_blocks"][0])
        assert values[flbs.carrier.field] == number(real.index["flb_header"])
        return
    root = real.tree(at)
    assert fdt.node_check_compatible(root, form.fdt.compatible) == 0
    count = form.fdt.prop("number")
    assert count is not None
    assert read_number(root, count) == real.index["liveupdate_number"]
    for table, address in ((sessions, "session_header"), (flbs, "flb_header")):
        if table is None:
            assert address not in real.index
            continue
        assert table.fdt is not None
        node, prop = root.child(table.carrier.node), table.fdt.prop("address")
        assert node is not None
        assert prop is not None
        assert fdt.node_check_compatible(node, table.fdt.compatible) == 0
        assert read_number(node, prop) == number(real.index[address])


def test_sessions_and_files(real: Golden) -> None:
    forms = real.kernel.written("luo-session"), real.kernel.written("luo-file")
    if forms[0] is None or forms[1] is None:
        assert real.index["sessions"] == []
        return
    blocks = real.index.get("session_blocks")
    first = number(blocks[0] if blocks else real.index["session_header"])
    memory, files = real.memory(), real.kernel.table(forms[1])
    table = real.kernel.table(forms[0]).decode(memory, first)
    if blocks:
        assert [at for at, _ in table.pages] == [number(b) for b in blocks]
    found = list(table)
    assert table.count == len(found)
    facts = real.index["sessions"]
    assert [text(s["name"]) for s in found] == [s["name"] for s in facts]
    assert [s["name"] for s in facts] == [s["name"] for s in real.known["sessions"]]
    for session, fact in zip(found, facts, strict=True):
        at, count = session["file_set_ser.files"], session["file_set_ser.count"]
        assert isinstance(at, int)
        assert isinstance(count, int)
        assert (at, count) == (number(fact["files_phys"]), fact["count"])
        rows = [(text(f["compatible"]), f["data"], f["token"]) for f in files.decode(memory, at, count)] if at else []
        assert rows == [(f["compatible"], number(f["data"]), number(f["token"])) for f in fact["files"]]


def test_flbs(real: Golden) -> None:
    form = real.kernel.written("luo-flb")
    if form is None:
        assert "flbs" not in real.index
        return
    table = real.kernel.table(form).decode(real.memory(), number(real.index["flb_header"]))
    assert table.header["pgcnt"] == real.index["flb_header_pgcnt"]
    found = [(text(f["name"]), f["data"], f["count"]) for f in table]
    assert found == [(f["name"], number(f["data"]), f["count"]) for f in real.index["flbs"]]


def test_memfds(real: Golden) -> None:
    form = real.kernel.written("memfd")
    assert (form is None) == (not real.index["memfd_luo_ser"])
    for fact in real.index["memfd_luo_ser"]:
        assert form is not None
        what = codec(real, "memfd")
        values = what.unpack(real.memory().read(number(fact["phys"]), what.size))
        assert fact["compatible"] == form.compatible
        assert (values["pos"], values["size"], values["nr_folios"]) == (fact["pos"], fact["size"], fact["nr_folios"])
        assert values.get("seals") == fact["seals"]
        assert values.get("flags") == fact["flags"]
        area = real.area(fact["token"])
        for member in ("first", "total_pages", "flags", "order"):
            assert values[f"folios.{member}"] == number(area[member])


def test_vmalloc_areas(real: Golden) -> None:
    """Chunks and pages of every area; the 511 pages of 7.3.4-big need a second chunk, which is empty."""
    memory = real.memory()
    for fact in real.index["vmalloc_chunks"]:
        what = vmalloc.Descriptor(number(fact["first"]), fact["total_pages"], fact["flags"], fact["order"])
        area = vmalloc.decode(memory, codec(real, "kho-vmalloc", "chunk"), what)
        assert list(area.chunks) == [number(c) for c in fact["chunks"]]
        assert area.blocks.tolist() == [number(p) for p in fact["data_pages"]]
    if real.name == "7.3.4-big":
        assert len(real.area("0x1a")["chunks"]) == 2
        assert not any(real.pages[number(real.area("0x1a")["chunks"][1])])


def test_folios(real: Golden) -> None:
    """Addresses, flags and indices of every folio; where the capture has the array."""
    for fact in real.index["memfd_luo_ser"]:
        pages = [number(p) for p in real.area(fact["token"])["data_pages"]]
        if pages[0] not in real.pages:
            assert real.name == "7.3.4-big"
            continue
        folio = codec(real, "memfd", "folio")
        rows = folio.unpack_array(b"".join(real.pages[p] for p in pages), fact["nr_folios"])
        where = (folio.column(rows, "pfn") * np.uint64(PAGE)).tolist()
        assert where == [number(p) for p in real.data["contents_pages"][fact["token"]]]
        assert sorted(set(folio.column(rows, "flags").tolist())) == fact["folio_flags"]
        assert folio.column(rows, "index").tolist() == list(range(fact["nr_folios"]))


def test_kexec_metadata(real: Golden) -> None:
    form = real.kernel.written("kexec-metadata")
    if form is None:
        assert "kexec-metadata" not in real.index["subtrees"]
        return
    assert form.version is not None
    values = real.kernel.codec(form.struct).unpack(real.pages[real.subtree("kexec-metadata")])
    assert values[form.version.field] == form.version.value
    assert text(values["previous_release"]) == real.data["release"]
    assert values["kexec_count"] == 1
    assert real.kernel.codec(form.struct).size == real.index["subtrees"]["kexec-metadata"]["size"]


def test_kho_test(real: Golden) -> None:
    """The list that the descriptor leads to names preserved blocks, each with its order."""
    form = real.kernel.written("kho-test")
    assert form is not None
    assert form.fdt is not None
    root, template = real.tree(real.subtree("kho_test")), form.fdt.child("data")
    data = root.child("data")
    assert data is not None
    assert template is not None
    magic = form.fdt.prop("magic")
    assert magic is not None
    assert read_number(root, magic) == form.constants["magic"]
    roles = {p.role: p for p in template.properties}
    count = read_number(data, roles["count"])
    info = data.get(roles["folios"].name)
    assert info is not None
    values = real.kernel.codec(roles["folios"].struct).unpack(info)
    assert values["first"] == number(real.area("kho_test")["first"])
    listed = np.frombuffer(b"".join(real.pages[number(p)] for p in real.area("kho_test")["data_pages"]), dtype="<u8")
    preserved = {(at, order) for at, order in real.blocks.tolist()}
    words = set(listed[:count].tolist())  # what follows is whatever the page held before
    assert len(words) == count
    assert {(word & ~(PAGE - 1), word & (PAGE - 1)) for word in words} <= preserved
