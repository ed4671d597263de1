# SPDX-License-Identifier: Apache-2.0
"""The small users of KHO on the source: reserve_mem, kexec-metadata, lib/test_kho.c. Each returns (address, size)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from qualify.machine.checksum import csum_partial
from qualify.machine.handover import Offer
from qualify.machine.preserving import Preserving
from qualify.machine.words import word_of
from qualify.scenario import KexecMetadata, KhoTest, ReserveMem, kho_test_blocks, reserve_blocks
from qualify.schema import FdtNode
from qualify.wire import fdt, vmalloc
from qualify.wire.properties import write_number

__all__ = ["EDGE", "write_kho_test", "write_metadata", "write_reserve_mem"]

EDGE = 64 << 10  # bytes written at each end of a region with fill: edges


def write_metadata(source: Preserving) -> tuple[int, int]:
    """struct kho_kexec_metadata; source: kho_out_kexec_metadata() in 7.1.13."""
    form = source.kernel.written("kexec-metadata")
    assert form is not None
    mark = source.pages.mark()
    at = source.pages.preserve()
    values: dict[str, int | bytes | tuple[int, ...]] = {
        "previous_release": source.kernel.release.version.encode(),
        "kexec_count": next((o.count for o in source.scenario.objects if isinstance(o, KexecMetadata)), 1),
    }
    if form.version is not None:
        values[form.version.field] = form.version.value
    raw = source.kernel.codec(form.struct).pack(values)
    source.memory.write(at, raw)
    source.offers["kexec-metadata"] = Offer("kexec-metadata", offered=True, blocks=source.pages.since(mark))
    return at, len(raw)


def write_reserve_mem(source: Preserving, regions: Sequence[ReserveMem]) -> tuple[int, int]:
    """The memblock FDT and the regions; source: prepare_kho_fdt() in mm/memblock.c of 6.18.15."""
    form = source.kernel.written("reserve-mem")
    assert form is not None
    assert form.fdt is not None
    at = source.pages.preserve()
    template = form.fdt.child("*")
    assert template is not None
    nodes = []
    for region in regions:
        contents = source.contents(region.object_id, region.size)
        if region.fill == "full":
            for start, data in contents.windows():
                source.memory.write(region.at + start, data)
        else:
            source.memory.write(region.at, contents.window(0, EDGE))
            source.memory.write(region.at + region.size - EDGE, contents.window(region.size - EDGE, EDGE))
        blocks = reserve_blocks(region, source.kernel.page_size)
        source.pages.add(blocks)
        source.offers[region.object_id] = Offer(region.object_id, offered=True, blocks=blocks)
        values = {"address": region.at, "size": region.size}
        properties = [("compatible", fdt.prop_string(template.compatible))] if template.compatible else []
        properties += [(p.name, write_number(p, values[p.role])) for p in template.properties if p.role in values]
        nodes.append(fdt.Node(region.name, tuple(properties)))
    root = fdt.Node("", (("compatible", fdt.prop_string(form.fdt.compatible)),), tuple(nodes))
    blob = fdt.encode_sequential(root, buffer_size=source.kernel.page_size)
    source.memory.write(at, blob)
    return at, len(blob)


def write_kho_test(source: Preserving, test: KhoTest) -> tuple[int, int]:
    """lib/test_kho.c: folios with random contents, their list, a checksum; source: kho_test_save_data() in 6.18.15."""
    form = source.kernel.written("kho-test")
    assert form is not None
    assert form.fdt is not None
    page = source.kernel.page_size
    blocks = kho_test_blocks(test)
    buffer = len(blocks) * 8 + page
    mark = source.pages.mark()
    at = source.pages.preserve(-(-buffer // page))
    checksum = 0
    for number, (address, order) in enumerate(blocks.tolist()):
        data = source.contents(f"kho_test/{number}", page << order).window(0, page << order)
        source.memory.write(address, data)
        checksum = csum_partial(data, checksum)
    source.pages.add(blocks)
    info = next((p for c in form.fdt.children if (p := c.prop("folios")) is not None), None)
    payload = b""
    if info is not None:
        payload = (blocks[:, 0] | blocks[:, 1]).astype(word_of(info, source.kernel.release.endian)).tobytes()
    if info is not None and info.struct:  # through a vmalloc area
        areas = source.kernel.written("kho-vmalloc")
        assert areas is not None
        pages = [source.pages.preserve() for _ in range(-(-len(payload) // page))]
        for i, where in enumerate(pages):
            source.memory.write(where, payload[i * page : (i + 1) * page])
        chunk = source.kernel.codec(areas.structs["chunk"])
        flags = int(areas.constants["ALLOC"])
        what = vmalloc.encode(source.memory, chunk, np.array(pages, np.uint64), flags, 0, source.pages.preserve)
        payload = source.kernel.codec(info.struct).pack(
            {"first": what.first, "total_pages": what.total_pages, "flags": what.flags, "order": what.order}
        )
    values: dict[str, int | bytes] = {
        "magic": int(form.constants["magic"]),
        "count": len(blocks),
        "folios": payload,
        "checksum": checksum,
    }
    children = tuple(fdt.Node(c.name, tuple(_filled(c, values))) for c in form.fdt.children)
    properties = [("compatible", fdt.prop_string(form.fdt.compatible)), *_filled(form.fdt, values)]
    blob = fdt.encode_sequential(fdt.Node("", tuple(properties), children), buffer_size=buffer)
    source.memory.write(at, blob)
    owned = np.concatenate([blocks, source.pages.since(mark)])
    source.offers[test.object_id] = Offer(test.object_id, offered=True, blocks=owned)
    return at, len(blob)


def _filled(node: FdtNode, values: Mapping[str, int | bytes]) -> Iterator[tuple[str, bytes]]:
    """The properties of `node` for which there is a value, by role."""
    for prop in node.properties:
        value = values.get(prop.role)
        if value is not None:
            yield prop.name, value if isinstance(value, bytes) else write_number(prop, value)
