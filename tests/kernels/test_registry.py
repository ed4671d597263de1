# SPDX-License-Identifier: Apache-2.0
"""Which kernels are found where, and what is said of folders that are wrong."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from qualify.errors import InputError, UsageError
from qualify.kernels import Registry, find_kernels, user_folder
from tests.bad_input import cases
from tests.kernels.images import bzimage

BROKEN = cases(Path(__file__).with_name("broken_kernels.txt"))


@pytest.fixture(autouse=True)
def _nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("QUALIFY_KERNELS", raising=False)


def kernel(folder: Path, label: str, description: str = "", config: str = "") -> Path:
    where = folder / label
    where.mkdir(parents=True)
    (where / "bzImage").write_bytes(bzimage())
    if description:
        (where / "kernel.yaml").write_text(description)
    if config:
        (where / "config").write_text(config)
    return where


def labels(registry: Registry) -> list[str]:
    return [k.label for k in registry.kernels]


def test_a_kernel_needs_no_more_than_an_image(tmp_path: Path) -> None:
    folder = kernel(tmp_path / "k", "7.1.13")
    (found,) = find_kernels([tmp_path / "k"]).kernels
    assert (found.label, found.release, found.folder, found.image) == ("7.1.13", "7.1.13", folder, folder / "bzImage")
    assert (found.config, found.btf, found.schema) == (None, None, None)
    assert (found.append, found.provenance, found.made) == ("", "", False)
    assert dict(found.config_options) == {}
    assert found.digest == hashlib.sha256(bzimage()).hexdigest()
    assert found.changed is None


def test_what_stands_beside_the_image_is_read(tmp_path: Path) -> None:
    text = "release: 7.1.13\nappend: kho_scratch=64M,64M,64M\nprovenance: our tree\nschema: own.yaml\n"
    folder = kernel(tmp_path, "ours", text, 'CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C="x y"\nCONFIG_A=m\n')
    (folder / "own.yaml").write_text("releases: []\n")
    (folder / "vmlinux.btf").write_bytes(b"\x9f\xeb")
    (found,) = find_kernels([tmp_path]).kernels
    assert (found.label, found.release, found.append) == ("ours", "7.1.13", "kho_scratch=64M,64M,64M")
    assert (found.schema, found.btf) == (folder / "own.yaml", folder / "vmlinux.btf")
    assert dict(found.config_options) == {"A": "m", "B": "n", "C": "x y"}


def test_folders_are_searched_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in ("given", "also", "named"):
        kernel(tmp_path / place, place)
    kernel(user_folder(), "mine")
    assert labels(find_kernels()) == ["mine"]
    monkeypatch.setenv("QUALIFY_KERNELS", f"{tmp_path / 'named'}{os.pathsep}{tmp_path / 'also'}")
    assert labels(find_kernels()) == ["named", "also"]
    assert labels(find_kernels([tmp_path / "given"])) == ["given"]
    monkeypatch.setenv("QUALIFY_KERNELS", " ")
    assert labels(find_kernels()) == ["mine"]


def test_of_two_with_one_label_the_first_folder_counts(tmp_path: Path) -> None:
    first = kernel(tmp_path / "a", "7.1.13")
    kernel(tmp_path / "b", "7.1.13")
    kernel(tmp_path / "b", "7.3.4")
    registry = find_kernels([tmp_path / "a", tmp_path / "b"])
    assert [(k.label, k.folder.parent.name) for k in registry.kernels] == [("7.1.13", "a"), ("7.3.4", "b")]
    found = registry.get("7.1.13")
    assert found is not None
    assert found.folder == first


def test_a_release_is_found_by_label_and_its_namesake_first(tmp_path: Path) -> None:
    kernel(tmp_path, "a-build", "release: 7.1.13\n")
    assert find_kernels([tmp_path]).get("7.1.13").label == "a-build"  # type: ignore[union-attr]
    assert find_kernels([tmp_path]).get("a-build") is None
    kernel(tmp_path, "7.1.13")
    assert find_kernels([tmp_path]).get("7.1.13").label == "7.1.13"  # type: ignore[union-attr]
    with pytest.raises(UsageError, match=r"no kernel '7\.1\.12' in .*; did you mean 7\.1\.13\?"):
        find_kernels([tmp_path]).named("7.1.12")


def test_other_folders_are_passed_over_and_the_users_may_be_missing(tmp_path: Path) -> None:
    assert find_kernels().kernels == ()
    (tmp_path / "k" / "notes").mkdir(parents=True)
    kernel(tmp_path / "k", ".adding-x")
    (tmp_path / "k" / "README.md").write_text("")
    assert find_kernels([tmp_path / "k"]).kernels == ()


def test_a_folder_that_is_named_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUALIFY_KERNELS", f"{tmp_path / 'x'}{os.pathsep}{tmp_path / 'y'}")
    with pytest.raises(InputError) as error:
        find_kernels()
    assert [p.message for p in error.value.problems] == ["no such folder of kernels"] * 2
    assert all("QUALIFY_KERNELS names it" in p.hint for p in error.value.problems)
    one = kernel(tmp_path, "one")
    with pytest.raises(InputError, match="is the folder of one kernel; --kernels takes folders of those"):
        find_kernels([one])
    with pytest.raises(InputError, match="is no folder"):
        find_kernels([one / "bzImage"])


def test_a_changed_image_is_told(tmp_path: Path) -> None:
    folder = kernel(tmp_path, "ours", f"digest: {hashlib.sha256(bzimage()).hexdigest()}\n")
    assert find_kernels([tmp_path]).kernels[0].changed is None
    (folder / "bzImage").write_bytes(bzimage("7.1.14 x"))
    changed = find_kernels([tmp_path]).kernels[0].changed
    assert changed is not None
    assert "is not the image that was added" in changed.message


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_wrong_with_a_description_is_told_with_its_place(tmp_path: Path, name: str) -> None:
    text, expected = BROKEN[name]
    folder = kernel(tmp_path, "k", text)
    with pytest.raises(InputError) as error:
        find_kernels([tmp_path])
    assert str(error.value).replace(str(folder / "kernel.yaml"), "FILE") == expected


def test_mistakes_of_all_kernels_are_told_at_once(tmp_path: Path) -> None:
    kernel(tmp_path, "a", "relase: x\n")
    kernel(tmp_path, "b", "append: [1]\n")
    (kernel(tmp_path, "c", "release: x\n") / "bzImage").unlink()
    with pytest.raises(InputError) as error:
        find_kernels([tmp_path])
    assert [Path(p.file).parent.name for p in error.value.problems] == ["a", "b", "c"]
    assert "describes a kernel, but there is no bzImage beside it" in error.value.problems[2].message


@pytest.mark.kernels
@pytest.mark.skipif("QUALIFY_KERNELS" not in os.environ, reason="QUALIFY_KERNELS names no folder of kernels")
def test_real_kernels_are_found_as_they_are() -> None:
    folders = [Path(f) for f in _REAL.split(os.pathsep)]
    registry = find_kernels(folders)
    assert registry.kernels
    for found in registry.kernels:
        assert registry.get(found.release) is not None
        assert found.config is None or found.config_options["KEXEC_HANDOVER"] == "y"


_REAL = os.environ.get("QUALIFY_KERNELS", "")  # before the tests above take it away
