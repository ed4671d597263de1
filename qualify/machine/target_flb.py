# SPDX-License-Identifier: Apache-2.0
"""File-lifecycle-bound objects on the target: found by name in a table that is read again each time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qualify.errors import WireError
from qualify.machine.booting import Booting
from qualify.machine.observe import compare, text_of, with_leak
from qualify.machine.reserved import KernelPanicError
from qualify.model import Interface, ObjectObservation, Reply
from qualify.scenario import Flb
from qualify.schema import Condition, Format
from qualify.wire.structs import Value

if TYPE_CHECKING:
    from qualify.machine.target_luo import IncomingLuo

__all__ = ["read_flb"]


def read_flb(target: Booting, luo: IncomingLuo, flb: Flb) -> ObjectObservation:
    """liveupdate_flb_get_incoming(): given by name, or not found in a table, or the answer of a cold boot."""
    kernel = target.kernel
    lost = ObjectObservation(flb.object_id, "luo-flb", Interface.FLB, Reply.AS_COLD, notes=("no FLB data came in",))
    forms = kernel.readable("luo-flb")
    bound = kernel.component("luo-flb").bound_to
    asks = not bound or any(kernel.has(c) for c in bound)
    if not forms or not asks or not luo.enabled or not target.scenario.target.liveupdate or not luo.flbs_at:
        return with_leak(target, lost)
    wanted = flb.target_name or flb.name
    try:
        entries = kernel.table(forms[0]).decode(target.view, luo.flbs_at)
        entry = next((e for e in entries if text_of(e["name"]) == wanted), None)
    except WireError as error:
        raise KernelPanicError(f"while reading the FLB table: {error}") from None
    if entry is not None:
        return _given(target, forms[0], flb, entry)
    errno = kernel.reaction("luo-flb", Condition.NOT_FOUND).errno
    if not errno:
        return with_leak(target, lost)
    note = f"no '{wanted}' in the table"
    return with_leak(
        target, ObjectObservation(flb.object_id, "luo-flb", Interface.FLB, Reply.REFUSED, errno, notes=(note,))
    )


def _given(target: Booting, form: Format, flb: Flb, entry: dict[str, Value]) -> ObjectObservation:
    component = target.kernel.component("luo-flb")
    data, count = entry["data"], entry["count"]
    assert isinstance(data, int)
    properties = (
        compare(component, form, "data", f"{flb.data:#x}", f"{data:#x}"),
        compare(component, form, "count", str(len(target.truth.tokens)), str(count)),
    )
    return ObjectObservation(flb.object_id, "luo-flb", Interface.FLB, Reply.GIVEN, properties=properties)
