# SPDX-License-Identifier: Apache-2.0
"""Every format of the schema has bytes that no encoder here made, with their origin: captured, or written by hand."""

from __future__ import annotations

import json
from collections import deque
from typing import Any

import numpy as np
import pytest

from qualify.machine.kernel import Kernel
from qualify.machine.memory import PhysicalMemory
from qualify.schema import ChunkListMap
from qualify.wire import chunklist, fdt
from tests.wire.golden import CAPTURES, FOLDER, PAGE, golden, page_bytes, schema

FILE = json.loads((FOLDER / "derived.json").read_text())
DERIVED: dict[str, Any] = {v["format"]: v for v in FILE["vectors"]}
PAGES = {int(at, 16): page_bytes(form) for at, form in FILE["pages"].items()}


def captured() -> dict[str, str]:
    """Format -> the capture that shows it: what the captured release writes, where the capture has the component."""
    found: dict[str, str] = {}
    for name in CAPTURES:
        real = golden(name)
        shown = {
            "kho": True,
            "kho-vmalloc": bool(real.index["vmalloc_chunks"]),
            "kho-block": "session_blocks" in real.index,
            "luo": "LUO" in real.index["subtrees"],
            "luo-session": bool(real.index["sessions"]),
            "luo-file": any(s["files"] for s in real.index["sessions"]),
            "luo-flb": "flbs" in real.index,
            "memfd": bool(real.index["memfd_luo_ser"]),
            "reserve-mem": "memblock" in real.index["subtrees"],
            "kexec-metadata": "kexec-metadata" in real.index["subtrees"],
            "kho-test": "kho_test" in real.index["subtrees"],
        }
        for component, spec in real.kernel.release.components.items():
            if spec.writes and shown[component]:
                found.setdefault(spec.writes, name)
    return found


@pytest.mark.parametrize("format_id", list(schema().formats))
def test_every_format_has_a_vector_with_an_origin(format_id: str) -> None:
    if format_id in captured():
        assert golden(captured()[format_id]).data["origin"]["how"].startswith("kernel ")
    else:
        assert DERIVED[format_id]["origin"]["kind"] == "derived"
        assert DERIVED[format_id]["origin"]["from"]


def test_only_formats_that_nobody_captured_are_derived() -> None:
    assert set(DERIVED) == set(schema().formats) - set(captured())


def test_short_bitmaps() -> None:
    vector = DERIVED["kho-v1-b512"]
    layout = schema().format("kho-v1-b512").memory_map
    assert isinstance(layout, ChunkListMap)
    kernel = Kernel(schema(), schema().release("6.17.8"))
    header, entry = kernel.map_codecs(layout)
    memory = PhysicalMemory(1 << 30)
    for at, page in PAGES.items():
        memory.write(at, page)
    blocks = np.array([(int(at, 16), order) for at, order in vector["blocks"]], dtype=np.uint64)
    first = int(vector["first"], 16)
    found = chunklist.decode(memory, layout, header, entry, first, PAGE)
    np.testing.assert_array_equal(found, blocks)

    again, chunks, bitmaps = PhysicalMemory(1 << 30), deque([0x2000, 0x3000]), deque([0x5000, 0x5200, 0x5400])

    def store(bitmap: bytes, start: int, order: int) -> int:
        at = bitmaps.popleft()
        again.write(at, bitmap)
        return at

    def allocate(pages: int = 1) -> int:
        return chunks.popleft()

    assert chunklist.encode(again, layout, header, entry, blocks, PAGE, allocate, store) == first
    for at in (0x2000, 0x3000, 0x5000):
        assert again.read(at, PAGE) == PAGES[at]


def test_inline_kho_test() -> None:
    vector = DERIVED["kho-test-v1-inline"]
    form = schema().format("kho-test-v1-inline")
    assert form.fdt is not None
    page = PAGES[int(vector["at"], 16)]
    blob = page[: int.from_bytes(page[4:8], "big")]
    root = fdt.decode(blob)
    data, template = root.child("data"), form.fdt.child("data")
    assert data is not None
    assert template is not None
    roles = {p.role: data.get(p.name) for p in template.properties}
    words = [int(at, 16) | order for at, order in vector["folios"]]
    assert roles == {
        "count": (3).to_bytes(4, "little"),
        "folios": np.array(words, dtype="<u8").tobytes(),
        "checksum": int(vector["checksum"], 16).to_bytes(4, "little"),
    }
    assert fdt.node_check_compatible(root, form.fdt.compatible) == 0
    assert root.get("magic") == int(form.constants["magic"]).to_bytes(4, "little")
    assert fdt.encode_sequential(root) == blob


def test_swapped_members() -> None:
    vector = DERIVED["memfd-v2-drift"]
    codec = Kernel(schema(), schema().release("7.1.13-drift")).codec(schema().format("memfd-v2-drift").struct)
    blob = PAGES[int(vector["at"], 16)][: codec.size]
    assert codec.unpack(blob) == vector["values"]
    assert codec.pack(vector["values"]) == blob
    # the kernel that it drifted from reads the same bytes otherwise, and has no way to notice
    upstream = Kernel(schema(), schema().release("7.1.13"))
    read = upstream.codec(schema().format("memfd-v2").struct).unpack(blob)
    assert (read["pos"], read["size"]) == (vector["values"]["size"], vector["values"]["pos"])
