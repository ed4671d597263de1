# SPDX-License-Identifier: Apache-2.0
"""A simulated target kernel: reads what was handed over as its release does, in the order its release does.

Steps and their sources are in docs/model.md. The target sees RAM and struct kho_data, nothing of what the source meant;
`Handover.offers` and `.truth` are the harness's, used only to say what leaked or was reserved for nothing.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from qualify.errors import WireError
from qualify.machine.booting import Booting
from qualify.machine.intervals import Intervals
from qualify.machine.observe import names
from qualify.machine.reserved import KernelPanicError, Reserved
from qualify.machine.target_flb import read_flb
from qualify.machine.target_kho_test import read_kho_test
from qualify.machine.target_luo import read_luo
from qualify.machine.target_metadata import read_metadata
from qualify.machine.target_reserve_mem import look_at_reserve_mem, revive_reserve_mem
from qualify.machine.target_session import open_device
from qualify.model import Consequence, Interface, MachineObservation, ObjectObservation, Reply
from qualify.scenario import Flb, KexecMetadata, KhoTest, ReserveMem, Session, early_memory, spare_early
from qualify.schema import ChunkListMap, Condition, Format, Reaction
from qualify.wire import chunklist, fdt, radix
from qualify.wire.chunklist import Blocks
from qualify.wire.properties import read_number

__all__ = ["TargetKernel"]

_T = TypeVar("_T")

_EARLY_REMAP = 256 << 10  # early_memremap() maps up to NR_FIX_BTMAPS (64) pages


class TargetKernel(Booting):
    """Boots the target side of one scenario."""

    def run(self) -> MachineObservation:
        """Boot, ask for everything, and report."""
        found: dict[str, ObjectObservation] = {}
        panic = ""
        try:
            self._boot(found)
        except KernelPanicError as death:
            panic = str(death)
            self.log.append(f"Kernel panic - not syncing: {panic}")
        objects = tuple(self._observation(object_id, found, panic) for object_id in self.scenario.object_ids)
        counters = {**self.handover.counters, "reserved_bytes": (self.reserved.ranges & self.view.known).size}
        return MachineObservation(objects, panic, frozenset(self._consequences), tuple(self.log), {}, counters)

    # --- boot ---------------------------------------------------------------------------------------------------

    def _boot(self, found: dict[str, ObjectObservation]) -> None:
        passed = self._populate()
        self._early_memory()
        if passed:
            self._read_map()
        revived = {region: revive_reserve_mem(self, region) for region in self._of(ReserveMem)}
        self.memory.reuse(self.view.known - self.reserved.ranges if passed else self.view.known)
        for region, got in revived.items():  # only now does it show whether the region was really kept
            found[region.object_id] = look_at_reserve_mem(self, region, *got) if isinstance(got, tuple) else got
        enabled = self.scenario.target.kho
        for metadata in self._of(KexecMetadata):
            found[metadata.object_id] = read_metadata(self, metadata, enabled)
        luo = read_luo(self, enabled)
        for test in self._of(KhoTest):
            found[test.object_id] = read_kho_test(self, test, enabled)
        for flb in self._of(Flb):
            found[flb.object_id] = read_flb(self, luo, flb)
        open_device(self, luo, self._of(Session), found)

    def _populate(self) -> bool:
        """kho_populate(): whether the handover is taken."""
        if self.handover.kho_data is None or not self.kernel.has("kho"):
            return False
        if self.scenario.target.kind == "crash" and self.kernel.trait("kho", "kdump-target") == "disabled":
            self.log.append("KHO: disabled in the kdump kernel")
            return False
        readable = self.kernel.readable("kho")
        if not readable:
            return False
        codec = self.kernel.codec(readable[0].struct)
        data = codec.unpack(self.handover.kho_data.ljust(codec.size, b"\0"))
        at, size = _number(data["fdt_addr"]), _number(data["fdt_size"])
        if not 0 < size <= _EARLY_REMAP:
            return self._refuse(f"failed to memremap FDT ({at:#x})")
        try:
            root = fdt.decode(self.memory.read(at, size))
        except WireError as error:
            return self._refuse(f"handover FDT ({at:#x}) is invalid: {error}")
        self._form = next((f for f in readable if names(root, f)), None)
        if self._form is None or self._form.fdt is None:
            wanted = ", ".join(f"'{f.compatible}'" for f in readable)
            return self._refuse(f"handover FDT ({at:#x}) is incompatible with {wanted}")
        self._fdt_at, self._root = at, root
        prop = self._form.fdt.prop("memory-map")
        map_at = read_number(root, prop) if prop is not None else None
        if map_at is None:
            if self.kernel.reaction("kho", Condition.MISSING) is Reaction.COLD_BOOT:
                return self._refuse("failed to get preserved memory map")
            self.log.append("KHO: failed to get preserved memory bitmaps")
        elif not map_at and self.kernel.trait("kho", "empty-map") == "refuse":
            return self._refuse("preserved-memory-map is 0")
        where, size = _number(data["scratch_addr"]), _number(data["scratch_size"])
        if not 0 < size <= _EARLY_REMAP:
            return self._refuse(f"failed to memremap scratch (phys={where:#x}, len={size})")
        self._scratch = self._read_scratch(self._form, where, size)
        self.log.append("KHO: found kexec handover data")
        return True

    def _refuse(self, why: str) -> bool:
        self.log += [f"KHO: setup: {why}", "KHO: disabling KHO revival"]
        self._form = self._root = None
        return False

    def _read_scratch(self, form: Format, at: int, size: int) -> Intervals:
        """What the target takes for scratch: the array that kexec placed. Where there is no RAM it reads all ones."""
        codec = self.kernel.codec(form.structs["scratch"])
        try:
            raw = self.memory.read(at, size)
        except WireError:
            return Intervals.empty()
        rows = codec.unpack_array(raw, size // codec.size)
        return Intervals.blocks(codec.column(rows, "addr"), codec.column(rows, "size"))

    def _early_memory(self) -> None:
        """Until the map has been read only scratch may be used, from its top down; without a handover all RAM may."""
        if self._form is None:
            return
        if (self._scratch - Intervals.range(0, self.memory.ram_bytes)).size:
            raise KernelPanicError("scratch memory lies where there is no RAM")
        extends = bool(self.kernel.trait("kho", "extends-scratch"))
        wanted = early_memory(self.scenario, extends)
        if spare_early(self.scenario, extends) is None:
            raise KernelPanicError(f"out of scratch memory before the map was read: {wanted} bytes do not fit")
        for start, end in zip(self._scratch.starts[::-1].tolist(), self._scratch.ends[::-1].tolist(), strict=True):
            self.memory.reuse(Intervals.range(max(start, end - wanted), end))
            wanted -= min(wanted, end - start)

    def _read_map(self) -> None:
        assert self._form is not None
        assert self._form.fdt is not None
        assert self._root is not None
        if not self.view.known.covers(self._fdt_at, self._fdt_at + self.kernel.page_size):
            raise KernelPanicError(f"unable to handle page fault: the root FDT at {self._fdt_at:#x} is not mapped")
        prop = self._form.fdt.prop("memory-map")
        address = read_number(self._root, prop) if prop is not None else None
        if not address:
            return
        layout = self.kernel.memory_map(self._form)
        page = self.kernel.page_size
        try:
            if isinstance(layout, ChunkListMap):
                blocks = chunklist.decode(self.view, layout, *self.kernel.map_codecs(layout), address, page)
            else:
                blocks = radix.decode(self.view, layout, address, page)
        except WireError as error:
            raise KernelPanicError(f"while reading the memory map: {error}") from None
        self._check_struct_pages(blocks)
        self.reserved = Reserved.of(self.kernel, blocks)
        if (self.reserved.ranges & self.view.known - self.truth.preserved).size:
            self._consequences.add(Consequence.SPURIOUS_RESERVATION)

    def _check_struct_pages(self, blocks: Blocks) -> None:
        size = self.kernel.arch.section
        sections = Intervals.of(
            self.view.known.starts // np.uint64(size) * np.uint64(size),
            -(-self.view.known.ends.astype(np.int64) // size).astype(np.uint64) * np.uint64(size),
        )
        outside = ~sections.contains(blocks[:, 0])
        if outside.any():
            first = int(blocks[outside][0, 0])
            raise KernelPanicError(
                f"unable to handle page fault: no struct page for {first:#x} named by the memory map"
            )

    def _of(self, kind: type[_T]) -> list[_T]:
        return [o for o in self.scenario.objects if isinstance(o, kind)]

    # --- reporting -----------------------------------------------------------------------------------------------

    def _observation(self, object_id: str, found: dict[str, ObjectObservation], panic: str) -> ObjectObservation:
        offer = self.handover.offers[object_id]
        component = _component_of(object_id)
        notes = (offer.note,) if offer.note else ()
        if not offer.offered:
            return ObjectObservation(
                object_id, component, Interface.SOURCE, Reply.NOT_OFFERED, offer.refused, notes=notes
            )
        if panic:
            return ObjectObservation(object_id, component, Interface.BOOT, Reply.CRASHED, notes=(*notes, panic))
        seen = found[object_id]
        if not notes:
            return seen
        return ObjectObservation(
            seen.object_id, seen.component, seen.interface, seen.reply, seen.errno, seen.properties,
            seen.consequences, (*notes, *seen.notes),
        )  # fmt: skip


def _number(value: object) -> int:
    assert isinstance(value, int)
    return value


_COMPONENTS = {
    "reserve_mem": "reserve-mem",
    "session": "luo-session",
    "memfd": "memfd",
    "flb": "luo-flb",
    "kho_test": "kho-test",
}


def _component_of(object_id: str) -> str:
    head = object_id.split("/")[0]
    return _COMPONENTS.get(head, head)
