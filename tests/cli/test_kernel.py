# SPDX-License-Identifier: Apache-2.0
"""`qualify kernel` from the command line."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from qualify.cli import kernel_probe
from qualify.kernels import KernelFolder, find_kernels, user_folder
from tests.kernels.images import bzimage

Cli = Callable[..., Result]
CONFIG = (
    "CONFIG_KEXEC_HANDOVER=y\nCONFIG_TEST_KEXEC_HANDOVER=y\nCONFIG_LIVEUPDATE=y\n# CONFIG_LIVEUPDATE_MEMFD is not set\n"
)


@pytest.fixture(autouse=True)
def _nothing_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QUALIFY_KERNELS", raising=False)


def image(folder: Path, version: str = "7.1.13 (me@here) #1 SMP") -> Path:
    path = folder / "vmlinuz"
    path.write_bytes(bzimage(version))
    return path


def test_a_kernel_is_added_listed_shown_and_removed(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "cfg").write_text(CONFIG)
    (tmp_path / "btf").write_bytes(b"\x9f\xeb\x01\0")
    words = ("--config", "cfg", "--btf", "btf", "--append", "a=1 b", "--provenance", "our tree: 1")
    added = cli("kernel", "add", image(tmp_path), "--name", "ours", "--release", "7.1", *words)
    digest = hashlib.sha256(bzimage("7.1.13 (me@here) #1 SMP")).hexdigest()
    assert added.stdout.splitlines() == [
        f"added ours: 7.1.13, 6656 bytes, SHA-256 {digest}",
        f"  in {user_folder() / 'ours'}",
    ]
    (kernel,) = find_kernels().kernels
    assert (kernel.label, kernel.release, kernel.append) == ("ours", "7.1.13", "a=1 b")
    assert (kernel.provenance, kernel.recorded_digest, kernel.made) == ("our tree: 1", digest, True)
    assert sorted(p.name for p in user_folder().iterdir()) == ["ours"]
    (plain,) = json.loads(cli("kernel", "list", "--json").stdout)
    assert (plain["label"], plain["release"], plain["schema"]) == ("ours", "7.1.13", True)
    # the config says what the label hides
    shown = json.loads(cli("kernel", "show", "ours", "--json").stdout)
    assert shown["matched"]["label"] == "7.1.13"
    assert [(d["component"], d["expected"], d["seen"]) for d in shown["differences"]] == [
        ("memfd", "LIVEUPDATE_MEMFD=y", "LIVEUPDATE_MEMFD=n")
    ]
    assert shown["image"]["sha256"] == digest
    assert shown["config"]["LIVEUPDATE_MEMFD"] == "n"
    lines = cli("kernel", "show", "ours").stdout
    assert "differs: memfd: config: expected LIVEUPDATE_MEMFD=y, seen LIVEUPDATE_MEMFD=n" in lines
    assert "probe: never" in lines
    removed = cli("kernel", "remove", "ours")
    assert removed.exit_code == 0
    assert list(user_folder().iterdir()) == []
    assert cli("kernel", "list").stdout.startswith(f"no kernels in {user_folder()}")


def test_a_kernel_without_a_release_is_added_with_a_word_about_it(cli: Cli, tmp_path: Path) -> None:
    result = cli("kernel", "add", image(tmp_path), "--name", "7.1.13-ours")
    assert result.exit_code == 0
    assert "note: the schema has no release '7.1.13-ours', so nothing can be predicted about it; the 7.1 series" in (
        result.stdout
    )
    assert "--release LABEL" in result.stdout
    assert json.loads(cli("kernel", "show", "7.1.13-ours", "--json").stdout)["matched"] is None


def test_a_schema_file_comes_along(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(
        "label: ours\nversion: 7.1.13\ninherits: 7.1.13\ncomponents: {memfd: null}\n"
        "provenance: {kind: read, release: ours, file: kernel/liveupdate/Kconfig}\n"
    )
    assert "note:" not in cli("kernel", "add", image(tmp_path), "--name", "ours", "--schema", "own.yaml").stdout
    (tmp_path / "own.yaml").unlink()
    assert json.loads(cli("kernel", "show", "ours", "--json").stdout)["matched"]["label"] == "ours"
    assert "yes" in cli("kernel", "list").stdout


def test_a_folder_and_a_build_tree_are_taken_as_they_are(cli: Cli, tmp_path: Path) -> None:
    boot = tmp_path / "linux" / "arch" / "x86" / "boot"
    boot.mkdir(parents=True)
    image(tmp_path).rename(boot / "bzImage")
    (tmp_path / "linux" / ".config").write_text(CONFIG)
    assert cli("kernel", "add", tmp_path / "linux").exit_code == 0
    (kernel,) = find_kernels().kernels
    assert (kernel.label, dict(kernel.config_options)["LIVEUPDATE_MEMFD"]) == ("7.1.13", "n")
    # what was added can be taken elsewhere
    assert cli("kernel", "add", kernel.folder, "--kernels", tmp_path / "k", "--name", "other").exit_code == 0
    (copy,) = find_kernels([tmp_path / "k"]).kernels
    assert (copy.label, copy.digest) == ("other", kernel.digest)
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "holds no bzImage" in cli("kernel", "add", empty).stderr


def test_where_it_is_not_looked_for_is_told(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "k").mkdir()
    monkeypatch.setenv("QUALIFY_KERNELS", str(tmp_path / "k"))
    result = cli("kernel", "add", image(tmp_path))
    assert f"QUALIFY_KERNELS names other folders: say --kernels {user_folder()}" in result.stdout
    assert "note:" not in cli("kernel", "add", image(tmp_path), "--kernels", "k").stdout


def test_all_that_is_wrong_is_told_and_nothing_is_added(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(bzimage()[:-7])
    (tmp_path / "config").write_bytes(b"\x1f\x8b\x08")
    (tmp_path / "btf").write_text("no")
    (tmp_path / "schema.yaml").write_text("label: [x]\n")
    words = ("--config", "config", "--btf", "btf", "--schema", "schema.yaml", "--append", "a\nb")
    result = cli("kernel", "add", "image", "--name", "../x", "--json", *words)
    assert result.exit_code == 2
    messages = [p["message"] for p in json.loads(result.stdout)["error"]["problems"]]
    for part in (
        "is cut off: 7 of 6656 bytes are missing",
        "--name '../x' cannot be a name",
        "is not a kernel configuration",
        "is not BTF",
        "'label': ",
        "'append': a kernel command line is one line",
    ):
        assert any(part in m for m in messages), (part, messages)
    assert not user_folder().exists()


def test_a_kernel_is_not_added_over_another(cli: Cli, tmp_path: Path) -> None:
    assert cli("kernel", "add", image(tmp_path)).exit_code == 0
    again = cli("kernel", "add", image(tmp_path, "7.1.13 other"))
    assert again.exit_code == 2
    assert "there is a kernel '7.1.13' in" in again.stderr
    assert find_kernels().kernels[0].digest == hashlib.sha256(bzimage("7.1.13 (me@here) #1 SMP")).hexdigest()


def test_a_disk_that_is_full_leaves_nothing(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    result = cli("kernel", "add", image(tmp_path))
    assert result.exit_code == 2
    assert "No space left on device" in result.stderr
    assert list(user_folder().iterdir()) == []


def test_only_what_was_added_is_removed(cli: Cli, tmp_path: Path) -> None:
    foreign = tmp_path / "k" / "7.1.13"
    foreign.mkdir(parents=True)
    image(tmp_path).rename(foreign / "bzImage")
    result = cli("kernel", "remove", "7.1.13", "--kernels", "k")
    assert result.exit_code == 2
    assert "was not made by 'qualify kernel add'" in result.stderr
    assert (foreign / "bzImage").exists()
    assert cli("kernel", "add", foreign, "--name", "made", "--kernels", "k").exit_code == 0
    assert cli("kernel", "remove", "made", "--kernels", "k").exit_code == 0
    assert [p.name for p in (tmp_path / "k").iterdir()] == ["7.1.13"]
    # of a link in the user's folder the link goes
    user_folder().mkdir(parents=True)
    (user_folder() / "linked").symlink_to(foreign)
    assert cli("kernel", "remove", "linked").exit_code == 0
    assert (foreign / "bzImage").exists()
    assert list(user_folder().iterdir()) == []


def test_a_broken_image_hides_no_other_kernel(cli: Cli, tmp_path: Path) -> None:
    assert cli("kernel", "add", image(tmp_path), "--name", "one").exit_code == 0
    assert cli("kernel", "add", image(tmp_path), "--name", "two").exit_code == 0
    (user_folder() / "one" / "bzImage").write_bytes(bzimage()[:-16])
    (user_folder() / "two" / "bzImage").write_bytes(bzimage("7.1.14 x"))
    one, two = json.loads(cli("kernel", "list", "--json").stdout)
    assert one["notes"] == ["is cut off: 16 of 6656 bytes are missing"]
    assert two["version"] == "7.1.14"
    assert two["notes"][0].startswith("is not the image that was added")
    assert "its image cannot be read" in cli("kernel", "show", "one").stdout


def recorded(kernel: str) -> Callable[[KernelFolder], tuple[list[dict[str, Any]], list[str]]]:
    """What a real kernel answered (tests/vectors/probe), in place of booting it again."""
    path = Path(__file__).parents[1] / "vectors" / "probe" / f"{kernel}.txt"
    told = [json.loads(line.split(" ", 3)[3]) for line in path.read_text().splitlines()]
    return lambda *_: (told, ["KHO: preserved", "unrelated"])


def test_a_probe_says_what_a_kernel_is_and_keeps_it(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_probe, "boot", recorded("7.1.13-nomemfd"))
    assert cli("kernel", "add", image(tmp_path), "--name", "ours", "--release", "7.1.13-nomemfd").exit_code == 0
    result = cli("kernel", "probe", "ours")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert "  KHO: on; LUO: on" in lines
    assert "  files of type memfd: ENOENT" in lines
    assert "  behaves like 7.1.13-nomemfd, as far as a probe can see" in lines
    assert "it is 7.1.13-nomemfd, as far as a probe can see" in lines
    assert lines[-1] == f"recorded in {user_folder() / 'ours' / 'probe.json'}"
    plain = json.loads((user_folder() / "ours" / "probe.json").read_text())
    assert (plain["matches"], plain["agrees"], plain["log"]) == (["7.1.13-nomemfd"], True, ["KHO: preserved"])
    assert ", matches 7.1.13-nomemfd" in cli("kernel", "show", "ours").stdout
    (row,) = json.loads(cli("kernel", "list", "--json").stdout)
    assert row["probed"] == plain["date"]


def test_a_probe_of_another_kernel_than_it_is_taken_for(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel_probe, "boot", recorded("7.1.13-nomemfd"))
    assert cli("kernel", "add", image(tmp_path), "--name", "7.1.13").exit_code == 0
    result = cli("kernel", "probe", "7.1.13")
    assert result.exit_code == 1
    assert "it differs from 7.1.13:" in result.stdout
    assert "memfd: config: expected LIVEUPDATE_MEMFD=y, seen LIVEUPDATE_MEMFD=n" in result.stdout
    assert cli("kernel", "add", image(tmp_path), "--name", "unknown").exit_code == 0
    result = cli("kernel", "probe", "unknown", "--json")
    assert result.exit_code == 3
    plain = json.loads(result.stdout)
    assert (plain["known"], plain["agrees"], plain["matches"]) == (False, None, ["7.1.13-nomemfd"])


def test_a_folder_of_others_is_not_written_to(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_probe, "boot", recorded("7.1.13"))
    foreign = tmp_path / "k" / "7.1.13"
    foreign.mkdir(parents=True)
    image(tmp_path).rename(foreign / "bzImage")
    assert cli("kernel", "probe", "7.1.13", "--kernels", "k").exit_code == 0
    assert [p.name for p in foreign.iterdir()] == ["bzImage"]
    assert "matches 7.1.13" in cli("kernel", "show", "7.1.13", "--kernels", "k").stdout
    # an image that is not what was added, or no image, is never booted
    assert cli("kernel", "add", image(tmp_path), "--name", "ours").exit_code == 0
    (user_folder() / "ours" / "bzImage").write_bytes(bzimage("7.1.14 x"))
    assert cli("kernel", "probe", "ours").exit_code == 2
    (user_folder() / "ours" / "bzImage").write_bytes(b"")
    assert "is empty" in cli("kernel", "probe", "ours").stderr


def test_a_build_is_refused_before_it_starts(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli("kernel", "add", image(tmp_path), "--name", "ours").exit_code == 0
    for words, message in (
        (("linux", "--name", "ours"), "there is a kernel 'ours' in"),
        (("linux", "--name", "a/b"), "--name 'a/b' cannot be a name"),
        (("linux", "--name", "x"), "no such file or folder"),
    ):
        result = cli("kernel", "build", *words)
        assert result.exit_code == 2
        assert message in result.stderr
    (tmp_path / "linux.tar").write_bytes(b"")
    monkeypatch.setenv("PATH", str(tmp_path))
    result = cli("kernel", "build", "linux.tar", "--name", "x")
    assert result.exit_code == 2
    assert "a kernel cannot be built without make (runs the build), gcc (compiles)" in result.stderr
    assert "on Debian: apt-get install make gcc binutils flex bison bc" in result.stderr
