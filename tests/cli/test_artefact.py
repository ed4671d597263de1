# SPDX-License-Identifier: Apache-2.0
"""`qualify db artefact`: the way from a report to a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from qualify.cli.main import app
from qualify.model import Verdict
from qualify.store import open_store
from tests.report.real_sample import HOSTILE_LOG, Ran, boot, cell_of, fill

CELL = "6.19.11->7.1.13/baseline"


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("db") / "db.sqlite"
    with open_store(path) as store:
        files = boot("6.19.11", "7.1.13")
        said = [
            (cell_of("6.19.11", "7.1.13"), Ran(Verdict.RESTORED, files=files)),
            (cell_of("6.19.11", "7.1.13", backend="simulator"), Ran(Verdict.RESTORED)),
            (cell_of("7.1.13", "7.3.4"), Ran(Verdict.PANIC, files=(("serial.log", HOSTILE_LOG),))),
            (cell_of("7.1.13", "7.3.4", backend="other"), Ran(Verdict.PANIC, files=(("serial.log", b"other"),))),
        ]
        fill(store, said)
    return path


@pytest.fixture
def artefact(db: Path) -> Callable[..., Result]:
    return lambda *args: CliRunner().invoke(app, ["db", "artefact", *map(str, args), "--db", str(db)])


def test_a_cell_lists_its_files_and_gives_one(artefact: Callable[..., Result], db: Path, tmp_path: Path) -> None:
    listed = artefact(CELL).stdout.splitlines()
    names = [line.split()[3] for line in listed[:-1]]
    assert names == ["machine.json", "records.jsonl", "results.ktap", "serial.log", "source/out/fdt"]
    assert listed[-1] == f"in {db}.artefacts"
    assert artefact(CELL, "results.ktap").stdout_bytes == dict(boot("6.19.11", "7.1.13"))["results.ktap"]
    out = tmp_path / "fdt"
    assert artefact(CELL.replace("->", "→"), "source/out/fdt", "-o", out).exit_code == 0
    assert out.read_bytes() == b"\xd0\x0d\xfe\xed" + bytes(60)


def test_a_digest_gives_the_very_bytes(artefact: Callable[..., Result]) -> None:
    (plain,) = json.loads(artefact("7.1.13->7.3.4/baseline", "--backend", "qemu", "--json").stdout)["artefacts"]
    assert (plain["name"], plain["size"], plain["backend"]) == ("serial.log", len(HOSTILE_LOG), "qemu")
    assert Path(plain["path"]).read_bytes() == HOSTILE_LOG
    assert artefact(plain["sha256"][:8]).stdout_bytes == HOSTILE_LOG
    assert artefact(plain["sha256"]).stdout_bytes == HOSTILE_LOG


def test_two_backends_with_one_name_have_to_be_told_apart(artefact: Callable[..., Result]) -> None:
    result = artefact("7.1.13->7.3.4/baseline", "serial.log")
    assert result.exit_code == 2
    assert "means 2 files" in result.stderr
    assert "add --backend" in result.stderr
    assert artefact("7.1.13->7.3.4/baseline", "serial.log", "--backend", "other").stdout == "other"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["abcdef0"], "no artefact's digest begins with 'abcdef0'"),
        (["abc"], "is neither a digest of 6 to 64 digits (0-9a-f) nor a cell"),
        (["6.19.11->7.1.13/none"], "has no result in this database"),
        ([CELL, "nosuch"], "left no 'nosuch'; there are: machine.json"),
        ([CELL, "--backend", "simulator"], "left no files (results of: qemu, simulator)"),
        ([CELL, "--backend", "none"], "no result of backend 'none'; there are: qemu, simulator"),
        ([CELL, "-o", "x"], "--output takes one file; name it: machine.json"),
    ],
)
def test_what_is_not_there_is_told_with_what_is(
    artefact: Callable[..., Result], arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = artefact(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert not list(tmp_path.iterdir())


def test_a_damaged_file_is_not_given(artefact: Callable[..., Result], tmp_path: Path) -> None:
    path = tmp_path / "db.sqlite"
    with open_store(path) as store:
        fill(store, [(cell_of("7.3.4", "7.3.4"), Ran(Verdict.LOST, files=(("serial.log", b"whole"),)))])
        (file,) = store.artefacts.folder.glob("??/*")
    file.write_bytes(b"other")
    out = tmp_path / "out"
    arguments = ["db", "artefact", "7.3.4->7.3.4/baseline", "serial.log", "--db", str(path), "-o", str(out)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code != 0
    assert "is damaged" in result.stderr
    assert not out.exists()


def test_output_never_lands_in_the_artefact_store(artefact: Callable[..., Result], db: Path) -> None:
    result = artefact(CELL, "serial.log", "-o", f"{db}.artefacts/log")
    assert result.exit_code == 2
    assert "keeps its artefacts" in result.stderr
