# SPDX-License-Identifier: Apache-2.0
"""docs/commands.md, made from the commands themselves. `python -m tests.cli.commands_page` writes it anew."""

from __future__ import annotations

from pathlib import Path

import click
from typer.main import get_command

from qualify.cli.main import app

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"

_HEAD = """<!-- SPDX-License-Identifier: Apache-2.0 -->
<!-- Made by `python -m tests.cli.commands_page`; a test compares. -->
# Commands

Exit status, everywhere: 0 yes (without a policy only RESTORED) · 1 no · 2 usage or bad input · 3 unknown (evidence
missing, too weak, too old, nothing selected) · 4 the harness failed · 130 interrupted. Of several: 2, 4, 1, 3, 0.
Every command that answers takes `--json`.
"""


def commands() -> list[tuple[str, click.Command]]:
    """Every command that does something, with its full name."""
    found: list[tuple[str, click.Command]] = []

    def walk(prefix: str, command: click.Command) -> None:
        children = getattr(command, "commands", None)
        if not children:
            found.append((prefix, command))
            return
        for name, child in sorted(children.items()):
            walk(f"{prefix} {name}".strip(), child)

    walk("", get_command(app))
    return found


def page() -> str:
    """The whole page."""
    parts = [_HEAD]
    for name, command in commands():
        context = click.Context(command, info_name=f"qualify {name}", terminal_width=110, max_content_width=110)
        text = "\n".join(line.rstrip() for line in command.get_help(context).strip().splitlines())
        parts.append(f"## {name}\n\n```text\n{text}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
