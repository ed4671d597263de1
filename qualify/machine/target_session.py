# SPDX-License-Identifier: Apache-2.0
"""Sessions on the target: deserialized when somebody first opens /dev/liveupdate, then retrieved by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from qualify.errors import CountError, CycleError, WireError
from qualify.machine.booting import Booting
from qualify.machine.incoming import IncomingFile, IncomingSession
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
    try:
        table = luo.sessions or target.kernel.table(form).decode(target.view, luo.sessions_at)
        for entry in table:
            session = IncomingSession(text_of(entry["name"]))
            if session.name in incoming:  # luo_session_insert() answers EEXIST
                return f"session '{session.name}' is there twice"
            if why := _files(target, session, entry):
                return why
            incoming[session.name] = session
    except WireError as error:
        raise KernelPanicError(f"while reading the sessions: {error}") from None
    _release(target, table)
    return incoming


def _files(target: Booting, session: IncomingSession, entry: dict[str, Value]) -> str:
    """luo_file_deserialize(): '' or why the whole device fails. Leaving RAM is a WireError."""
    kernel = target.kernel
    at, count = entry["file_set_ser.files"], entry["file_set_ser.count"]
    assert isinstance(at, int)
    assert isinstance(count, int)
    forms = kernel.readable("luo-file")
    if not at or not forms:
        return ""
    codec = kernel.table(forms[0])
    try:
        table = codec.decode(target.view, at, count)
    except (CountError, CycleError) as error:  # only blocks are checked
        return f"files of session '{session.name}': {error}"
    handlers = {f.compatible for f in kernel.readable("memfd")}
    for row in table:
        kind = text_of(row["compatible"])
        if kind not in handlers:
            target.log.append(f"luo: No registered handler for compatible '{kind}'")
            fails = kernel.reaction("luo-file", Condition.NO_HANDLER) is Reaction.OPEN_FAILS
            return f"no registered handler for compatible '{kind}'" if fails else ""
        data, token = row["data"], row["token"]
        assert isinstance(data, int)
        assert isinstance(token, int)
        session.files.append(IncomingFile(kind, data, token))
    if kernel.trait("luo-file", "count-check") and table.count != count:
        return f"file count mismatch in session '{session.name}': expected {count}, found {table.count}"
    _release(target, table)
    return ""


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
    got = [f.token for f in there[first].files]
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
