# SPDX-License-Identifier: Apache-2.0
"""`qualify db artefact`: the files that cells left, by digest as reports name them, or by cell."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.orm import Session

from qualify.cli.files import writing_bytes
from qualify.cli.options import DbOption, JsonOption, located
from qualify.cli.output import is_stdout, print_json
from qualify.errors import UsageError
from qualify.report.filetext import readable
from qualify.report.wording import plural
from qualify.store import Artefact, Store, open_store
from qualify.store.files import find_by_cell, find_by_digest

__all__ = ["artefact_command"]

_SHORTEST = 6
_DIGEST = re.compile(rf"[0-9a-f]{{{_SHORTEST},64}}")
_CELL = re.compile(r"(?P<source>.+?)(?:→|->)(?P<target>.+?)/(?P<scenario>.+)")


@dataclass(frozen=True, slots=True)
class _Found:
    """A file, and the backend of its cell where it was looked up by cell."""

    artefact: Artefact
    backend: str = ""


def artefact_command(
    what: Annotated[
        str, typer.Argument(metavar="SHA|CELL", help="A digest or its beginning; or SOURCE->TARGET/SCENARIO.")
    ],
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Which file of the cell; without it they are listed.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="PATH", help="Write it here.", show_default=False)
    ] = None,
    backend: Annotated[
        str | None, typer.Option("--backend", metavar="NAME", help="Of this backend's cell.", show_default=False)
    ] = None,
    db: DbOption = None,
    json_: JsonOption = False,
) -> None:
    """Print a file that a cell left (its serial log, its blobs), or list them. On a terminal, control characters show.

    Example: qualify db artefact '6.18.15->7.1.13/baseline' serial.log
    """
    location = located(db)
    with open_store(location, create=False, reading=True) as store, store.session() as session:
        by_digest = _DIGEST.fullmatch(what) is not None
        found = _by_digest(session, what) if by_digest else _by_cell(session, what, name, backend)
        if json_:
            print_json({"db": location, "artefacts": [_plain(store, f) for f in found]})
        elif by_digest or name is not None:
            _give(_only(found, what), store, location, output)
        elif output is not None:
            raise UsageError(f"--output takes one file; name it: {', '.join(f.artefact.name for f in found)}")
        else:
            _list(found, store)


def _by_digest(session: Session, prefix: str) -> list[_Found]:
    found = find_by_digest(session, prefix)
    if not found:
        raise UsageError(
            f"no artefact's digest begins with '{prefix}'; the report and 'SOURCE->TARGET/SCENARIO' name them"
        )
    return [_Found(a) for a in found]


def _by_cell(session: Session, what: str, name: str | None, backend: str | None) -> list[_Found]:
    parts = _CELL.fullmatch(what)
    if parts is None:
        raise UsageError(
            f"'{what}' is neither a digest of {_SHORTEST} to 64 digits (0-9a-f) nor a cell; "
            "write a cell as SOURCE->TARGET/SCENARIO, in quotes"
        )
    cells = find_by_cell(session, parts["source"].strip(), parts["target"].strip(), parts["scenario"])
    if not cells:
        raise UsageError(f"cell '{what}' has no result in this database; releases are named by label, not by alias")
    known = {cell.backend for cell in cells}
    if backend is not None and backend not in known:
        raise UsageError(f"cell '{what}' has no result of backend '{backend}'; there are: {', '.join(sorted(known))}")
    files = [_Found(a, c.backend) for c, artefacts in cells.items() for a in artefacts if backend in (None, c.backend)]
    if not files:
        raise UsageError(f"cell '{what}' left no files (results of: {', '.join(sorted(known))})")
    chosen = [f for f in files if name in (None, f.artefact.name)]
    if not chosen:
        raise UsageError(f"cell '{what}' left no '{name}'; there are: {', '.join(f.artefact.name for f in files)}")
    return chosen


def _only(found: list[_Found], what: str) -> Artefact:
    if len({f.artefact.sha256 for f in found}) > 1:
        those = ", ".join(f"{f.artefact.sha256[:16]} {f.artefact.name} {f.backend}".strip() for f in found[:8])
        hint = "add --backend" if found[0].backend else "give more digits"
        raise UsageError(f"'{what}' means {plural(len(found), 'file')} ({those}); {hint}")
    return found[0].artefact


def _give(artefact: Artefact, store: Store, location: str, output: Path | None) -> None:
    data = store.artefacts.read(artefact.sha256)
    if output is not None and not is_stdout(output):
        with writing_bytes(output, location) as file:
            file.write(data)
        print(f"wrote {output} ({artefact.name}, {plural(len(data), 'byte')})")
    elif sys.stdout.isatty():
        print(readable(data), end="")  # a log from a kernel must not steer the terminal
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


def _list(found: list[_Found], store: Store) -> None:
    for f in found:
        a = f.artefact
        print(f"{f.backend:<10} {a.size:>12,} {a.sha256[:16]} {a.name}")
    print(f"in {store.artefacts.folder}")


def _plain(store: Store, found: _Found) -> dict[str, object]:
    a = found.artefact
    path = str(store.artefacts.path(a.sha256))
    return {"name": a.name, "sha256": a.sha256, "size": a.size, "backend": found.backend or None, "path": path}
