# SPDX-License-Identifier: Apache-2.0
"""LUO on the target at early_initcall: the root and where its tables are. Whatever is wrong here is a panic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qualify.errors import CountError, CycleError, WireError
from qualify.machine.booting import Booting
from qualify.machine.observe import names, text_of
from qualify.machine.reserved import KernelPanicError
from qualify.schema import Condition, Format, Reaction
from qualify.wire import fdt
from qualify.wire.properties import read_number
from qualify.wire.tables import Table

__all__ = ["IncomingLuo", "read_luo"]


@dataclass(slots=True)
class IncomingLuo:
    """What is known of the incoming state before anybody opens the device. Addresses are 0 where there is no table."""

    enabled: bool  # LUO is there and looks at all
    found: bool = False  # a root was read
    sessions_at: int = 0
    sessions: Table | None = None  # blocks are checked at early_initcall, an array is read at first open
    flbs_at: int = 0


def read_luo(target: Booting, kho_enabled: bool) -> IncomingLuo:
    """luo_early_startup(): raises KernelPanicError where liveupdate_early_init() calls luo_restore_fail()."""
    reader = _Reader(target, IncomingLuo(kho_enabled and target.kernel.has("luo")))
    reader.early_startup()
    return reader.incoming


class _Reader:
    def __init__(self, target: Booting, incoming: IncomingLuo) -> None:
        self.target = target
        self.kernel = target.kernel
        self.incoming = incoming

    def early_startup(self) -> None:
        if not self.incoming.enabled:
            return
        if not self.target.scenario.target.liveupdate and not self.kernel.trait("luo", "reads-when-off"):
            return
        forms = self.kernel.readable("luo")
        if not forms:
            return
        at = self.target.subtree(forms[0].carrier.subtree)
        if at == "ENOENT":
            return
        if isinstance(at, str):
            self._react("luo", Condition.MALFORMED, f"LUO subtree: {at}")
            return
        address, size = at
        if forms[0].fdt is not None:
            self._from_fdt(forms, address)
        else:
            self._from_struct(forms, address, size)

    def _from_fdt(self, forms: Sequence[Format], address: int) -> None:
        root = self.target.read_fdt(address)
        form = next((f for f in forms if root is not None and names(root, f)), None)
        if root is None or form is None or form.fdt is None:
            self._react("luo", Condition.INCOMPATIBLE, f"FDT 'LUO' is incompatible with '{forms[0].compatible}'")
            return
        number = form.fdt.prop("number")
        insists = number is not None and self.kernel.needs("luo", number.name, number.required)
        if number is not None and insists and read_number(root, number) is None:
            self._react("luo", Condition.MISSING, f"Unable to get live update number '{number.name}'")
            return
        self.incoming.found = True
        self.target.log.append("luo: Retrieved live update data")
        for component in ("luo-session", "luo-flb"):
            if self.kernel.readable(component):
                self._table_node(component, root)

    def _table_node(self, component: str, root: fdt.Node) -> None:
        """luo_session_setup_incoming(), luo_flb_setup_incoming() up to 7.1: the node, its string, its address."""
        form = self.kernel.readable(component)[0]
        if form.fdt is None:
            return
        node = root.child(form.carrier.node)
        if node is None:
            if self.kernel.needs("luo", form.carrier.node, default=True):
                self._react(component, Condition.MISSING, f"Unable to get node '{form.carrier.node}'")
            return
        if form.fdt.compatible and fdt.node_check_compatible(node, form.fdt.compatible):
            self._react(
                component, Condition.INCOMPATIBLE, f"'{form.carrier.node}' is incompatible with '{form.fdt.compatible}'"
            )
            return
        prop = form.fdt.prop("address")
        address = read_number(node, prop) if prop is not None else None
        if address is None:
            if prop is not None and self.kernel.needs(component, prop.name, prop.required):
                self._react(component, Condition.MISSING, f"Unable to get '{prop.name}'")
            return
        self._note(component, address)

    def _from_struct(self, forms: Sequence[Format], address: int, size: int | None) -> None:
        codec = self.kernel.codec(forms[0].struct)
        if size is not None and size < codec.size:
            self._react("luo", Condition.MALFORMED, f"LUO state is too small ({size} < {codec.size})")
            return
        values = codec.unpack(self._bytes(address, codec.size))
        text = text_of(values.get("compatible", b""))
        form = next((f for f in forms if f.compatible == text), None)
        if form is None:
            self._react("luo", Condition.INCOMPATIBLE, f"LUO state is incompatible with '{forms[0].compatible}'")
            return
        self.incoming.found = True
        self.target.log.append("luo: Retrieved live update data")
        for component in ("luo-session", "luo-flb"):
            if self.kernel.readable(component):
                where = values.get(self.kernel.readable(component)[0].carrier.field, 0)
                self._note(component, where if isinstance(where, int) else 0)

    def _bytes(self, address: int, size: int) -> bytes:
        try:
            return self.target.view.read(address, size)
        except WireError as error:
            raise KernelPanicError(f"while reading the LUO state: {error}") from None

    def _note(self, component: str, address: int) -> None:
        if component == "luo-flb":
            self.incoming.flbs_at = address
            return
        self.incoming.sessions_at = address
        form = self.kernel.readable(component)[0]
        if form.container is not None and form.container.kind == "blocks" and address:
            try:
                self.incoming.sessions = self.kernel.table(form).decode(self.target.view, address)
            except (CountError, CycleError) as error:
                self._react(component, Condition.MALFORMED, str(error))
            except WireError as error:
                raise KernelPanicError(f"while reading the session blocks: {error}") from None

    def _react(self, component: str, condition: Condition, why: str) -> None:
        self.target.log.append(f"luo: {why}")
        if self.kernel.reaction(component, condition, Reaction.PANIC) is Reaction.PANIC:
            raise KernelPanicError(f"The incoming tree failed to initialize properly: {why}")
