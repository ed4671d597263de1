# SPDX-License-Identifier: Apache-2.0
"""memfd on the target: memfd_luo_retrieve(), and a look at what the file then holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qualify.errors import WireError
from qualify.machine.booting import Booting
from qualify.machine.contents import Contents, compare_digests, in_windows
from qualify.machine.incoming import IncomingFile, IncomingSession
from qualify.machine.observe import compare, with_leak, worst_of_run
from qualify.machine.reserved import KernelPanicError
from qualify.machine.target_area import Area, restore_area
from qualify.model import Consequence, Interface, ObjectObservation, PropertyObservation, Reply
from qualify.scenario import SEALS, Memfd, Session
from qualify.schema import Condition, Format
from qualify.wire import vmalloc
from qualify.wire.structs import StructCodec

__all__ = ["retrieve_files"]

_MAX_LFS_FILESIZE = (1 << 63) - 1
_TOP = (1 << 64) - 1

U64 = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class _File:
    """A restored file. `pages` holds the address of each page, 0 for a hole."""

    form: Format
    size: int
    position: int
    seals: int
    pages: U64


def retrieve_files(
    target: Booting,
    session: Session,
    accepted: Sequence[int],
    incoming: Mapping[int, IncomingSession],
    found: dict[str, ObjectObservation],
) -> None:
    """RETRIEVE_FD for every file of a session, or of a run of sessions; one observation per file of the scenario.

    `accepted` are the numbers of the sessions in the run that the source took, `incoming` those that came back.
    """
    tokens = {n: there.listed.by_token for n, there in incoming.items()}
    for file in session.files:
        object_id = session.file_id(file)
        seen: list[ObjectObservation] = []
        for number in accepted:
            for token in range(file.token, file.token + file.count):
                if (session.object_id, number, token) not in target.truth.tokens:
                    continue  # the source refused it
                if number not in incoming:
                    seen.append(_no_session(object_id))
                else:
                    there = tokens[number].get(token)
                    seen.append(_retrieve_one(target, session, file, object_id, number, token, there))
        if seen:  # what leaked shows once all files of a run have been asked for
            found[object_id] = with_leak(target, worst_of_run(seen))


def _no_session(object_id: str) -> ObjectObservation:
    notes = ("no such session",)
    return ObjectObservation(object_id, "memfd", Interface.RETRIEVE_SESSION, Reply.AS_COLD, "ENOENT", notes=notes)


def _retrieve_one(
    target: Booting,
    session: Session,
    file: Memfd,
    object_id: str,
    number: int,
    token: int,
    there: IncomingFile | None,
) -> ObjectObservation:
    got = _retrieve(target, there, file) if there is not None else ("ENOENT", "not in the session's list of files")
    if isinstance(got, tuple):
        errno, note = got
        once = frozenset() if there is None else frozenset({Consequence.NOT_RETRYABLE})
        return ObjectObservation(
            object_id, "memfd", Interface.RETRIEVE_FD, Reply.REFUSED, errno, consequences=once, notes=(note,)
        )
    expected = target.truth.contents(f"{session.object_id}/{number}/{token:#x}", file.size, file.holes)
    try:
        properties = _properties(target, file, expected, got)
    except WireError as error:
        raise KernelPanicError(f"while reading a retrieved memfd: {error}") from None
    return ObjectObservation(object_id, "memfd", Interface.RETRIEVE_FD, Reply.GIVEN, properties=properties)


def _retrieve(target: Booting, there: IncomingFile, file: Memfd) -> _File | tuple[str, str]:
    """The file, or (errno, why)."""
    kernel = target.kernel
    form = next(f for f in kernel.readable("memfd") if f.compatible == there.compatible)
    codec = kernel.codec(form.struct)
    try:
        raw = codec.unpack(target.view.read(there.data, codec.size))
    except WireError as error:
        raise KernelPanicError(f"memfd_luo_retrieve: {error}") from None
    values = {name: v for name, v in raw.items() if isinstance(v, int)}
    got = _rebuild(target, form, values, "seals" in codec, file)
    target.reserved.restore(np.array([there.data], np.uint64))  # kho_restore_free() of the descriptor, come what may
    return got


def _rebuild(
    target: Booting, form: Format, values: dict[str, int], has_seals: bool, file: Memfd
) -> _File | tuple[str, str]:
    """memfd_luo_retrieve() once it has the descriptor. What it gave up on stays reserved."""
    kernel = target.kernel
    seals = values.get("seals", int(kernel.trait("memfd", "unsealed-as")))
    if has_seals and seals & ~int(kernel.trait("memfd", "known-seals")):
        return kernel.reaction("memfd", Condition.UNKNOWN_FLAGS).errno, f"unknown seals {seals:#x}"
    if seals & SEALS["exec"]:
        seals |= int(kernel.trait("memfd", "exec-seal-adds"))
    position = values["pos"] if values["pos"] <= _MAX_LFS_FILESIZE else 0
    size = values["size"]
    pages = np.zeros(0, np.uint64)
    if values["nr_folios"]:
        listed = _folios(target, form, values, -(-file.size // kernel.page_size))
        if isinstance(listed, tuple):
            return listed
        pages = listed
    return _File(form, size, position, seals, pages)


def _folios(target: Booting, form: Format, values: dict[str, int], most: int) -> U64 | tuple[str, str]:
    """memfd_luo_retrieve_folios(): address of each of the first `most` pages of the file, or (errno, why)."""
    kernel = target.kernel
    what = vmalloc.Descriptor(
        values["folios.first"], values["folios.total_pages"], values["folios.flags"], values["folios.order"]
    )
    area = restore_area(target, what)
    if area is None:
        return kernel.reaction("memfd", Condition.MALFORMED).errno, "kho_restore_vmalloc() failed"
    codec = kernel.codec(form.structs["folio"])
    count = values["nr_folios"]
    if count * codec.size > area.size:
        raise KernelPanicError(f"memfd_luo_retrieve reads {count} folios from an area of {area.size} bytes")
    listed = _restored(target, area, codec, count)
    if listed.failed is not None:
        why = f"unable to restore folio at physical address {listed.failed:#x}"
        if not len(listed.addresses) or kernel.trait("memfd", "folio-error") == "any":
            return kernel.reaction("memfd", Condition.UNRESTORABLE_PAGE).errno, why
        target.log.append(f"memfd: {why}; answered 0 all the same")
    addresses, orders, flags, index = listed.addresses, listed.orders, listed.flags, listed.index
    counts = np.uint64(1) << np.minimum(orders, 63).astype(np.uint64)
    ends = np.where(index + counts < index, np.uint64(_TOP), index + counts)
    by = np.argsort(index, kind="stable")
    if (ends[by][:-1] > index[by][1:]).any():
        return "EEXIST", "two folios at one index"
    uptodate = (flags & np.uint64(int(form.constants["UPTODATE"]))) != 0
    return _page_table(addresses[uptodate], index[uptodate], ends[uptodate], kernel.page_size, most)


@dataclass(frozen=True, slots=True)
class _Folios:
    """Folios that came back, in the order of the list up to the first that did not; the address of that one."""

    addresses: U64
    orders: npt.NDArray[np.int64]
    flags: U64
    index: U64
    failed: int | None


def _restored(target: Booting, area: Area, codec: StructCodec, count: int) -> _Folios:
    """kho_restore_folio() for every entry of the list that names a page, also behind one that fails.

    What `rest-after-error: leaked` gives up on stays reserved. Of a list that RAM cannot need no more is kept than RAM
    has pages: each comes back but once.
    """
    kept: list[tuple[U64, npt.NDArray[np.int64], U64, U64]] = []
    failed: int | None = None
    gives_up = target.kernel.trait("memfd", "rest-after-error") == "leaked"
    for piece in area.pieces(count * codec.size, codec.size):
        rows = codec.unpack_array(piece, len(piece) // codec.size)
        pfns = codec.column(rows, "pfn")
        there = pfns != 0
        addresses = pfns[there] << np.uint64(target.kernel.page_shift)
        if failed is not None and gives_up:
            break
        good, orders = target.reserved.restore(addresses)
        if failed is not None:
            continue
        end = len(good) if good.all() else int(np.argmin(good))
        if gives_up:
            target.reserved.lose(addresses[end:][good[end:]])
        failed = int(addresses[end]) if end < len(good) else None
        flags, index = codec.column(rows, "flags")[there], codec.column(rows, "index")[there]
        kept.append((addresses[:end], orders[:end], flags[:end], index[:end]))
    addresses, orders, flags, index = (np.concatenate(column) for column in zip(*kept, strict=True))
    return _Folios(addresses, orders, flags, index, failed)


def _page_table(addresses: U64, starts: U64, ends: U64, page: int, most: int) -> U64:
    """Spread folios to pages; a page that no folio covers, or whose folio is not up to date, is zero.

    `starts` and `ends` are page indices, without overlaps; only pages below `most` are looked at.
    """
    starts, ends = np.minimum(starts, np.uint64(most)), np.minimum(ends, np.uint64(most))
    counts = (ends - starts).astype(np.int64)
    table = np.zeros(most, np.uint64)
    within = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    table[np.repeat(starts.astype(np.int64), counts) + within] = np.repeat(addresses, counts) + (
        within.astype(np.uint64) * np.uint64(page)
    )
    return table


def _properties(target: Booting, file: Memfd, expected: Contents, got: _File) -> tuple[PropertyObservation, ...]:
    component, form = target.kernel.component("memfd"), got.form
    if got.size != file.size:
        want, seen = expected.digest(), "not compared, the size differs"
    else:
        parts = in_windows(file.size)
        want, seen = compare_digests(expected, parts, lambda start, size: _read(target, got, start, size))
    pairs = {
        "size": (str(file.size), str(got.size)),
        "contents": (want, seen),
        "position": (str(file.position), str(got.position)),
        "seals": (f"{file.seal_mask:#x}", f"{got.seals:#x}"),
        "close-on-exec": ("as set", "set"),
    }
    if file.holes:
        pairs["holes"] = (",".join(f"{o:#x}+{n:#x}" for o, n in file.holes), "none")
    return tuple(compare(component, form, name, *values) for name, values in pairs.items())


def _read(target: Booting, got: _File, start: int, size: int) -> Iterator[npt.NDArray[np.uint8]]:
    """File bytes [start, start + size); adjacent pages are read at once."""
    page = target.kernel.page_size
    first, last = start // page, -(-(start + size) // page)
    table = got.pages[first:last]
    if len(table) < last - first:  # a file without folios
        table = np.zeros(last - first, np.uint64)
    if (table != 0).all() and (np.diff(table.astype(np.int64)) == page).all():
        yield from target.view.pieces(int(table[0]), size)
        return
    out = np.zeros((last - first, page), dtype=np.uint8)
    held = np.flatnonzero(table)
    out[held] = target.view.gather(table[held], page)
    yield out.reshape(-1)[:size]
