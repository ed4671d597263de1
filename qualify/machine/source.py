# SPDX-License-Identifier: Apache-2.0
"""A simulated source kernel: allocates, preserves, and writes exactly the bytes that its release writes.

Steps and their sources are in docs/model.md. The source knows nothing of the target but the size of its image.
"""

from __future__ import annotations

import numpy as np

from qualify.machine.handover import Handover, Offer
from qualify.machine.intervals import Intervals
from qualify.machine.preserving import Preserving
from qualify.machine.source_luo import LuoWriter
from qualify.machine.source_small import write_kho_test, write_metadata, write_reserve_mem
from qualify.scenario import Flb, KhoTest, ReserveMem, Session, room_beside_image
from qualify.schema import ChunkListMap, Format
from qualify.wire import chunklist, fdt, radix
from qualify.wire.chunklist import Blocks
from qualify.wire.properties import write_number

__all__ = ["SourceKernel"]

_SCRATCH_ALIGN = 64 << 10  # kho_fill_kimage(): SZ_64K
# what a crash kernel finds: it never went through reboot(), where LUO serializes and 6.19/7.0 finalise
_REACHED_REBOOT = "normal"


class SourceKernel(Preserving):
    """Runs the source side of one scenario in `memory`."""

    def run(self) -> Handover:
        """Preserve everything, load the target, and say what crosses the jump."""
        for object_id in self.scenario.object_ids:
            self.offers[object_id] = Offer(object_id, offered=False, note="the source has no such component")
        if stopped := self._cannot_load():
            for object_id in self.offers:
                self.offers[object_id] = Offer(object_id, offered=False, refused="EADDRNOTAVAIL", note=stopped)
            return Handover(None, (), self.offers, self.truth, stopped, tuple(self.log))
        root = self._write_root() if self.scenario.source.kho and self.kernel.written("kho") is not None else None
        passed = root is not None and self._passes()
        kho_data, segments = self._kho_data(root) if root is not None and passed else (None, ())
        self.truth.preserved = self._intervals(self.pages.preserved())
        counters = {"preserved_bytes": self.truth.preserved.size, "bookkeeping_pages": self.bookkeeping.used}
        return Handover(kho_data, segments, self.offers, self.truth, "", tuple(self.log), counters)

    def _cannot_load(self) -> str:
        actions = self.scenario.source
        if not actions.kho or actions.load != "kexec_file_load" or self.scenario.target.kind == "crash":
            return ""  # only kho_locate_mem_hole() insists on scratch, and not for crash images
        if room_beside_image(self.scenario) is None or not any(
            r.size >= _SCRATCH_ALIGN for r in self.scenario.host.scratch
        ):
            return "kexec_file_load: no hole in scratch for kernel, initrd or the scratch array"
        return ""

    def _passes(self) -> bool:
        """Whether kho_fill_kimage() adds the handover to the image."""
        actions = self.scenario.source
        if actions.load != "kexec_file_load":
            self.log.append("kexec_load passes no handover")
            return False
        if self.kernel.trait("kho", "finalise") == "before-load" and actions.finalise == "late":
            self.log.append("loaded before out/finalize: kho_fill_kimage() adds nothing")
            return False
        if self.scenario.target.kind == "crash" and self.kernel.trait("kho", "crash-image") != "handed-over":
            self.log.append("a crash image gets no handover")
            return False
        return True

    def _write_root(self) -> int:
        form = self.kernel.written("kho")
        assert form is not None
        assert form.fdt is not None
        root = self.pages.preserve()
        children = self._subtrees(form)
        at_once = self.kernel.trait("kho", "finalise") == "before-load"
        final = self._map_is_final()
        blocks = self.pages.preserved()
        map_at = self._write_map(form, blocks) if final else 0
        prop = form.fdt.prop("memory-map")
        properties = [("compatible", fdt.prop_string(form.fdt.compatible))] if form.fdt.compatible else []
        if prop is not None:
            properties.append((prop.name, write_number(prop, map_at)))
        if at_once:  # kho_finalize() up to 6.18 writes the tree in one go
            blob = fdt.encode_sequential(
                fdt.Node("", tuple(properties), tuple(children)), buffer_size=self.kernel.page_size
            )
        else:  # made at boot, subtrees added later
            empty = fdt.encode_sequential(fdt.Node("", tuple(properties), ()), buffer_size=self.kernel.page_size)
            blob = fdt.add_subnodes(empty, children, buffer_size=self.kernel.page_size)
        self.memory.write(root, blob)
        return root

    def _map_is_final(self) -> bool:
        when = self.kernel.trait("kho", "finalise")
        if when != "at-reboot" or self.scenario.source.finalise == "by-hand":
            return True
        return self._luo_runs() and self.scenario.target.kind == _REACHED_REBOOT

    def _luo_runs(self) -> bool:
        return self.scenario.source.liveupdate and self.kernel.has("luo")

    def _subtrees(self, form: Format) -> list[fdt.Node]:
        """Write every user of KHO; their nodes in the order in which the kernel adds them."""
        nodes = []
        for component in self.kernel.schema.in_subtree_order:
            written = self.kernel.written(component)
            if written is None or (blob := self._write_user(component)) is None:
                continue
            child = form.fdt.child("*") if form.fdt is not None else None
            assert child is not None
            address, size = blob
            values = {"address": address, "size": size}
            properties = tuple((p.name, write_number(p, values[p.role])) for p in child.properties if p.role in values)
            nodes.append(fdt.Node(written.carrier.subtree, properties))
        return nodes

    def _write_user(self, component: str) -> tuple[int, int] | None:
        """(address, size) of the blob of one user of KHO; None when it has nothing to say."""
        objects = self.scenario.objects
        if component == "kexec-metadata":
            return write_metadata(self)
        if component == "kho-test":
            tests = [o for o in objects if isinstance(o, KhoTest)]
            return write_kho_test(self, tests[0]) if tests else None
        if component == "reserve-mem":
            regions = [o for o in objects if isinstance(o, ReserveMem)]
            return write_reserve_mem(self, regions) if regions else None
        if not self._luo_runs():
            return None
        sessions = [o for o in objects if isinstance(o, Session)]
        flbs = [o for o in objects if isinstance(o, Flb)]
        return LuoWriter(self).write(sessions, flbs, serialize=self.scenario.target.kind == _REACHED_REBOOT)

    def _write_map(self, form: Format, blocks: Blocks) -> int:
        layout = self.kernel.memory_map(form)
        if isinstance(layout, ChunkListMap):
            header, entry = self.kernel.map_codecs(layout)
            return chunklist.encode(
                self.memory,
                layout,
                header,
                entry,
                blocks,
                self.kernel.page_size,
                self.bookkeeping.allocate,
                self._store_bitmap,
            )
        return radix.encode(self.memory, layout, blocks, self.kernel.page_size, self.bookkeeping.allocate)

    def _store_bitmap(self, bitmap: bytes, start: int, order: int) -> int:
        """A bitmap shorter than a page shares it with other slab objects: their bytes are the scenario's to choose.

        'unknown' is a slab in use: here some bits are set that mean pages in RAM, the milder of what can happen.
        """
        at = self.bookkeeping.allocate()
        first, total = len(bitmap) * 8, self.kernel.page_size * 8
        choice = self.scenario.placement.neighbours
        if first >= total or choice == "zero":
            self.memory.write(at, bitmap)
            return at
        flags = np.zeros(total - first, dtype=np.uint8)
        if choice == "beyond-ram":
            flags[:] = 1
        else:
            inside = (self.scenario.host.ram - start) >> (order + self.kernel.page_shift)  # bits that mean RAM
            flags[: max(min(inside, total) - first, 0) : 1021] = 1
        self.memory.write(at, bitmap + np.packbits(flags, bitorder="little").tobytes())
        return at

    def _kho_data(self, root: int) -> tuple[bytes, tuple[tuple[int, bytes], ...]]:
        """Place the scratch array as kexec does and fill struct kho_data."""
        form = self.kernel.written("kho")
        assert form is not None
        scratch = self.kernel.codec(form.structs["scratch"])
        array = b"".join(scratch.pack({"addr": r.at, "size": r.size}) for r in self.scenario.host.scratch)
        home = next(r for r in self.scenario.host.scratch if r.size >= _SCRATCH_ALIGN)  # as kho_locate_mem_hole() does
        at = (home.end - len(array)) // _SCRATCH_ALIGN * _SCRATCH_ALIGN
        values = {"fdt_addr": root, "fdt_size": self.kernel.page_size, "scratch_addr": at, "scratch_size": len(array)}
        return self.kernel.codec(form.struct).pack(values), ((at, array),)

    def _intervals(self, blocks: Blocks) -> Intervals:
        sizes = np.uint64(self.kernel.page_size) << blocks[:, 1]
        return Intervals.blocks(blocks[:, 0], sizes)
