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
missing, too weak, too old, nothing selected) · 4 the harness failed, or standard output took no more · 130 interrupted.
Of several: 2, 4, 1, 3, 0. A gate on a database that does not exist yet is 3, on one that cannot be read 2.

Every command that answers takes `--json`. With it an error is JSON too: `{"error": {"exit_status": 2, "problems":
[{"file": …, "line": …, "column": …, "message": …, "hint": …}]}}` on standard output; what people read stays on
standard error. All mistakes of all files and names are told in one go, as far as they can be found.

Lines fit the terminal, or what COLUMNS says; into a file or a pipe each thing stays in one line. Where the encoding has
no arrows, `->` stands for them.

A file is written whole or not at all. Links are followed, pipes and devices are written through, and nothing is written
over the database in use. Without a path, a report goes to the folder `reports` where there is one, else beside the
database.
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
        context = click.Context(
            command,
            info_name=f"qualify {name}",
            terminal_width=110,
            max_content_width=110,
            help_option_names=["-h", "--help"],
        )
        text = "\n".join(line.rstrip() for line in command.get_help(context).strip().splitlines())
        parts.append(f"## {name}\n\n```text\n{text}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
