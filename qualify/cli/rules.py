# SPDX-License-Identifier: Apache-2.0
"""`qualify rules list|show`: what every reason of the decision refers to."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from qualify.cli.options import JsonOption
from qualify.cli.output import print_json
from qualify.cli.style import put, table
from qualify.compat import CATEGORIES, RULES, Rule, rule
from qualify.errors import UsageError
from qualify.yamlfile import suggest

__all__ = ["register"]

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="A rule, such as KHO001 ('qualify rules list').")]
CategoryOption = Annotated[
    str | None,
    typer.Option("--category", metavar="PREFIX", help="Only rules whose id starts with this.", show_default=False),
]


def register(app: typer.Typer) -> None:
    """Add the group to the application."""
    group = typer.Typer(no_args_is_help=True, help="Show the rules behind every reason that is given.")
    group.command("list")(_list)
    group.command("show")(_show)
    app.add_typer(group, name="rules")


def _list(category: CategoryOption = None, json_: JsonOption = False) -> None:
    """List the rules with their purpose.

    Examples: qualify rules list; qualify rules list --category KHO
    """
    wanted = category.upper() if category is not None else None
    if wanted is not None and wanted not in CATEGORIES:
        raise UsageError(f"no category '{category}'; {suggest(wanted, CATEGORIES)}")
    chosen = [r for r in RULES.values() if wanted is None or r.id.startswith(wanted)]
    if json_:
        print_json([_plain(r) for r in chosen])
        return
    rows = [(r.id, r.category, r.purpose) for r in chosen]
    put(table(rows, ["rule", "about", "purpose"]))


def _show(name: IdArgument, json_: JsonOption = False) -> None:
    """Show one rule: when it fires, where that is known from, and what to do about it.

    Example: qualify rules show KHO003
    """
    chosen = rule(name)
    if json_:
        print_json(_plain(chosen))
        return
    put(
        [
            f"{chosen.id}: {chosen.purpose}",
            f"  about: {chosen.category}",
            f"  {chosen.text}",
            f"  what to do: {chosen.advice}",
            f"  documentation: {chosen.documentation}",
        ]
    )


def _plain(chosen: Rule) -> dict[str, Any]:
    return {
        "id": chosen.id,
        "category": chosen.category,
        "purpose": chosen.purpose,
        "text": chosen.text,
        "advice": chosen.advice,
        "documentation": chosen.documentation,
    }
