# SPDX-License-Identifier: Apache-2.0
"""The application: what the groups of commands register with."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable
from functools import cache, partial
from typing import Annotated

import typer

import qualify
from qualify.cli.failure import Group

__all__ = ["app", "main", "ready"]  # noqa: F822 - app is made by __getattr__()

HELP = """
What happens to preserved state when a kernel kexecs into another one?

Run every release against every release on the simulator and open the report that the last line names:

  qualify run upstream

Ask about one pair, and why:

  qualify check 7.0.13 7.1.3
  qualify explain 7.0.13 7.1.3

Exit status: 0 yes, 1 no, 2 bad input, 3 unknown, 4 the harness failed, 130 interrupted.
"""


# Each registers the command or the group of its name; whoever asks for one need not wait for the others.
_MODULES = ("run", "check", "matrix", "scenario", "rules", "schema", "kernel", "db", "report", "gate", "policy")
_MORE = {"explain": "check"}


def _version(wanted: bool) -> None:
    if wanted:
        print(f"qualify {qualify.__version__}")
        raise typer.Exit


def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback with every error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass


def _application(modules: Iterable[str]) -> typer.Typer:
    made = typer.Typer(
        cls=Group,
        no_args_is_help=True,
        add_completion=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        help=HELP,
    )
    made.callback()(_options)
    for module in modules:
        importlib.import_module(f"qualify.cli.{module}").register(made)
    return made


@cache
def _whole() -> typer.Typer:
    return _application(_MODULES)


def __getattr__(name: str) -> typer.Typer:
    """`app`: all of it, made when somebody asks."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _whole()


def ready() -> Callable[[], None]:
    """Import what the arguments of this process ask for; what is returned runs it."""
    first = sys.argv[1] if len(sys.argv) > 1 else ""
    module = _MORE.get(first, first)
    return partial(_application([module] if module in _MODULES else _MODULES), prog_name="qualify")


def main() -> None:
    """Run the application on the arguments of this process."""
    ready()()
