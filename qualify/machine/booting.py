# SPDX-License-Identifier: Apache-2.0
"""A target kernel while it boots, as its readers see it: memory, what is reserved, the root FDT and its subtrees."""

from __future__ import annotations

from qualify.errors import WireError
from qualify.machine.handover import Handover
from qualify.machine.intervals import Intervals
from qualify.machine.kernel import Kernel
from qualify.machine.memory import PhysicalMemory
from qualify.machine.reserved import KernelPanicError, Reserved
from qualify.machine.view import DirectMap
from qualify.model import Consequence
from qualify.scenario import Scenario, fits_afresh
from qualify.schema import Format
from qualify.wire import fdt
from qualify.wire.properties import read_number

__all__ = ["Booting"]


class Booting:
    """The state that boot fills in step by step, and the questions that readers ask of it."""

    def __init__(self, kernel: Kernel, scenario: Scenario, memory: PhysicalMemory, handover: Handover) -> None:
        self.kernel = kernel
        self.scenario = scenario
        self.memory = memory
        self.handover = handover
        self.truth = handover.truth
        self.log: list[str] = list(handover.log)
        self.reserved = Reserved.nothing(kernel)
        self.view = DirectMap(memory, self._known_ram())
        self._form: Format | None = None  # the KHO format that was accepted
        self._fdt_at = 0
        self._root: fdt.Node | None = None
        self._scratch = Intervals.empty()
        self._consequences: set[Consequence] = set()
        self._afresh: list[int] = []  # bytes allocated out of scratch for regions that were not revived

    def _known_ram(self) -> Intervals:
        if self.scenario.target.kind != "crash":
            return Intervals.range(0, self.scenario.host.ram)
        # a crash kernel runs in a reservation of its own; of the rest it only ever adds the scratch areas
        known = Intervals.empty()
        for region in self.scenario.host.scratch:
            known = known | Intervals.range(region.at, region.end)
        return known

    def subtree(self, name: str) -> tuple[int, int | None] | str:
        """kho_retrieve_subtree(): (address, size or None if this format has none), or an errno name."""
        root = self._current_root()
        if root is None or self._form is None or self._form.fdt is None:
            return "ENOENT"
        node, template = root.child(name), self._form.fdt.child("*")
        if node is None or template is None:
            return "ENOENT"
        values: dict[str, int] = {}
        for prop in template.properties:
            value = read_number(node, prop)
            if value is None and prop.required:
                self.log.append(f"KHO: broken KHO subnode '{name}': missing or invalid {prop.name}")
                return "EINVAL"
            if value is not None:
                values[prop.role] = value
        return (values["address"], values.get("size")) if "address" in values else "EINVAL"

    def read_fdt(self, at: int) -> fdt.Node | None:
        """The tree at `at`, None when libfdt would find no header there; PointerError becomes a panic."""
        try:
            head = self.view.read(at, 8)
            total = int.from_bytes(head[4:8], "big")
            return fdt.decode(self.view.read(at, min(max(total, 40), 1 << 20)))
        except fdt.FdtError:
            return None
        except WireError as error:
            raise KernelPanicError(f"while reading a device tree: {error}") from None

    def allocate_early(self, size: int) -> bool:
        """Whether memblock finds `size` bytes in one piece: after a handover out of scratch only, else anywhere."""
        extends = bool(self.kernel.trait("kho", "extends-scratch"))
        if self.accepted and not fits_afresh(self.scenario, [*self._afresh, size], extends)[-1]:
            return False
        self._afresh.append(size)
        return True

    @property
    def accepted(self) -> bool:
        """Whether this is a KHO boot."""
        return self._form is not None

    def leaked(self, object_id: str) -> bool:
        """Whether memory of this object is reserved and nobody took it back."""
        blocks = self.handover.offers[object_id].blocks
        return self.reserved.still_holds(blocks)

    def _current_root(self) -> fdt.Node | None:
        """The root FDT is read again each time: its page may have been reused meanwhile."""
        if self._root is None:
            return None
        if self.reserved.ranges.covers(self._fdt_at, self._fdt_at + self.kernel.page_size):
            return self._root
        return self.read_fdt(self._fdt_at)
