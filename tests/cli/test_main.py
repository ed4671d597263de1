# SPDX-License-Identifier: Apache-2.0
"""What becomes of errors: a message for a person, an exit status for a program."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import Result

import qualify
from qualify.cli.main import app
from qualify.errors import HarnessError, Problem, QualifyError, SchemaError, StoreError, UsageError, WireError

Cli = Callable[..., Result]


def test_version(cli: Cli) -> None:
    assert cli("--version").stdout == f"qualify {qualify.__version__}\n"


def test_help_teaches_by_example(cli: Cli) -> None:
    result = cli("--help")
    assert result.exit_code == 0
    assert "qualify run upstream" in result.stdout
    assert "Exit status: 0 yes, 1 no, 2 bad input, 3 unknown" in result.stdout


def _commands(group: Any, *path: str) -> list[tuple[str, ...]]:
    found = []
    for name, command in group.commands.items():
        found += _commands(command, *path, name) if hasattr(command, "commands") else [(*path, name)]
    return found


COMMANDS = _commands(typer.main.get_command(app))


def test_the_commands_there_are() -> None:
    assert {("run",), ("matrix", "list"), ("db", "merge"), ("gate", "run"), ("report", "html")} <= set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_explains_itself_and_speaks_json(cli: Cli, command: tuple[str, ...]) -> None:
    result = cli(*command, "--help")
    assert result.exit_code == 0
    assert "--json" in result.stdout
    assert len(result.stdout.split("\n\n")[1].strip()) > 20  # says what it does


@pytest.mark.parametrize(
    "arguments",
    [
        ["walk"],
        ["run"],
        ["run", "upstream", "--jobs", "0"],
        ["run", "upstream", "--jobs", "many"],
        ["run", "upstream", "--seed", "-1"],
        ["run", "upstream", "--nonsense"],
        ["matrix", "show"],
        ["db", "merge"],
        ["--loud", "matrix", "list"],
    ],
)
def test_usage_errors_are_2(cli: Cli, arguments: list[str]) -> None:
    result = cli(*arguments)
    assert result.exit_code == 2
    assert "Usage: " in result.stderr


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (UsageError("no such release"), 2, "qualify: no such release\n"),
        (SchemaError([Problem("f", 2, 3, "b"), Problem("f", 1, 1, "a", "do x")]), 2,
         "qualify: f:1:1: a\n    do x\nf:2:3: b\n"),
        (StoreError("not ours"), 2, "qualify: not ours\n"),
        (HarnessError("QEMU is gone"), 4, "qualify: QEMU is gone\n"),
        (WireError("bad bytes", offset=16), 4, "qualify: bad bytes (at 0x10)\n"),
        (QualifyError("?"), 4, "qualify: ?\n"),
        (ZeroDivisionError("division by zero"), 4,
         "qualify: ZeroDivisionError: division by zero\nthis is a mistake in qualify; --debug shows where\n"),
        (KeyboardInterrupt(), 130,
         "qualify: interrupted; what had ended is stored, the same command does the rest\n"),
    ],
)  # fmt: skip
def test_errors_become_messages_and_statuses(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, error: BaseException, status: int, message: str
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr("qualify.cli.matrix.shipped_matrices", fail)
    result = cli("matrix", "list")
    assert (result.exit_code, result.stderr, result.stdout) == (status, message, "")


def test_debug_adds_the_traceback(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qualify.cli.matrix.shipped_matrices", lambda: 1 // 0)
    result = cli("--debug", "matrix", "list")
    assert result.exit_code == 4
    assert result.stderr.startswith("Traceback (most recent call last):")
    assert "in _list" in result.stderr


@pytest.mark.parametrize("command", [(), ("run",), ("gate", "run"), ("schema",)], ids=" ".join)
def test_help_has_a_short_name(cli: Cli, command: tuple[str, ...]) -> None:
    result = cli(*command, "-h")
    assert (result.exit_code, result.stdout) == (0, cli(*command, "--help").stdout)


def told(result: Result) -> dict[str, Any]:
    """The error as JSON; the same stands on standard error for people."""
    error: dict[str, Any] = json.loads(result.stdout)["error"]
    assert error["exit_status"] == result.exit_code
    assert all(p["message"] in result.stderr for p in error["problems"])
    return error


def test_errors_are_json_too_where_json_was_asked_for(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text("name: m\ntitle: t\nscenarios: all\npears: all\n")
    error = told(cli("matrix", "show", "m.yaml", "--json"))
    assert error["problems"] == [
        {
            "file": "m.yaml",
            "line": 4,
            "column": 1,
            "message": "unknown key 'pears'",
            "hint": "did you mean pairs or scenarios?",
        }
    ]
    assert told(cli("check", "7.0", "--json"))["problems"][0]["message"] == "Missing argument 'TARGET'."
    assert told(cli("walk", "--json"))["exit_status"] == 2
    assert told(cli("report", "html", "window", "--db", "no.sqlite", "--json"))["exit_status"] == 2


def test_failures_are_json_too(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qualify.cli.matrix.shipped_matrices", lambda: 1 // 0)
    error = told(cli("matrix", "list", "--json"))
    assert (error["exit_status"], error["problems"][0]["file"]) == (4, None)


@pytest.mark.parametrize("module", ["typer", "pydantic", "sqlalchemy", "qualify.cli.matrix"])
def test_an_interrupt_while_it_starts_is_an_interrupt(module: str) -> None:
    """Most of a second goes by while modules are imported; the signal comes when `module` is about to be."""
    code = f"""
import os, signal, sys
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupting())
from qualify.__main__ import main
main()
"""
    done = subprocess.run([sys.executable, "-c", code, "matrix", "list"], capture_output=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"qualify: interrupted\n")


def test_an_interrupt_while_arguments_are_read(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: bool) -> None:
        raise KeyboardInterrupt

    version = next(p for p in typer.main.get_command(app).params if p.name == "version")
    monkeypatch.setattr(type(version), "process_value", lambda *_: interrupt(True))
    result = cli("matrix", "list")
    assert result.exit_code == 130
    assert result.stderr.startswith("qualify: interrupted")


def test_what_is_installed_starts_with_what_can_be_interrupted() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert project["project"]["scripts"] == {"qualify": "qualify.__main__:main"}


def test_a_reader_that_goes_away_is_no_answer(tmp_path: Any) -> None:
    """`qualify … | head -1` must not look like the answer no."""
    code = "from qualify.cli.main import main; main()"
    command = [sys.executable, "-c", code, "matrix", "pairs", "upstream", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    errors = process.stderr.read()
    assert (process.wait(timeout=60), errors) == (141, b"")


def test_a_command_loads_no_other_group() -> None:
    code = "import sys; sys.argv = ['qualify', 'rules', 'list']; from qualify.cli.main import main\n"
    code += "try: main()\nfinally: print(sorted(m for m in sys.modules if m.startswith('qualify.cli.')))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    loaded = told.splitlines()[-1]
    assert "'qualify.cli.rules'" in loaded
    assert not [m for m in ("kernel", "gate", "db", "run") if f"'qualify.cli.{m}'" in loaded]


@pytest.mark.parametrize("name", sorted(typer.main.get_group(app).commands))
def test_every_command_can_be_asked_by_itself(name: str) -> None:
    done = subprocess.run([sys.executable, "-m", "qualify", name, "--help"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"Usage: qualify {name} ")
