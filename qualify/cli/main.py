# SPDX-License-Identifier: Apache-2.0
"""The application: what the groups of commands register with."""

from __future__ import annotations

from typing import Annotated

import typer

import qualify
from qualify.cli import check, db, gate, kernel, matrix, policy, report, rules, run, scenario, schema
from qualify.cli.failure import Group

__all__ = ["app", "main"]

HELP = """
What happens to preserved state when a kernel kexecs into another one?

Run every release against every release on the simulator and open the report that the last line names:

  qualify run upstream

Ask about one pair, and why:

  qualify check 7.0.13 7.1.3
  qualify explain 7.0.13 7.1.3

Exit status: 0 yes, 1 no, 2 bad input, 3 unknown, 4 the harness failed, 130 interrupted.
"""


app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
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


for _module in (run, check, matrix, scenario, rules, schema, kernel, db, report, gate, policy):
    _module.register(app)


def main() -> None:
    """Run the application on the arguments of this process."""
    app(prog_name="qualify")
