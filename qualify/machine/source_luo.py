# SPDX-License-Identifier: Apache-2.0
"""LUO on the source: sessions, files, memfds, file-lifecycle-bound objects."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from qualify.machine.contents import WINDOW, Contents
from qualify.machine.handover import Offer
from qualify.machine.preserving import Preserving
from qualify.scenario import Flb, Memfd, Session, file_blocks
from qualify.schema import Condition, FdtNode, Format
from qualify.wire import fdt, vmalloc
from qualify.wire.properties import write_number
from qualify.wire.structs import Value

__all__ = ["LuoWriter", "write_folios"]

_Entry = Mapping[str, Value]


def write_folios(source: Preserving, addresses: npt.NDArray[np.uint64], span: int, contents: Contents) -> None:
    """Store a file's bytes in the folios at `addresses`, `span` bytes each: runs of them at once, in windows."""
    breaks = np.flatnonzero(np.diff(addresses.astype(np.int64)) != span) + 1
    edges = [0, *breaks.tolist(), len(addresses)]
    for low, high in itertools.pairwise(edges):
        end = min(high * span, contents.size)
        for start in range(low * span, end, WINDOW):
            data = contents.window(start, min(WINDOW, end - start))
            source.memory.write(int(addresses[low]) + start - low * span, data)


