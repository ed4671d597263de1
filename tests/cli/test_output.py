# SPDX-License-Identifier: Apache-2.0
"""Where output goes: encodings, full disks, closed streams; files, links, pipes and the database itself; widths."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import pytest
from typer.testing import CliRunner, Result

from qualify.cli.main import app
from qualify.cli.style import put, table
from qualify.store import open_store
from tests.cli.filled import Said, fill
from tests.unprivileged import without_rights

Cli = Callable[..., Result]


def start(*arguments: str, out: int | IO[Any] | None = subprocess.PIPE, **environment: str) -> tuple[int, str, str]:
    """(status, output, errors) of a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "qualify", *arguments],
        stdout=out,
        stderr=subprocess.PIPE,
        env=os.environ | environment,
        timeout=120,
    )
    encoding = environment.get("PYTHONIOENCODING", "utf-8")
    return done.returncode, (done.stdout or b"").decode(encoding), done.stderr.decode(encoding)


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return fill(tmp_path / "q.sqlite", lambda _: Said())


# --- encodings and streams ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_an_encoding_without_arrows_gets_plain_ones(encoding: str) -> None:
    status, out, errors = start("check", "7.2", "7.3", PYTHONIOENCODING=encoding)
    assert (status, errors) == (0, "")
    assert out.startswith("7.2.13 -> 7.3.4 (upgrade), scenario baseline: RESTORED\n")


def test_json_is_the_same_in_every_encoding(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text("name: m\ntitle: Ж → 🙂\nscenarios: all\n", encoding="utf-8")
    for encoding in ("ascii", "utf-8"):
        _, out, _ = start("matrix", "show", str(tmp_path / "m.yaml"), "--json", PYTHONIOENCODING=encoding)
        assert json.loads(out)["title"] == "Ж → 🙂"
        assert out.isascii() == (encoding == "ascii")


def test_what_no_encoding_holds_is_escaped() -> None:
    result = CliRunner().invoke(app, ["check", "7.2", "\udcff", "--json"])
    assert result.exit_code == 2
    assert "unknown release '\udcff'" in json.loads(result.stdout)["error"]["problems"][0]["message"]


def test_a_file_on_standard_output_is_utf8_as_it_says(db: Path) -> None:
    command = [sys.executable, "-m", "qualify", "report", "html", "window", "--db", str(db), "-o", "-"]
    page = subprocess.run(command, capture_output=True, env=os.environ | {"PYTHONIOENCODING": "ascii"}, check=True)
    assert "→" in page.stdout.decode("utf-8")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize(
    "arguments", [("matrix", "pairs", "upstream", "--json"), ("check", "7.2", "7.3"), ("matrix", "list"), ("-h",)]
)
def test_a_full_disk_is_said_and_is_no_answer(arguments: tuple[str, ...]) -> None:
    with open("/dev/full", "w") as full:
        status, _, errors = start(*arguments, out=full)
    assert (status, errors) == (4, "qualify: cannot write to standard output: No space left on device\n")


def test_with_its_output_closed_a_command_still_answers() -> None:
    code = "import os, sys; os.close(1); os.execv(sys.executable, [sys.executable, '-m', 'qualify', *sys.argv[1:]])"
    command = [sys.executable, "-c", code, "check", "6.19", "7.0"]
    done = subprocess.run(command, stderr=subprocess.PIPE, timeout=120)
    assert (done.returncode, done.stderr) == (1, b"")


# --- files ----------------------------------------------------------------------------------------------------------


def written(db: Path, output: Path, kind: str) -> Result:
    command = ["db", "export", str(output)] if kind == "export" else ["report", kind, "window", "-o", str(output)]
    return CliRunner().invoke(app, [*command, "--db", str(db)])


KINDS = pytest.mark.parametrize("kind", ["html", "junit", "terminal", "export"])


@KINDS
def test_a_link_is_followed(db: Path, tmp_path: Path, kind: str) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for _ in range(2):  # the file is made, and then replaced
        assert written(db, tmp_path / "link", kind).exit_code == 0
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "real").stat().st_size > 1000


@KINDS
def test_a_pipe_is_written_through(db: Path, tmp_path: Path, kind: str) -> None:
    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()), daemon=True)
    reader.start()
    assert written(db, pipe, kind).exit_code == 0
    reader.join(60)
    assert pipe.is_fifo()
    assert written(db, tmp_path / "file", kind).exit_code == 0
    assert abs(len(got[0]) - (tmp_path / "file").stat().st_size) < 100  # they differ in the time at most


@KINDS
@pytest.mark.parametrize("name", ["q.sqlite", "link", "hard", "q.sqlite-wal", "q.sqlite.artefacts/x"])
def test_the_database_is_never_written_over(db: Path, tmp_path: Path, kind: str, name: str) -> None:
    (tmp_path / "link").symlink_to(db)
    (tmp_path / "hard").hardlink_to(db)
    before = db.read_bytes()
    result = written(db, tmp_path / name, kind)
    assert result.exit_code == 2
    assert f"cannot write {tmp_path / name}: it " in result.stderr
    assert db.read_bytes() == before
    open_store(db, create=False).close()


