# SPDX-License-Identifier: Apache-2.0
"""Sessions and files as the target's /dev/liveupdate gave them: one observation per session and file of a scenario."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qualify.backends.protocol import CellInput
from qualify.backends.qemu.answers import Answers, errno_of
from qualify.backends.qemu.projection import Asked
from qualify.backends.qemu.seen import not_offered
from qualify.machine.observe import compare, worst_of_run
from qualify.model import Consequence, Interface, ObjectObservation, PropertyObservation, Reply
from qualify.scenario import Memfd, Session
from qualify.schema import Format

__all__ = ["observe_session"]

_Fields = Mapping[str, Any]
_COLD_OPEN = "ENOENT"  # no device: no LUO, or not switched on
_COLD_SESSION = "ENOENT"  # luo_session_retrieve() in kernel/liveupdate/luo_session.c of 7.3.4: no session of that name


def observe_session(
    number: int, cell: CellInput, session: Session, asked: Asked, answers: Answers
) -> list[ObjectObservation]:
    """The session, or run of sessions, and each of its files."""
    places = [i for i, s in enumerate(asked.sessions) if (s.cell, s.session) == (number, session)]
    return _Observer(cell, session, asked, answers, places).all()


class _Observer:
    def __init__(
        self, cell: CellInput, session: Session, asked: Asked, answers: Answers, places: Sequence[int]
    ) -> None:
        self.cell = cell
        self.session = session
        self.asked = asked
        self.source, self.target = answers.source, answers.target
        self.places = places

    def all(self) -> list[ObjectObservation]:
        if why := self._nothing_offered():
            errno, note = why
            return self._each(lambda i, c: not_offered(i, c, errno, note))
        if (opened := self._open_errno()) is not None:
            return self._each(lambda i, c: self._not_opened(i, c, opened))
        return [self._session(), *(self._file(f) for f in self.session.files)]

    def _each(self, make: Any) -> list[ObjectObservation]:
        ids = [(self.session.object_id, "luo-session")]
        ids += [(self.session.file_id(f), "memfd") for f in self.session.files]
        return [make(*each) for each in ids]

    def _nothing_offered(self) -> tuple[str, str] | None:
        """(errno, why) when the source did not take all of the sessions: who cannot have all of a run gives it up."""
        if stayed := self.source.stayed:
            return stayed
        if not self.source.opens:
            return "", "the source has no /dev/liveupdate"
        if errno := errno_of(self.source.opens[0]):
            # no device is no answer of LUO: it is not there or not switched on
            return ("" if errno == _COLD_OPEN else errno), "/dev/liveupdate of the source cannot be opened"
        errors = [errno_of(self.source.sessions.get(p)) for p in self.places]
        return (next(e for e in errors if e), "CREATE_SESSION") if any(errors) else None

    def _open_errno(self) -> str | None:
        """None when the device of the target could be opened."""
        if not self.target.opens:
            return _COLD_OPEN
        errno = errno_of(self.target.opens[0])
        return errno or None

    def _not_opened(self, object_id: str, component: str, errno: str) -> ObjectObservation:
        if component == "memfd" and (gone := self._refused_file(object_id)):
            return gone
        if errno == _COLD_OPEN:
            return ObjectObservation(
                object_id, component, Interface.DEVICE_OPEN, Reply.AS_COLD, notes=("no /dev/liveupdate",)
            )
        again = [errno_of(o) for o in self.target.opens if o.get("again")]
        consequences = {Consequence.NOT_RETRYABLE} if again and all(again) else set()
        if self._many():
            consequences.add(Consequence.BLAST_RADIUS)
        return ObjectObservation(
            object_id, component, Interface.DEVICE_OPEN, Reply.REFUSED, errno, consequences=frozenset(consequences)
        )

    def _many(self) -> bool:
        """Whether more is hit than one session without files."""
        return sum(1 + len(s.session.files) for s in self.asked.sessions) > 1

    def _refused_file(self, object_id: str) -> ObjectObservation | None:
        file = next(f for f in self.session.files if self.session.file_id(f) == object_id)
        return None if self._offered(file) else self._not_preserved(file)

    def _session(self) -> ObjectObservation:
        object_id = self.session.object_id
        answers = [errno_of(self.target.sessions.get(p)) for p in self.places]
        ask = Interface.RETRIEVE_SESSION
        bad = [e for e in answers if e]
        if bad:
            strange = [e for e in bad if e != _COLD_SESSION]
            note = f"{len(bad)} of {len(answers)} sessions are not there"
            reply = Reply.REFUSED if strange else Reply.AS_COLD
            return ObjectObservation(object_id, "luo-session", ask, reply, (strange or bad)[0], notes=(note,))
        component = self.cell.schema.components["luo-session"]
        form = self._form("luo-session")
        names = [str((self.target.sessions.get(p) or {}).get("named") or "") for p in self.places]
        wanted = [self.asked.sessions[p].name for p in self.places]
        properties: tuple[PropertyObservation, ...] = ()
        if any(names):  # GET_NAME is not answered by every release
            wrong = next(((w, n) for w, n in zip(wanted, names, strict=True) if w != n), (wanted[0], names[0]))
            properties = (compare(component, form, "name", *wrong),)
        return ObjectObservation(object_id, "luo-session", ask, Reply.GIVEN, properties=properties)

    def _offered(self, file: Memfd) -> list[tuple[int, int]]:
        """(place of the session, token) of each file that the source took; none when it refused one of a run."""
        keys = [(p, t) for p in self.places for t in range(file.token, file.token + file.count)]
        answers = [self.source.files.get(k) for k in keys]
        return [] if any(errno_of(a) for a in answers) else keys

    def _not_preserved(self, file: Memfd) -> ObjectObservation:
        keys = [(p, t) for p in self.places for t in range(file.token, file.token + file.count)]
        bad = [a for k in keys if errno_of(a := self.source.files.get(k))]
        said = next((a for a in bad if a is not None), {})
        asked = f"it could not be made: {said.get('step', '')}" if said.get("made") else "PRESERVE_FD"
        return not_offered(self.session.file_id(file), "memfd", errno_of(said if said else None), asked)

    def _file(self, file: Memfd) -> ObjectObservation:
        offered = self._offered(file)
        if not offered:
            return self._not_preserved(file)
        return worst_of_run([self._one(file, key) for key in offered])

    def _one(self, file: Memfd, key: tuple[int, int]) -> ObjectObservation:
        object_id = self.session.file_id(file)
        session = errno_of(self.target.sessions.get(key[0]))
        if session:
            reply = Reply.AS_COLD if session == _COLD_SESSION else Reply.REFUSED
            return ObjectObservation(object_id, "memfd", Interface.RETRIEVE_SESSION, reply, session)
        found = self.target.files.get(key)
        errno = errno_of(found)
        if found is None or errno:
            again = str((found or {}).get("again", ""))
            once = frozenset({Consequence.NOT_RETRYABLE}) if again else frozenset()
            return ObjectObservation(object_id, "memfd", Interface.RETRIEVE_FD, Reply.REFUSED, errno, consequences=once)
        properties = self._properties(file, self.source.files[key], found)
        return ObjectObservation(object_id, "memfd", Interface.RETRIEVE_FD, Reply.GIVEN, properties=properties)

    def _properties(self, file: Memfd, source: _Fields, found: _Fields) -> tuple[PropertyObservation, ...]:
        same_size = int(found["size"]) == file.size
        pairs = {
            "size": (str(file.size), str(found["size"])),
            "contents": (
                (str(found["expected"]), str(found["seen"]))
                if same_size
                else ("as written", "not compared, the size differs")
            ),
            "position": (str(file.position), str(found["position"])),
            "seals": (f"{int(source['seals']):#x}", f"{int(found['seals']):#x}"),
            "close-on-exec": ("as set", "set" if found.get("cloexec") else "not set"),
        }
        if file.holes:
            pairs["holes"] = (",".join(f"{o:#x}+{n:#x}" for o, n in file.holes), str(found.get("holes", "none")))
        component, form = self.cell.schema.components["memfd"], self._form("memfd")
        return tuple(compare(component, form, name, *values) for name, values in pairs.items())

    def _form(self, component: str) -> Format | None:
        """The format by which the target read it: its own of the source's string."""
        schema = self.cell.schema
        written = schema.written(self.cell.source, component)
        readable = schema.readable(self.cell.target, component)
        return next((f for f in readable if written is not None and f.compatible == written.compatible), written)
