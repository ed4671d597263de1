# SPDX-License-Identifier: Apache-2.0
"""Standard output, whatever its encoding and whatever becomes of it."""

from __future__ import annotations

import codecs
import io
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

__all__ = ["FITTING", "give_up_stdout", "is_stdout", "print_json", "ready_streams", "stdout_failure", "stdout_file"]

#: What we print beyond ASCII, for terminals and files that cannot hold it.
_PLAIN = {"→": "->", "…": "...", "–": "-", "×": "x", "·": "-", "’": "'", "━": "-", "╸": "-", "╺": "-"}

#: The error handler that makes every text fit its encoding.
FITTING = "qualify-fitting"


def _fitting(error: UnicodeError) -> tuple[str, int]:
    """The nearest ASCII, else an escape that JSON understands too."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(_PLAIN.get(char) or json.dumps(char)[1:-1] for char in text), error.end


codecs.register_error(FITTING, _fitting)


class _Stdout(io.TextIOWrapper):
    """Standard output that remembers why it failed: the error itself does not say which file it is about."""

    failure: OSError | None = None

    def write(self, text: str) -> int:
        with self._noted():
            return super().write(text)

    def flush(self) -> None:
        with self._noted():
            super().flush()

    @contextmanager
    def _noted(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.failure = error
            raise


def ready_streams() -> None:
    """Nothing that we print can fail for want of a character, and a closed stream takes what it is told."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # `qualify … >&-`
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=FITTING)
    old = sys.stdout
    if isinstance(old, io.TextIOWrapper) and old is sys.__stdout__:  # and not what a test put in its place
        binary = open(old.fileno(), "wb", closefd=False)  # noqa: SIM115
        sys.stdout = _Stdout(binary, encoding=old.encoding, errors=FITTING, line_buffering=old.line_buffering)


def print_json(value: Any) -> None:
    """One line of JSON: as it is where standard output can hold it, else with escapes."""
    utf = codecs.lookup(sys.stdout.encoding or "ascii").name.startswith("utf")
    print(json.dumps(value, ensure_ascii=not utf))


def is_stdout(path: Path) -> bool:
    """Whether a path means standard output: ``-``, or another name for it such as /dev/stdout."""
    if str(path) == "-":
        return True
    try:
        return os.path.samestat(path.stat(), os.fstat(sys.stdout.fileno()))
    except (OSError, ValueError):
        return False


@contextmanager
def stdout_file() -> Iterator[TextIO]:
    """Standard output for the contents of a file: UTF-8, as the file says of itself, whatever the locale."""
    out = sys.stdout
    if not isinstance(out, io.TextIOWrapper):
        yield out
        return
    encoding = out.encoding
    out.reconfigure(encoding="utf-8", errors="surrogatepass")
    try:
        yield out
    finally:
        out.reconfigure(encoding=encoding, errors=FITTING)


def stdout_failure() -> OSError | None:
    """Why standard output took nothing more (a full disk); None when it did."""
    return sys.stdout.failure if isinstance(sys.stdout, _Stdout) else None


def give_up_stdout() -> None:
    """Let what is still buffered go nowhere, so that Python does not complain about it while it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
