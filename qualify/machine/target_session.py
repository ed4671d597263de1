# SPDX-License-Identifier: Apache-2.0
"""Sessions on the target: deserialized when somebody first opens /dev/liveupdate, then retrieved by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from qualify.errors import CountError, CycleError, WireError
from qualify.machine.booting import Booting
from qualify.machine.incoming import IncomingFile, IncomingFiles, IncomingSession
from qualify.machine.observe import compare, text_of
from qualify.machine.reserved import KernelPanicError
from qualify.machine.target_memfd import retrieve_files
from qualify.model import Consequence, Interface, ObjectObservation, PropertyObservation, Reply
from qualify.scenario import Session
from qualify.schema import Condition, Reaction
from qualify.wire.structs import Value
from qualify.wire.tables import Table

if TYPE_CHECKING:
    from qualify.machine.target_luo import IncomingLuo

__all__ = ["open_device"]

_Found = dict[str, ObjectObservation]

# what each file in the list of a session takes (struct luo_file); so small a request is never refused: the machine dies
_FILE_BYTES = 96


def open_device(target: Booting, luo: IncomingLuo, sessions: list[Session], found: _Found) -> None:
    """Open /dev/liveupdate and retrieve every session and file."""
    if not luo.enabled or not target.scenario.target.liveupdate:
        for session in sessions:
            _all(target, session, Interface.DEVICE_OPEN, Reply.AS_COLD, "", "no /dev/liveupdate", found)
        return
    incoming = _deserialize(target, luo)
    if isinstance(incoming, str):
        # the failing open hits a session and whatever is in it, so at most one empty session is hit alone
        blast = sum(1 + len(s.files) for s in sessions) > 1
        more = {Consequence.NOT_RETRYABLE} | ({Consequence.BLAST_RADIUS} if blast else set())
        for session in sessions:
            _all(target, session, Interface.DEVICE_OPEN, Reply.REFUSED, "EIO", incoming, found, more)
        return
    for session in sessions:
        _retrieve(target, session, incoming, found)


def _deserialize(target: Booting, luo: IncomingLuo) -> dict[str, IncomingSession] | str:
    """luo_session_deserialize(): the sessions by name, or why every open fails."""
    if not luo.found or not luo.sessions_at:
        return {}
    form = target.kernel.readable("luo-session")[0]
    incoming: dict[str, IncomingSession] = {}
    tables = _FileTables(target)
    try:
        table = luo.sessions or target.kernel.table(form).decode(target.view, luo.sessions_at)
        for entry in table:
            name = text_of(entry["name"])
            if name in incoming:  # luo_session_insert() answers EEXIST
                return f"session '{name}' is there twice"
            listed = tables.of(entry)
            if why := _refuses(target, name, listed):
                return why
            incoming[name] = IncomingSession(name, listed)
    except WireError as error:
        raise KernelPanicError(f"while reading the sessions: {error}") from None
    _release(target, table)
    return incoming


def _refuses(target: Booting, session: str, listed: IncomingFiles) -> str:
    """'' or why luo_file_deserialize() fails for this session, and with it the whole device."""
    if listed.unhandled is not None:
        why = f"no registered handler for compatible '{listed.unhandled}'"
        target.log.append(f"luo: N{why[1:]}")
        return why if target.kernel.reaction("luo-file", Condition.NO_HANDLER) is Reaction.OPEN_FAILS else ""
    return f"files of session '{session}': {listed.refused}" if listed.refused else ""


class _FileTables:
    """The tables of files that sessions name. Each is read once, however many sessions name it."""

    def __init__(self, target: Booting) -> None:
        self._target = target
        self._forms = target.kernel.readable("luo-file")
        self._kinds = {f.compatible: f.compatible for f in target.kernel.readable("memfd")}
        self._read: dict[tuple[int, int], IncomingFiles] = {}
        ram = target.view.ram_bytes
        # a source preserves a page at least for every file, so tables that hold more in all overlap without end
        self._entries_left = ram // target.kernel.page_size
        self._objects_left = ram // _FILE_BYTES

    def of(self, entry: dict[str, Value]) -> IncomingFiles:
        """luo_file_deserialize() of one session. WireError: the table leaves RAM, or RAM cannot hold what it says."""
        at, count = entry["file_set_ser.files"], entry["file_set_ser.count"]
        assert isinstance(at, int)
        assert isinstance(count, int)
        if not at or not self._forms:
            return IncomingFiles()
        listed = self._read.get((at, count))
        if listed is None:
            listed = self._read[at, count] = self._read_table(at, count)
        self._objects_left -= len(listed.files)
        if self._objects_left < 0:
            raise KernelPanicError("System is deadlocked on memory: sessions name more files than fit into it")
        return listed

    def _read_table(self, at: int, count: int) -> IncomingFiles:
        target, form = self._target, self._forms[0]
        try:
            table = target.kernel.table(form).decode(target.view, at, count)
        except (CountError, CycleError) as error:  # only blocks are checked
            return IncomingFiles(refused=str(error))
        files: list[IncomingFile] = []
        for row in table:
            self._entries_left -= 1
            if self._entries_left < 0:
                raise CountError("sessions name more files than RAM has pages", offset=at)
            kind = text_of(row["compatible"])
            if kind not in self._kinds:
                return IncomingFiles(tuple(files), unhandled=kind)
            data, token = row["data"], row["token"]
            assert isinstance(data, int)
            assert isinstance(token, int)
            files.append(IncomingFile(self._kinds[kind], data, token))
        if target.kernel.trait("luo-file", "count-check") and table.count != count:
            return IncomingFiles(refused=f"file count mismatch: expected {count}, found {table.count}")
        _release(target, table)
        return IncomingFiles(tuple(files))


def _release(target: Booting, table: Table) -> None:
    """The table has been copied: its pages go back (kho_restore_free())."""
    target.reserved.restore(np.array([at for at, _ in table.pages], np.uint64))


def _retrieve(target: Booting, session: Session, incoming: dict[str, IncomingSession], found: _Found) -> None:
    """RETRIEVE_SESSION for every session of a run that the source accepted, then RETRIEVE_FD for their files."""
    names = session.names()
    accepted = [i for i in range(session.count) if (session.object_id, i) in target.truth.sessions]
    there = {i: incoming[names[i]] for i in accepted if names[i] in incoming}
    if not there:
        _all(target, session, Interface.RETRIEVE_SESSION, Reply.AS_COLD, "ENOENT", "no such session", found)
        return
    retrieve_files(target, session, accepted, there, found)
    if len(there) < len(accepted):
        note = f"{len(accepted) - len(there)} of {len(accepted)} sessions are not there"
        _one(target, session.object_id, "luo-session", Interface.RETRIEVE_SESSION, Reply.AS_COLD, "ENOENT", note, found)
        return
    component = target.kernel.component("luo-session")
    form = target.kernel.readable("luo-session")[0]
    first = accepted[0]
    kept = {token for owner, number, token in target.truth.tokens if (owner, number) == (session.object_id, first)}
    tokens = [f.token + i for f in session.files for i in range(f.count)]
    want = [t for t in tokens if t in kept]
    got = [f.token for f in there[first].listed.files]
    name = f"{len(accepted)} x {session.name}"
    properties: tuple[PropertyObservation, ...] = (compare(component, form, "name", name, name),)
    if len(got) >= len(want):  # a file that is missing is that file's finding; the session itself came back
        properties += (compare(component, form, "files", _short(want), _short(got)),)
    found[session.object_id] = ObjectObservation(
        session.object_id, "luo-session", Interface.RETRIEVE_SESSION, Reply.GIVEN, properties=properties
    )


def _all(
    target: Booting, session: Session, interface: Interface, reply: Reply, errno: str, note: str, found: _Found,
    more: set[Consequence] | None = None,
) -> None:  # fmt: skip
    ids = [(session.object_id, "luo-session"), *((session.file_id(f), "memfd") for f in session.files)]
    for object_id, component in ids:
        _one(target, object_id, component, interface, reply, errno, note, found, more)


def _one(
    target: Booting, object_id: str, component: str, interface: Interface, reply: Reply, errno: str, note: str,
    found: _Found, more: set[Consequence] | None = None,
) -> None:  # fmt: skip
    leaked = {Consequence.LEAKED} if target.leaked(object_id) else set()
    consequences = frozenset((more or set()) | leaked)
    found[object_id] = ObjectObservation(
        object_id, component, interface, reply, errno, consequences=consequences, notes=(note,)
    )


def _short(tokens: list[int]) -> str:
    text = [f"{t:#x}" for t in tokens]
    return ",".join(text) if len(text) <= 8 else f"{','.join(text[:3])},...,{text[-1]} ({len(text)})"
