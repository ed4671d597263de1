# SPDX-License-Identifier: Apache-2.0
"""What becomes of errors, here and nowhere else: a message, JSON where it was asked for, and an exit status."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperGroup

from qualify.cli.output import give_up_stdout, print_json, ready_streams, stdout_failure
from qualify.errors import InputError, Problem, QualifyError

__all__ = ["Group", "NothingSelectedError"]

_HARNESS_FAILED = 4
_INTERRUPTED = 130
_BROKEN_PIPE = 141  # what a shell says of a program that SIGPIPE ended
_JSON = "qualify.json"


class NothingSelectedError(QualifyError):
    """What was asked for selects nothing: neither yes nor no."""

    exit_status = 3


class Group(TyperGroup):
    """The outermost group of commands."""

    def main(self, *args: Any, **extra: Any) -> Any:
        ready_streams()
        return super().main(*args, **extra)

    def make_context(self, info_name: str | None, args: list[str], *more: Any, **extra: Any) -> Any:
        json_ = "--json" in args
        with _told("--debug" in args, json_):
            context = super().make_context(info_name, args, *more, **extra)
        context.meta[_JSON] = json_
        return context

    def invoke(self, ctx: Any) -> Any:
        with _told(bool(ctx.params.get("debug")), ctx.meta[_JSON]):
            try:
                return super().invoke(ctx)
            finally:
                sys.stdout.flush()  # what is wrong with it is noticed here and not after everything


@contextmanager
def _told(debug: bool, json_: bool) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        # The reader of our output went away. Nothing more can be said, not even while Python ends.
        give_up_stdout()
        raise typer.Exit(_BROKEN_PIPE) from None
    except (Exception, KeyboardInterrupt) as error:
        if hasattr(error, "exit_code") or isinstance(error, typer.Abort):
            # Usage errors and exits of Typer carry their own status, and Typer shows them.
            if json_ and hasattr(error, "format_message"):
                _print_error(error.exit_code, [Problem("", 0, 0, error.format_message())])
            raise
        if debug:
            traceback.print_exception(error)
        full = stdout_failure()
        if full is not None:
            give_up_stdout()
            status, message = _HARNESS_FAILED, f"cannot write to standard output: {full.strerror}"
        else:
            status, message = _words(error)
        print(f"qualify: {message}", file=sys.stderr)
        if json_ and full is None:
            problems = error.problems if isinstance(error, InputError) else [Problem("", 0, 0, message)]
            _print_error(status, problems)
        raise typer.Exit(status) from None


def _words(error: BaseException) -> tuple[int, str]:
    """Exit status and message."""
    if isinstance(error, KeyboardInterrupt):
        return _INTERRUPTED, "interrupted; what had ended is stored, the same command does the rest"
    if isinstance(error, QualifyError):
        return error.exit_status, str(error)
    message = f"{type(error).__name__}: {error}\nthis is a mistake in qualify; --debug shows where"
    return _HARNESS_FAILED, message


def _print_error(status: int, problems: list[Problem] | tuple[Problem, ...]) -> None:
    shown = [
        {
            "file": p.file or None,
            "line": p.line or None,
            "column": p.column or None,
            "message": p.message,
            "hint": p.hint or None,
        }
        for p in problems
    ]
    print_json({"error": {"exit_status": status, "problems": shown}})
    sys.stdout.flush()
