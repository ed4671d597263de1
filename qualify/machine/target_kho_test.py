# SPDX-License-Identifier: Apache-2.0
"""lib/test_kho.c on the target: its folios come back and their checksum is compared."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from qualify.errors import WireError
from qualify.machine.booting import Booting
from qualify.machine.checksum import csum_partial
from qualify.machine.contents import WINDOW
from qualify.machine.observe import compare, names, with_leak
from qualify.machine.reserved import KernelPanicError
from qualify.machine.target_area import restore_area
from qualify.machine.words import word_of
from qualify.model import Interface, ObjectObservation, Reply
from qualify.scenario import KhoTest
from qualify.schema import Condition, FdtProperty, Format, Reaction
from qualify.wire import vmalloc
from qualify.wire.properties import read_number

__all__ = ["read_kho_test"]


def read_kho_test(target: Booting, test: KhoTest, enabled: bool) -> ObjectObservation:
    """kho_test_init() and kho_test_restore(): restored, refused, or saved afresh as on a cold boot."""
    lost = ObjectObservation(test.object_id, "kho-test", Interface.KHO_TEST, Reply.AS_COLD)
    if not target.kernel.has("kho-test") or not (enabled or target.kernel.trait("kho-test", "reads-when-off")):
        return with_leak(target, lost)
    forms = target.kernel.readable("kho-test")
    if not forms:
        return with_leak(target, lost)
    found = target.subtree(forms[0].carrier.subtree)
    if found == "ENOENT":
        return with_leak(target, lost)
    why = found if isinstance(found, str) else _restore_kho_test(target, found[0], forms)
    if why:
        target.log.append(f"test_kho: KHO restore failed: {why}")
        errno = target.kernel.reaction("kho-test", Condition.MALFORMED, Reaction.REFUSE_EINVAL).errno
        refused = ObjectObservation(test.object_id, "kho-test", Interface.KHO_TEST, Reply.REFUSED, errno, notes=(why,))
        return with_leak(target, refused)
    target.log.append("test_kho: KHO restore succeeded")
    good = compare(target.kernel.component("kho-test"), forms[0], "contents", "checksum equal", "checksum equal")
    return ObjectObservation(test.object_id, "kho-test", Interface.KHO_TEST, Reply.GIVEN, properties=(good,))


def _restore_kho_test(target: Booting, at: int, forms: tuple[Format, ...]) -> str:
    """Why it failed, or ''."""
    root = target.read_fdt(at)
    form = next((f for f in forms if root is not None and names(root, f)), None)
    if root is None or form is None or form.fdt is None:
        return "incompatible"
    magic, template = form.fdt.prop("magic"), next((c for c in form.fdt.children if c.prop("folios")), None)
    assert magic is not None
    assert template is not None
    if read_number(root, magic) != form.constants["magic"]:
        return "no magic"
    data = root.child(template.name)
    if data is None:
        return "no data node"
    roles = {p.role: p for p in template.properties}
    count = read_number(data, roles["count"])
    checksum = read_number(data, roles["checksum"])
    info = data.get(roles["folios"].name)
    if count is None or checksum is None or info is None:
        return "a property is missing or has a wrong length"
    listed = _folio_list(target, roles["folios"], info, count)
    if isinstance(listed, str):
        return listed
    return "" if _sum(target, listed, count) == checksum else "checksum differs"


def _folio_list(target: Booting, prop: FdtProperty, info: bytes, count: int) -> Iterator[int] | str:
    """The words that can be read, `count` of them or fewer."""
    word = word_of(prop, target.kernel.release.endian)
    if not prop.struct:
        if len(info) != word.itemsize * count:
            return "folios_info has a wrong length"
        return (int(each) for each in np.frombuffer(info, word))
    codec = target.kernel.codec(prop.struct)
    if len(info) != codec.size:
        return "folios_info has a wrong length"
    values = {k: v for k, v in codec.unpack(info).items() if isinstance(v, int)}
    area = restore_area(
        target, vmalloc.Descriptor(values["first"], values["total_pages"], values["flags"], values["order"])
    )
    if area is None:
        return "folios_info: kho_restore_vmalloc() failed"
    return (each for piece in area.pieces(word.itemsize * count, word.itemsize) for each in piece.view(word).tolist())


def _sum(target: Booting, listed: Iterator[int], count: int) -> int:
    page = target.kernel.page_size
    checksum, found, summed = 0, 0, 0
    for word in listed:
        order, at = word & (page - 1), word & ~(page - 1)
        if not target.view.known.covers(at, at + page):
            break  # pfn_to_online_page() knows no such page
        good, orders = target.reserved.restore(np.array([at], np.uint64))
        if not good[0] or int(orders[0]) != order:
            break
        found, summed = found + 1, summed + (page << order)
        if summed > target.view.ram_bytes:  # releases that check nothing give the same folio out again and again
            raise KernelPanicError(f"kho_test is still adding up memory after {summed} bytes: soft lockup")
        checksum = _sum_folio(target, at, page << order, checksum)
    else:
        if found < count:
            raise KernelPanicError(f"kho_test reads {count} folios from an area that holds {found}")
    return checksum


def _sum_folio(target: Booting, at: int, size: int, checksum: int) -> int:
    """`checksum` with one folio added, a window at a time: an order of 18 is a gigabyte."""
    for start in range(0, size, WINDOW):
        try:
            data = target.view.array(at + start, min(WINDOW, size - start))
        except WireError as error:
            raise KernelPanicError(f"kho_test_restore_data: {error}") from None
        checksum = csum_partial(data, checksum)
    return checksum
