# SPDX-License-Identifier: Apache-2.0
"""Kernels that cannot be used: cut off, changed, of another architecture, without KHO; and tools that are missing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from qualify.kernels import find_kernels, read_image
from qualify.model import Status
from tests.cli.faults import KERNEL, Lab, missing, not_measured

pytestmark = [pytest.mark.vm, pytest.mark.skipif(bool(missing()), reason=missing() or "-")]

STOCK = os.environ.get("QUALIFY_STOCK_KERNELS", "")
stock = pytest.mark.skipif(
    not STOCK, reason="QUALIFY_STOCK_KERNELS names no folder; tests/tools/stock_kernels.sh DIR makes one"
)
CELL = f"{KERNEL} → {KERNEL}, reserve-mem-page on qemu"

#: A downstream release with the version of Debian's kernel, which is said to have what 7.1.13 has.
CLAIMED = """\
releases:
  - label: debian-amd64
    version: {version}
    inherits: 7.1.13
    provenance: {{kind: read, release: debian-amd64, file: README}}
"""


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def image() -> bytes:
    return find_kernels().named(KERNEL).image.read_bytes()


@pytest.mark.parametrize(
    ("keep", "words"),
    [
        (1 << 20, "is cut off: "),
        (0x210, "is cut off within its header"),
        (300, "is not a kernel image"),
        (0, "is empty"),
    ],
)
def test_an_image_that_was_cut_off_after_it_was_added(lab: Lab, keep: int, words: str) -> None:
    """As by a copy onto a full disk; the source and the target are looked at alike."""
    whole = lab.folder / "whole"
    whole.write_bytes(image())
    added = lab.qualify("kernel", "add", str(whole), "--name", KERNEL, "--kernels", str(lab.kernels))
    assert added.returncode == 0, added.stderr
    os.truncate(lab.kernels / KERNEL / "bzImage", keep)
    lab.matrix()
    not_measured(lab, lab.run(), Status.ERROR, f"kernel {KERNEL}: {lab.kernels / KERNEL / 'bzImage'}", words)


def test_an_image_that_was_changed_after_it_was_added(lab: Lab) -> None:
    """Right in its header and its length, and no longer what was added."""
    data = bytearray(image())
    folder = lab.kernels / KERNEL
    (lab.folder / "whole").write_bytes(data)
    lab.qualify("kernel", "add", str(lab.folder / "whole"), "--name", KERNEL, "--kernels", str(lab.kernels))
    middle = len(data) // 2
    data[middle : middle + 64] = bytes(64)
    (folder / "bzImage").write_bytes(data)
    lab.matrix()
    not_measured(lab, lab.run(), Status.ERROR, "is not the image that was added", "add it again")


def test_an_image_that_is_garbled_and_nobody_noted_what_it_was(lab: Lab) -> None:
    """Without a digest only booting shows it. As target it dies silently, with a handover and without."""
    data = bytearray(image())
    middle = len(data) // 2
    data[middle : middle + 4096] = bytes(4096)
    folder = lab.kernels / "7.1.13-drift"
    folder.mkdir()
    (folder / "bzImage").write_bytes(data)
    lab.matrix(KERNEL, "7.1.13-drift")
    not_measured(lab, lab.run(), Status.ERROR, "target 7.1.13-drift", "without any handover it ended so")


@pytest.mark.parametrize(
    ("kind", "words"),
    [("cut off", "is cut off: "), ("empty", "is empty"), pytest.param("arm64", "is an arm64 Image", marks=stock)],
)
def test_what_cannot_be_a_kernel_is_not_added(lab: Lab, kind: str, words: str) -> None:
    made = {"cut off": image()[: 1 << 20], "empty": b""}
    (lab.folder / "image").write_bytes(made[kind] if kind in made else (Path(STOCK) / kind / "bzImage").read_bytes())
    added = lab.qualify("kernel", "add", "image", "--name", "new", "--kernels", str(lab.kernels))
    assert (added.returncode, added.stdout) == (2, "")
    assert f"image: {words}" in added.stderr
    assert list(lab.kernels.iterdir()) == []


@stock
def test_a_kernel_of_another_architecture(lab: Lab) -> None:
    lab.place(KERNEL, Path(STOCK) / "arm64/bzImage")
    lab.matrix()
    not_measured(lab, lab.run(), Status.ERROR, "is an arm64 Image; expected a kernel for x86-64")


@stock
def test_a_kernel_that_only_its_folder_calls_so(lab: Lab) -> None:
    lab.place(KERNEL, Path(STOCK) / "amd64/bzImage")
    lab.matrix()
    not_measured(lab, lab.run(), Status.ERROR, "calls itself 6.", f"stands for release {KERNEL}")


@stock
@pytest.mark.parametrize(
    ("with_config", "words"),
    [
        (True, "was built without CONFIG_KEXEC_HANDOVER"),
        (False, "source debian-amd64 has no /sys/kernel/debug/kho: it needs CONFIG_KEXEC_HANDOVER"),
    ],
    ids=["its configuration says so", "it is booted"],
)
def test_a_kernel_without_kho(lab: Lab, with_config: bool, words: str) -> None:
    source = Path(STOCK) / "amd64"
    folder = lab.place("debian-amd64", source / "bzImage")
    if with_config:
        (folder / "config").symlink_to(source / "config")
    version = read_image(source / "bzImage").release.partition("-")[0]
    (lab.folder / "claimed.yaml").write_text(CLAIMED.format(version=version))
    lab.matrix("debian-amd64", KERNEL)
    not_measured(lab, lab.run("--schema", "claimed.yaml"), Status.ERROR, words)


def test_a_command_line_that_takes_the_handover_away(lab: Lab) -> None:
    """A target with kho=off looks like one that lost everything."""
    lab.kernel(KERNEL, append="panic=5 kho=off")
    lab.matrix()
    outcome = lab.run()
    assert (outcome.status, outcome.rows, outcome.stdout) == (2, {}, "")
    assert f"{lab.kernels / KERNEL / 'kernel.yaml'}:1:" in outcome.stderr
    assert "kho=off: whether and how state is handed over is decided by each scenario" in outcome.stderr


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("QUALIFY_QEMU", "/nowhere/qemu", "QUALIFY_QEMU=/nowhere/qemu is no program; install it"),
        ("CC", "/nowhere/cc", "no C compiler (/nowhere/cc) to build the guest agent with; install a C compiler"),
        ("PYTHONPATH", "", "the package qemu.qmp is not installed: pip install 'qualify[qemu]'"),
    ],
    ids=["QEMU", "compiler", "qemu.qmp"],
)
def test_a_tool_is_missing(lab: Lab, variable: str, value: str, words: str) -> None:
    """Then no cell can be run: unknown, with the reason, and nothing is written."""
    if variable == "PYTHONPATH":
        empty = lab.folder / "python" / "qemu"
        empty.mkdir(parents=True)
        (empty / "__init__.py").touch()
        value = f"{empty.parent}{os.pathsep}{lab.environment[variable]}"
    lab.environment[variable] = value
    lab.matrix()
    outcome = lab.run()
    assert (outcome.status, outcome.stdout) == (3, "")
    assert outcome.stderr.startswith(f"qualify: matrix 'faults': none of its 1 cells can be run; {CELL}: {words}")
    assert not lab.db.exists()
    assert lab.left() == []