class LuoWriter:
    """Writes everything below the LUO subtree of one scenario."""

    def __init__(self, source: Preserving) -> None:
        self.source = source
        self.kernel = source.kernel
        self.memory = source.memory
        self.pages = source.pages
        self._tokens = source.truth.tokens

    def write(self, sessions: Sequence[Session], flbs: Sequence[Flb], serialize: bool) -> tuple[int, int]:
        """(address, size) of the LUO blob. Without `serialize` the tables stay as they were made at boot: empty."""
        root = self.kernel.written("luo")
        assert root is not None
        at = self.pages.preserve()
        tables: dict[str, int] = {}  # component -> address of its table, 0 for none
        order = [c for c in ("luo-session", "luo-flb") if self.kernel.written(c) is not None]
        made: dict[str, tuple[int, ...]] = {}
        held: dict[str, npt.NDArray[np.uint64]] = {}
        for component in order:
            mark = self.pages.mark()
            made[component] = self._pages_at_boot(component)
            held[component] = self.pages.since(mark)
        entries = {"luo-session": self._sessions(sessions), "luo-flb": self._flbs(flbs)}
        for component in order:
            form = self.kernel.written(component)
            assert form is not None
            rows = entries[component] if serialize else []
            extra: dict[str, Value] = (
                {"pgcnt": form.container.pages} if form.container and form.container.kind == "array" else {}
            )
            mark = self.pages.mark()
            where = made[component] or self.kernel.table(form).allocate(self.pages.preserve, len(rows))
            tables[component] = self.kernel.table(form).encode(self.memory, where, rows, extra)
            shared = np.concatenate([held[component], self.pages.since(mark)])
            for owner in sessions if component == "luo-session" else flbs:
                self._holds(owner.object_id, shared)
        blob = self._root_fdt(root, tables) if root.fdt is not None else self._root_struct(root, tables)
        self.memory.write(at, blob)
        return at, len(blob)

    def _holds(self, object_id: str, blocks: npt.NDArray[np.uint64]) -> None:
        """Memory that stays reserved as long as nobody takes this object back, and others with it."""
        offer = self.source.offers[object_id]
        if offer.offered:
            self.source.offers[object_id] = replace(offer, blocks=np.concatenate([offer.blocks, blocks]))

    def _pages_at_boot(self, component: str) -> tuple[int, ...]:
        """Arrays are allocated at boot; blocks when there is something to hold."""
        form = self.kernel.written(component)
        assert form is not None
        return self.kernel.table(form).allocate(self.pages.preserve, 0)

    def _root_fdt(self, root: Format, tables: Mapping[str, int]) -> bytes:
        assert root.fdt is not None
        numbers = {"number": 1}
        properties = [("compatible", fdt.prop_string(root.fdt.compatible))]
        properties += [(p.name, write_number(p, numbers[p.role])) for p in root.fdt.properties if p.role in numbers]
        children = []
        for child in root.fdt.children:
            for component, address in tables.items():
                form = self.kernel.written(component)
                if form is not None and form.carrier.node == child.name and form.fdt is not None:
                    children.append(self._table_node(form.fdt, address))
        return fdt.encode_sequential(
            fdt.Node("", tuple(properties), tuple(children)), buffer_size=self.kernel.page_size
        )

    @staticmethod
    def _table_node(template: FdtNode, address: int) -> fdt.Node:
        values = {"address": address}
        properties = [("compatible", fdt.prop_string(template.compatible))] if template.compatible else []
        properties += [(p.name, write_number(p, values[p.role])) for p in template.properties if p.role in values]
        return fdt.Node(template.name, tuple(properties))

    def _root_struct(self, root: Format, tables: Mapping[str, int]) -> bytes:
        values: dict[str, Value] = {"compatible": root.compatible.encode(), "liveupdate_num": 1}
        for component, address in tables.items():
            form = self.kernel.written(component)
            if form is not None and form.carrier.field:
                values[form.carrier.field] = address
        return self.kernel.codec(root.struct).pack(values)

    def _sessions(self, sessions: Sequence[Session]) -> list[_Entry]:
        form = self.kernel.written("luo-session")
        if form is None:
            return []
        room = self.kernel.table(form).capacity
        rows: list[_Entry] = []
        for session in sessions:
            if len(rows) + session.count > room:  # its owner gives up on all of a run that does not fit
                self._refuse(session)
                continue
            mark = self.pages.mark()
            for number, name in enumerate(session.names()):
                rows.append(self._session(session, number, name))
                self.source.truth.sessions.add((session.object_id, number))
            blocks = self.pages.since(mark)
            self.source.offers[session.object_id] = Offer(session.object_id, offered=True, blocks=blocks)
        return rows

    def _refuse(self, session: Session) -> None:
        errno = self.kernel.reaction("luo-session", Condition.FULL).errno
        self.source.offers[session.object_id] = Offer(session.object_id, offered=False, refused=errno)
        for file in session.files:
            note = "its session could not be created"
            self.source.offers[session.file_id(file)] = Offer(session.file_id(file), offered=False, note=note)

    def _session(self, session: Session, number: int, name: str) -> _Entry:
        form = self.kernel.written("luo-file")
        memfd = self.kernel.written("memfd")
        if form is None or memfd is None:
            for file in session.files:
                object_id = session.file_id(file)
                note = "no handler for this kind of file"
                self.source.offers[object_id] = Offer(object_id, offered=False, refused="ENOENT", note=note)
            return {"name": name.encode()}
        table = self.kernel.table(form)
        rows: list[_Entry] = []
        pages: tuple[int, ...] = ()
        for file in session.files:
            if refused := self._refuses(memfd, file, table.capacity - len(rows)):
                object_id = session.file_id(file)
                self.source.offers[object_id] = Offer(object_id, offered=False, refused=refused)
                continue
            if not pages:  # allocated with the first file
                pages = table.allocate(self.pages.preserve, 0)
            mark, extra = self.pages.mark(), []
            for index in range(file.count):
                row, blocks = self._memfd(memfd, session, file, number, number * file.count + index, file.token + index)
                extra.append(blocks)
                self.source.truth.tokens.add((session.object_id, number, file.token + index))
                rows.append(row)
            self._offer_file(session, file, mark, extra)
        if not rows:
            return {"name": name.encode()}
        where = pages or table.allocate(self.pages.preserve, len(rows))
        address = table.encode(self.memory, where, rows)
        return {"name": name.encode(), "file_set_ser.files": address, "file_set_ser.count": len(rows)}

    def _refuses(self, memfd: Format, file: Memfd, room: int) -> str:
        """The errno that SESSION_PRESERVE_FD answers for one of a run of files, '' when it takes all."""
        if file.count > room:
            return self.kernel.reaction("luo-file", Condition.FULL).errno
        if file.hugetlb:
            return str(self.kernel.trait("memfd", "hugetlb-refused"))
        if file.seal_mask & ~int(self.kernel.trait("memfd", "known-seals")) and "seals" in memfd.carried:
            return self.kernel.reaction("memfd", Condition.UNKNOWN_FLAGS).errno
        return ""

    def _offer_file(self, session: Session, file: Memfd, mark: int, extra: list[npt.NDArray[np.uint64]]) -> None:
        """A file of a run of sessions is offered once for each of them: its memory adds up."""
        object_id = session.file_id(file)
        before = self.source.offers[object_id].blocks
        blocks = np.concatenate([before, self.pages.since(mark), *extra])
        self.source.offers[object_id] = Offer(object_id, offered=True, blocks=blocks)

    def _memfd(
        self, form: Format, session: Session, file: Memfd, number: int, index: int, token: int
    ) -> tuple[_Entry, npt.NDArray[np.uint64]]:
        """Write one memfd; source: memfd_luo_preserve() and memfd_luo_preserve_folios() in mm/memfd_luo.c."""
        page, span = self.kernel.page_size, self.kernel.page_size << file.order
        blocks = file_blocks(file, index, page)
        contents = self.source.contents(f"{session.object_id}/{number}/{token:#x}", file.size, file.holes)
        write_folios(self.source, blocks[:, 0], span, contents)
        at = self.pages.preserve()
        self.pages.add(blocks)
        values: dict[str, Value] = {
            "pos": file.position,
            "size": file.size,
            "seals": file.seal_mask,
            "nr_folios": len(blocks),
        }
        if len(blocks):
            values |= self._folio_list(form, file, blocks)
        self.memory.write(at, self.kernel.codec(form.struct).pack(values))
        return {"compatible": form.compatible.encode(), "data": at, "token": token}, blocks

    def _folio_list(self, form: Format, file: Memfd, blocks: npt.NDArray[np.uint64]) -> dict[str, Value]:
        page = self.kernel.page_size
        dirty, uptodate = int(form.constants["DIRTY"]), int(form.constants["UPTODATE"])
        flags = np.full(len(blocks), dirty | uptodate, dtype=np.uint64)
        if self.kernel.trait("memfd", "folio-flags") == "real":
            for offset, length in file.holes:  # allocated while pinning, never written
                flags[offset // (page << file.order) : (offset + length) // (page << file.order)] = uptodate
        columns = {
            "pfn": blocks[:, 0] >> np.uint64(self.kernel.page_shift),
            "flags": flags,
            "index": np.arange(len(blocks), dtype=np.uint64) << np.uint64(file.order),
        }
        rows = self.kernel.codec(form.structs["folio"]).pack_array(columns, len(blocks))
        pages = np.array([self.pages.preserve() for _ in range(-(-len(rows) // page))], dtype=np.uint64)
        for i, where in enumerate(pages.tolist()):
            self.memory.write(where, rows[i * page : (i + 1) * page])
        areas = self.kernel.written("kho-vmalloc")
        assert areas is not None
        chunk = self.kernel.codec(areas.structs["chunk"])
        what = vmalloc.encode(self.memory, chunk, pages, int(areas.constants["ALLOC"]), 0, self.pages.preserve)
        return {
            "folios.first": what.first,
            "folios.total_pages": what.total_pages,
            "folios.flags": what.flags,
            "folios.order": what.order,
        }

    def _flbs(self, flbs: Sequence[Flb]) -> list[_Entry]:
        form = self.kernel.written("luo-flb")
        if form is None:
            return []
        rows: list[_Entry] = []
        room = self.kernel.table(form).capacity
        for flb in flbs:
            if not self._tokens:
                note = "no preserved file depends on it"
                self.source.offers[flb.object_id] = Offer(flb.object_id, offered=False, note=note)
            elif len(rows) == room:
                errno = self.kernel.reaction("luo-flb", Condition.FULL).errno
                self.source.offers[flb.object_id] = Offer(flb.object_id, offered=False, refused=errno)
            else:
                rows.append({"name": flb.name.encode(), "data": flb.data, "count": len(self._tokens)})
                self.source.offers[flb.object_id] = Offer(flb.object_id, offered=True)
        return rows
