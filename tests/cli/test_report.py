# SPDX-License-Identifier: Apache-2.0
"""`qualify report` from the command line, over a database filled by hand."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from qualify.cli.main import app
from qualify.model import Consequence, Status, Verdict
from tests.cli.filled import Said, fill, selection


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """The window: the first pair LOST and leaked, the second never run, the third broken, the rest RESTORED."""
    first, second, third, *_ = ((p.source, p.target) for p in selection().pairs)
    special: dict[tuple[str, str], Said | None] = {
        first: Said(Verdict.LOST, consequences=frozenset({Consequence.LEAKED}), agrees=False),
        second: None,
        third: Said(None, Status.ERROR, detail="MemoryError: no"),
    }
    return fill(tmp_path / "db.sqlite", lambda cell: special.get((cell.source, cell.target), Said()))


def test_html(db: Path, tmp_path: Path) -> None:
    page = tmp_path / "deep" / "page.html"
    result = run("report", "html", "window", "--db", db, "-o", page)
    assert result.exit_code == 0
    assert result.stdout.startswith(f"wrote {page} (")
    text = page.read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>")
    assert "Prediction and observation disagree in" in text
    assert [p.name for p in page.parent.iterdir()] == ["page.html"]


def test_html_on_standard_output_and_json(db: Path, tmp_path: Path) -> None:
    assert run("report", "html", "window", "--db", db, "-o", "-").stdout.rstrip().endswith("</html>")
    page = tmp_path / "page.html"
    told = json.loads(run("report", "html", "window", "--db", db, "-o", page, "--json").stdout)
    assert told == {"path": str(page), "bytes": page.stat().st_size}


def test_default_places(db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("report", "html", "window", "--db", db).exit_code == 0
    assert (tmp_path / "window.html").is_file()
    (tmp_path / "reports").mkdir()
    assert run("report", "junit", "window", "--db", db).exit_code == 0
    assert (tmp_path / "reports" / "window.junit.xml").is_file()


def test_junit(db: Path, tmp_path: Path) -> None:
    file = tmp_path / "junit.xml"
    assert run("report", "junit", "window", "--db", db, "-o", file).exit_code == 0
    root = ET.parse(file).getroot()
    assert len(root.findall("testsuite")) == len(selection().pairs)
    kinds = {e.get("type") for e in root.iter() if e.tag in ("failure", "error")}
    assert kinds == {"LOST", "disagreement", "MISSING", "ERROR"}


def test_terminal(db: Path) -> None:
    result = run("report", "terminal", "window", "--db", db)
    assert result.exit_code == 0
    assert "\x1b" not in result.stdout
    assert "LOST!*" in result.stdout
    assert "MISSING: planned and never run" in result.stdout
    assert "\x1b[35mLOST" in run("report", "terminal", "window", "--db", db, "--colour").stdout


def test_terminal_into_a_file(db: Path, tmp_path: Path) -> None:
    file = tmp_path / "grid.txt"
    assert run("report", "terminal", "window", "--db", db, "-o", file).stdout == ""
    assert file.read_text(encoding="utf-8").startswith("The newest release of the last three series")


def test_terminal_json_has_the_same(db: Path) -> None:
    told = json.loads(run("report", "terminal", "window", "--db", db, "--json").stdout)
    cells = len(selection().scenarios)
    assert [p["baseline"] for p in told["pairs"]][:4] == ["LOST", "MISSING", "ERROR", "RESTORED"]
    assert told["pairs"][0]["consequences"] == ["leaked"]
    assert told["pairs"][2]["evidence"] is None
    assert (told["totals"]["missing"], told["totals"]["errors"]) == (cells, cells)
    assert told["totals"]["disagreements"] == cells


def test_unstable_cells_show_their_worst(tmp_path: Path) -> None:
    db = fill(tmp_path / "db.sqlite", lambda _: Said(Verdict.PANIC))
    fill(db, lambda _: Said(Verdict.RESTORED))
    told = json.loads(run("report", "terminal", "window", "--db", db, "--json").stdout)
    assert told["totals"]["unstable"] == told["totals"]["cells"]
    assert {p["verdict"] for p in told["pairs"]} == {"PANIC"}


def test_results_of_another_version_are_counted_in_every_report(db: Path, tmp_path: Path) -> None:
    """A database alone is enough: also one whose results nobody could give today."""
    said = "measured with another version of schema, scenario or tool; run the matrix again"
    stale = fill(tmp_path / "stale.sqlite", lambda _: Said(), inputs="2")
    cells = len(selection().cells)
    for kind in ("html", "junit", "terminal"):
        assert said not in run("report", kind, "window", "--db", db, "-o", "-").stdout.partition('id="data"')[0]
        text = run("report", kind, "window", "--db", stale, "-o", "-").stdout.partition('id="data"')[0]
        assert said in " ".join(text.split())
    told = json.loads(run("report", "terminal", "window", "--db", stale, "--json").stdout)
    assert (told["totals"]["stale"], {p["verdict"] for p in told["pairs"]}) == (cells, {"RESTORED"})


@pytest.mark.parametrize("kind", ["html", "junit", "terminal"])
def test_bad_input(kind: str, db: Path, tmp_path: Path) -> None:
    unknown = run("report", kind, "windw", "--db", db)
    assert unknown.exit_code == 2
    assert "there is no matrix 'windw'" in unknown.stderr
    assert "did you mean window?" in unknown.stderr
    absent = run("report", kind, "window", "--db", tmp_path / "absent.sqlite")
    assert absent.exit_code == 2
    assert "absent.sqlite" in absent.stderr
    blocked = run("report", kind, "window", "--db", db, "-o", db / "below" / "a.file")
    assert blocked.exit_code == 2
    assert "cannot write" in blocked.stderr
    assert "give another path" in blocked.stderr


def test_an_empty_selection_is_unknown(db: Path, tmp_path: Path) -> None:
    matrix = tmp_path / "none.yaml"
    matrix.write_text("name: none\ntitle: None\nreleases: all\nscenarios: []\n", encoding="utf-8")
    result = run("report", "terminal", matrix, "--db", db)
    assert result.exit_code == 3
    assert "matrix 'none' selects no scenario" in result.stderr
