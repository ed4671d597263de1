# SPDX-License-Identifier: Apache-2.0
"""A whole database as one text file, for another machine or another kind of database: JSON, one row a line.

The last line says how many rows and artefacts there are, with a digest of all lines before it: a file that was cut
short or changed is never taken for the whole.
"""

from __future__ import annotations

import base64
import hashlib
import json
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

from sqlalchemy import Connection, Table, insert, select

from qualify.errors import StoreError
from qualify.store.database import Store, open_store
from qualify.store.merge import Merged, merge_store
from qualify.store.models import ArtefactRow, Base, UtcTime
from qualify.store.revisions import HEAD

__all__ = ["export_store", "import_store", "staged_export"]

_FORMAT = "qualify-export"
_BATCH = 500


def export_store(store: Store, out: TextIO) -> int:
    """Write every row, every artefact and the last line; the number of lines."""
    tally = _Tally()
    for plain in _plain(store):
        line = _dump(plain)
        tally.add(plain, line)
        out.write(line)
    out.write(_dump({"end": tally.as_dict()}))
    return tally.lines + 1


def import_store(into: Store, source: TextIO, name: str) -> Merged:
    """Merge what `export_store` wrote. Nothing is merged unless all of it can be read."""
    with staged_export(source, name) as staging:
        return merge_store(into, staging)


@contextmanager
def staged_export(source: TextIO, name: str) -> Iterator[Store]:
    """What `export_store` wrote, as a database that lasts as long as the context. StoreError when it cannot be read."""
    with tempfile.TemporaryDirectory(prefix="qualify-") as folder, open_store(Path(folder) / "all.sqlite") as staging:
        lines = _lines(source, name)
        _, head = next(lines, (0, {}))
        if head.get("format") != _FORMAT:
            raise StoreError(f"{name}: is not an export of qualify; 'qualify db export' writes them")
        if head.get("revision") != HEAD:
            raise StoreError(
                f"{name}: was exported at revision {head.get('revision')}, this qualify reads {HEAD}; "
                "export it again with the same qualify on both sides"
            )
        with staging.writing() as connection:
            _stage(connection, lines, staging, Path(folder), name)
        yield staging


def _plain(store: Store) -> Iterator[dict[str, Any]]:
    yield {"format": _FORMAT, "revision": HEAD}
    with store.artefacts.in_use(make=False), store.session() as session:
        for table in Base.metadata.sorted_tables:
            for row in session.execute(select(table).order_by(*table.primary_key.columns)):
                yield {"table": table.name, "row": {k: _to_json(v) for k, v in row._mapping.items()}}
        for sha256 in session.scalars(select(ArtefactRow.sha256).order_by(ArtefactRow.sha256)):
            yield {"artefact": sha256, "data": base64.b64encode(store.artefacts.read(sha256)).decode()}


def _to_json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _dump(plain: dict[str, Any]) -> str:
    return json.dumps(plain, separators=(",", ":"), ensure_ascii=False) + "\n"


class _Tally:
    """What the last line must say of those before it."""

    def __init__(self) -> None:
        self.lines = 0
        self._counts = {"rows": 0, "artefacts": 0}
        self._digest = hashlib.sha256()

    def add(self, plain: dict[str, Any], line: str) -> None:
        """Count one line; the head is neither a row nor an artefact."""
        self.lines += 1
        self._digest.update(line.encode("utf-8", "surrogatepass"))
        for kind, key in (("rows", "table"), ("artefacts", "artefact")):
            self._counts[kind] += key in plain

    def as_dict(self) -> dict[str, Any]:
        return {**self._counts, "sha256": self._digest.hexdigest()}

    def __str__(self) -> str:
        return f"{self._counts['rows']} rows and {self._counts['artefacts']} artefacts"


def _lines(source: TextIO, name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """(number, line) for all but the last, which is checked."""
    tally, ended = _Tally(), False
    for line in _text(source, name):
        number = tally.lines + 1
        if ended:
            raise StoreError(f"{name}:{number + 1}: stands behind the end of the export; export it again")
        plain = _parse(line, f"{name}:{number}")
        if "end" in plain:
            _check_end(plain["end"], tally, f"{name}:{number}")
            ended = True
            continue
        tally.add(plain, line)
        yield number, plain
    if tally.lines and not ended:
        raise StoreError(
            f"{name}:{tally.lines}: the export was cut short behind this line: the last one does not say what there is "
            f"({tally} are there); export it again"
        )


def _text(source: TextIO, name: str) -> Iterator[str]:
    try:
        yield from source
    except UnicodeDecodeError as error:
        raise StoreError(f"{name}: is not an export of qualify: {error}") from error


def _parse(line: str, place: str) -> dict[str, Any]:
    try:
        plain = json.loads(line)
        if not isinstance(plain, dict):
            raise ValueError("expected an object")
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{place}: is not an export of qualify, or was cut short: {error}") from error
    return plain


def _check_end(end: Any, tally: _Tally, place: str) -> None:
    found = tally.as_dict()
    if end == found:
        return
    told = end if isinstance(end, dict) else {}
    if all(told.get(kind) == found[kind] for kind in ("rows", "artefacts")):
        raise StoreError(f"{place}: the lines before this one were changed since the export; export it again")
    wanted = f"{told.get('rows')} rows and {told.get('artefacts')} artefacts"
    raise StoreError(f"{place}: the export is not whole: {wanted} were written, {tally} are there; export it again")


def _stage(
    connection: Connection, lines: Iterable[tuple[int, dict[str, Any]]], staging: Store, folder: Path, name: str
) -> None:
    tables = Base.metadata.tables
    waiting: list[dict[str, Any]] = []
    current: Table | None = None
    for number, plain in lines:
        try:
            table = tables[plain["table"]] if "table" in plain else None
            if waiting and (table is not current or len(waiting) == _BATCH):
                assert current is not None
                connection.execute(insert(current), waiting)
                waiting = []
            current = table
            if table is None:
                _put(staging, plain, folder)
            else:
                waiting.append({c.name: _from_json(c.type, plain["row"][c.name]) for c in table.columns})
        except (KeyError, TypeError, ValueError) as error:
            raise StoreError(f"{name}:{number}: is not a row of an export: {error!r}") from error
    if waiting and current is not None:
        connection.execute(insert(current), waiting)


def _from_json(column: Any, value: Any) -> Any:
    return datetime.fromisoformat(value) if isinstance(column, UtcTime) and value is not None else value


def _put(staging: Store, plain: dict[str, Any], folder: Path) -> None:
    data = base64.b64decode(plain["data"], validate=True)
    if hashlib.sha256(data).hexdigest() != plain["artefact"]:
        raise ValueError("the artefact's contents do not match its name")
    file = folder / "artefact"
    file.write_bytes(data)
    staging.artefacts.put(file, plain["artefact"])
