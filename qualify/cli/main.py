# SPDX-License-Identifier: Apache-2.0
"""The application: what the groups of commands register with, and what becomes of errors."""

from __future__ import annotations

import os
import sys
import traceback
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import qualify
from qualify.cli import check, db, gate, matrix, policy, report, rules, run, scenario, schema
from qualify.errors import QualifyError

__all__ = ["app", "main"]

_HARNESS_FAILED = 4
_INTERRUPTED = 130
_BROKEN_PIPE = 141  # what a shell says of a program that SIGPIPE ended

HELP = """
What happens to preserved state when a kernel kexecs into another one?

Run every release against every release on the simulator and open the report that the last line names:

  qualify run upstream

Ask about one pair, and why:

  qualify check 7.0.13 7.1.3
  qualify explain 7.0.13 7.1.3

Exit status: 0 yes, 1 no, 2 bad input, 3 unknown, 4 the harness failed, 130 interrupted.
"""


class _Group(TyperGroup):
    """Every error becomes a message and an exit status here, and nowhere else."""

    def invoke(self, ctx: Any) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()  # a pipe that broke is noticed here and not after everything
            return result
        except BrokenPipeError:
            # The reader of our output went away. Nothing more can be said, not even while Python ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(_BROKEN_PIPE) from None
        except (Exception, KeyboardInterrupt) as error:
            # Usage errors and exits of Typer carry their own status.
            if hasattr(error, "exit_code") or isinstance(error, typer.Abort):
                raise
            if ctx.params.get("debug"):
                traceback.print_exception(error)
            status, message = _told(error)
            print(f"qualify: {message}", file=sys.stderr)
            raise typer.Exit(status) from None


def _told(error: BaseException) -> tuple[int, str]:
    """Exit status and message."""
    if isinstance(error, KeyboardInterrupt):
        return _INTERRUPTED, "interrupted; what had ended is stored, the same command does the rest"
    if isinstance(error, QualifyError):
        return error.exit_status, str(error)
    message = f"{type(error).__name__}: {error}\nthis is a mistake in qualify; --debug shows where"
    return _HARNESS_FAILED, message


app = typer.Typer(
    cls=_Group,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help=HELP,
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"qualify {qualify.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback with every error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass


for _module in (run, check, matrix, scenario, rules, schema, db, report, gate, policy):
    _module.register(app)


def main() -> None:
    """The console script."""
    app(prog_name="qualify")
