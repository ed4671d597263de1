# SPDX-License-Identifier: Apache-2.0
"""Backends are found by entry point, also those of other packages."""

from __future__ import annotations

from pathlib import Path

import pytest

from qualify.backends import Backend, backend, backend_names
from qualify.errors import HarnessError, UsageError

MODULE = """
class Good:
    name = "bench"
    evidence = "hardware"
    shareable = False
    def run(self, cell, workdir): ...

class Half:
    name = "half"

class Fails:
    def __init__(self):
        raise OSError("no such board")
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another package, installed, that brings backends."""
    info = tmp_path / "lab-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lab\nVersion: 1.0\n")
    points = (
        "bench = lab_for_qualify:Good\nhalf = lab_for_qualify:Half\nfails = lab_for_qualify:Fails\ngone = nowhere:X\n"
    )
    (info / "entry_points.txt").write_text("[qualify.backends]\n" + points)
    (tmp_path / "lab_for_qualify.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)


def test_the_simulator_ships() -> None:
    assert "simulator" in backend_names()
    found = backend("simulator")
    assert isinstance(found, Backend)
    assert (found.name, found.shareable) == ("simulator", True)


@pytest.mark.usefixtures("package")
def test_another_package_can_add_one() -> None:
    assert "bench" in backend_names()
    assert backend("bench").name == "bench"


def test_an_unknown_name_suggests() -> None:
    with pytest.raises(UsageError, match="there is no backend 'simulatr'\n    did you mean simulator"):
        backend("simulatr")


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gone", r"backend 'gone' \(nowhere:X\) cannot be loaded: No module named 'nowhere'"),
        ("fails", r"backend 'fails' \(lab_for_qualify:Fails\) cannot be loaded: no such board"),
        ("half", r"backend 'half' \(lab_for_qualify:Half\) is not a backend: see qualify.backends.Backend"),
    ],
)
def test_one_that_does_not_work_is_the_harness_s_failure(name: str, message: str) -> None:
    with pytest.raises(HarnessError, match=message) as caught:
        backend(name)
    assert caught.value.exit_status == 4