def test_a_replaced_file_keeps_its_permissions(db: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch(mode=0o600)
    assert written(db, tmp_path / "file", "html").exit_code == 0
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600


def test_a_folder_is_no_place(db: Path, tmp_path: Path) -> None:
    result = written(db, tmp_path, "html")
    assert (result.exit_code, result.stderr) == (
        2, f"qualify: cannot write {tmp_path}: it is a folder; give the path of a file in it\n")  # fmt: skip


def test_standard_output_by_another_name(db: Path, tmp_path: Path) -> None:
    """As /dev/stdout is: but that one is not for tests, which may run as root and may fail."""
    (tmp_path / "stdout").symlink_to("/proc/self/fd/1")
    _, out, errors = start("report", "html", "window", "--db", str(db), "-o", str(tmp_path / "stdout"))
    assert out.startswith("<!DOCTYPE html>")
    assert out.rstrip().endswith("</html>")
    assert errors == ""


@pytest.mark.parametrize("url", ["q.sqlite", "sqlite:///q.sqlite"])
def test_reports_go_beside_the_database(db: Path, cli: Cli, tmp_path: Path, url: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    os.chdir(tmp_path / "elsewhere")
    location = url.replace("q.sqlite", str(db))
    assert cli("report", "html", "window", "--db", location).exit_code == 0
    assert cli("report", "junit", "window", "--db", location).exit_code == 0
    assert {"window.html", "window.junit.xml"} <= set(os.listdir(tmp_path))
    assert os.listdir() == []


def test_evidence_on_read_only_media_can_be_judged_and_reported(db: Path, tmp_path: Path) -> None:
    policy = Path(__file__).parents[2] / "docs" / "examples" / "policy-window.yaml"
    (tmp_path / "medium").mkdir()
    db.rename(tmp_path / "medium" / "q.sqlite")
    (tmp_path / "medium").chmod(0o555)

    def ask() -> list[tuple[int, str]]:
        commands = (
            ["gate", "run", "--policy", str(policy)],
            ["report", "terminal", "window"],
            ["db", "export", "-"],
            ["db", "merge", str(tmp_path / "medium" / "q.sqlite"), "--db", str(tmp_path / "copy.sqlite")],
        )
        location = ["--db", str(tmp_path / "medium" / "q.sqlite")]
        done = [CliRunner().invoke(app, [*c, *([] if "merge" in c else location)]) for c in commands]
        return [(result.exit_code, result.stderr) for result in done]

    try:
        assert without_rights(ask) == [(0, "")] * 4
    finally:
        (tmp_path / "medium").chmod(0o755)


# --- widths ---------------------------------------------------------------------------------------------------------

WIDE = [
    ("matrix", "list"),
    ("matrix", "show", "upstream"),
    ("explain", "6.19", "7.0"),
    ("schema", "list"),
    ("schema", "show", "7.1"),
    ("schema", "diff", "6.17.8", "7.3"),
    ("scenario", "list"),
    ("scenario", "show", "mixed"),
    ("rules", "list"),
    ("rules", "show", "KHO003"),
    ("check", "7.1.13", "7.1.13-nomemfd"),
    ("gate", "run", "--db", "none.sqlite", "--policy", "policy.yaml"),
    ("policy", "explain", "policy.yaml"),
]


@pytest.mark.parametrize("arguments", WIDE, ids=" ".join)
@pytest.mark.parametrize("width", [60, 80])
def test_lines_fit(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], width: int
) -> None:
    (tmp_path / "policy.yaml").write_text("name: p\nrequired_pairs: [{matrix: upstream}]\nscenarios: all\n")
    wide = cli(*arguments).stdout
    assert max(map(len, wide.splitlines())) > width
    monkeypatch.setenv("COLUMNS", str(width))
    narrow = cli(*arguments).stdout
    assert max(map(len, narrow.splitlines())) <= width
    squeezed = [sorted("".join(text.replace("-", "").split())) for text in (wide, narrow)]
    assert squeezed[0] == squeezed[1]  # nothing is left out


def test_on_a_terminal_lines_fit_it() -> None:
    main, end = pty.openpty()
    command = "import fcntl, struct, termios, sys; from qualify.cli.main import main; "
    command += "fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 64, 0, 0)); main()"
    process = subprocess.Popen([sys.executable, "-c", command, "matrix", "list"], stdout=end, stderr=end)
    os.close(end)
    shown = b""
    try:
        while piece := os.read(main, 65536):
            shown += piece
    except OSError:  # how Linux says that the other side of a terminal is closed
        pass
    finally:
        os.close(main)
    assert process.wait(timeout=60) == 0
    assert 50 < max(map(len, shown.decode().splitlines())) <= 64


def test_cells_break_between_words_then_at_hyphens_then_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    rows = [("a-name-that-is-longer-than-the-column", "one two three four five", 7), ("x" * 30, "y", 1000)]
    assert list(table(rows, ["name", "words", "n"])) == [
        "name              words                n",
        "----------------  ----------------  ----",
        "a-name-that-is-   one two three        7",
        "longer-than-the-  four five",
        "column",
        "xxxxxxxxxxxxxxxx  y                 1000",
        "xxxxxxxxxxxxxx",
    ]


def test_long_lines_go_on_further_in(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    put(["  what to do: " + "word " * 9, ""])
    assert capsys.readouterr().out == "  what to do: word word word word word\n      word word word word\n\n"
