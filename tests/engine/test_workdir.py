# SPDX-License-Identifier: Apache-2.0
"""Folders of runs: one's own goes in the end, a killed one's at the next start, a living one's never."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import psutil
import pytest

from qualify.engine.workdir import workdir


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_it_goes_in_the_end_with_all_that_is_in_it(temporary: Path) -> None:
    def use() -> None:
        with workdir() as folder:
            (folder / "deep").mkdir()
            (folder / "deep" / "file").write_text("x")
            assert list(temporary.iterdir()) == [folder]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        use()
    assert list(temporary.iterdir()) == []


def test_a_killed_runs_folder_goes_at_the_next_start(temporary: Path) -> None:
    left = temporary / "qualify-run-left"
    (left / "tmp1").mkdir(parents=True)
    (left / "tmp1" / "disk.img").write_text("x")
    with workdir() as folder:
        assert list(temporary.iterdir()) == [folder]


def test_the_folder_of_a_run_that_goes_on_stays(temporary: Path) -> None:
    with workdir() as first:
        with workdir() as second:
            assert first.is_dir()
            assert first != second
        assert first.is_dir()


def test_a_folder_is_in_use_while_a_worker_of_its_run_lives(temporary: Path) -> None:
    """The run itself is killed; the worker, forked from it, has the lock too."""
    tell, say = os.pipe()
    wait, go = os.pipe()
    run = os.fork()
    if run == 0:
        try:
            with workdir() as folder:
                if os.fork() == 0:
                    os.write(say, f"{os.getpid()} {folder}".encode())
                    os.read(wait, 1)
                os._exit(0)
        finally:
            os._exit(1)
    os.waitpid(run, 0)
    pid, name = os.read(tell, 4096).decode().split()
    worker = psutil.Process(int(pid))
    with workdir():
        assert Path(name).is_dir()
    os.write(go, b"x")
    psutil.wait_procs([worker])
    with workdir():
        assert not Path(name).exists()


@pytest.mark.parametrize("kind", ["link", "file", "other name"])
def test_what_is_not_a_runs_folder_stays(temporary: Path, kind: str) -> None:
    elsewhere = temporary / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious").write_text("x")
    place = temporary / ("qualify-other" if kind == "other name" else "qualify-run-x")
    if kind == "link":
        place.symlink_to(elsewhere)
    elif kind == "file":
        place.write_text("x")
    else:
        place.mkdir()
    with workdir():
        pass
    assert place.exists()
    assert (elsewhere / "precious").exists()


def test_one_that_is_taken_for_left_over_is_made_anew(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another run begins between the making and the locking."""
    really, made = tempfile.mkdtemp, []

    def mkdtemp(prefix: str) -> str:
        made.append(Path(really(prefix=prefix)))
        if len(made) < 3:
            made[-1].rmdir()
        return str(made[-1])

    monkeypatch.setattr(tempfile, "mkdtemp", mkdtemp)
    with workdir() as folder:
        assert folder == made[-1]
        assert folder.is_dir()
    assert len(made) == 3
