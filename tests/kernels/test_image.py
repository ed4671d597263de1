# SPDX-License-Identifier: Apache-2.0
"""What a kernel image says of itself, and what is said of a file that is none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qualify.errors import InputError
from qualify.kernels.image import read_image
from tests.kernels.images import bzimage, elf


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as error:
        read_image(path)
    assert error.value.exit_status == 2
    (problem,) = error.value.problems
    assert problem.file == str(path)
    assert problem.hint, "says nothing of what to do"
    return problem.message


def test_the_header_is_read(tmp_path: Path) -> None:
    path = tmp_path / "bzImage"
    path.write_bytes(bzimage("7.1.13-mine (me@here) #1 SMP", system=8192))
    image = read_image(path)
    assert (image.release, image.version) == ("7.1.13-mine", "7.1.13-mine (me@here) #1 SMP")
    assert (image.protocol, image.arch, image.relocatable) == ((2, 15), "x86-64", True)
    assert (image.setup_bytes, image.system_bytes, image.size) == (2560, 8192, 10752)
    assert (image.init_size, image.xloadflags) == (1 << 24, 0x63)


def test_what_keeps_it_from_being_loaded_is_told(tmp_path: Path) -> None:
    path = tmp_path / "bzImage"
    for flags, words in ((0x63, ()), (0x61, ("CONFIG_RELOCATABLE",)), (0x01, ("CONFIG_RELOCATABLE", "five levels"))):
        path.write_bytes(bzimage(xloadflags=flags))
        limits = read_image(path).limits
        assert len(limits) == len(words)
        assert all(word in limit for word, limit in zip(words, limits, strict=True))


WRONG = {
    "empty": (b"", "is empty"),
    "text": (b"#!/bin/sh\n" * 100, "is not a kernel image: it has no 'HdrS' at offset 0x202"),
    "short": (b"MZ", "is an EFI program without a bzImage's header, perhaps a unified kernel image"),
    "vmlinux": (elf(62), "is an ELF file (a vmlinux?), which kexec_file_load does not take here"),
    "arm64 elf": (elf(183), "is an ELF file for arm64; expected a bzImage for x86-64"),
    "cut elf": (elf(183)[:10], "is the beginning of an ELF file"),
    "arm64": (b"MZ" + bytes(54) + b"ARMd" + bytes(4096), "is an arm64 Image; expected a kernel for x86-64"),
    "riscv": (b"MZ" + bytes(54) + b"RSC\x05" + bytes(99), "is a RISC-V Image; expected a kernel for x86-64"),
    "zboot": (
        b"MZ\0\0zimg" + bytes(16) + b"gzip" + bytes(4000),
        "is an EFI zboot image (gzip), as arm64, RISC-V and LoongArch have; expected x86-64",
    ),
    "uki": (b"MZ" + bytes(4000), "is an EFI program without a bzImage's header, perhaps a unified kernel image"),
    "gzip": (b"\x1f\x8b\x08" + bytes(4000), "is gzip-compressed data, not a bzImage (which unpacks itself)"),
    "uimage": (b"\x27\x05\x19\x56" + bytes(60), "is a U-Boot uImage"),
    "32 bit": (bzimage(xloadflags=0), "is a 32-bit x86 kernel; expected one for x86-64"),
    "zImage": (bzimage(loadflags=0), "is a zImage, which is loaded below 1 MiB"),
    "ancient": (bzimage(protocol=0x20A), "is an x86 kernel with boot protocol 2.10; expected 2.12 or newer"),
    "nameless": (bzimage(version=""), "has a kernel's header but names no kernel version"),
    "one byte missing": (bzimage()[:-1], "is cut off: 1 of 6656 bytes are missing"),
    "half": (bzimage()[:3000], "is cut off: 3656 of 6656 bytes are missing"),
    "only a header": (bzimage()[:0x210], "is cut off within its header: 88 bytes and all of the kernel are missing"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_bzimage_is_named(tmp_path: Path, name: str) -> None:
    data, message = WRONG[name]
    path = tmp_path / "image"
    path.write_bytes(data)
    assert refusal(path) == message


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    assert refusal(tmp_path) == "is a folder, not a kernel image"
    with pytest.raises(InputError, match="No such file"):
        read_image(tmp_path / "none")


@given(st.data())
def test_no_bytes_of_a_header_make_it_stumble(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    blob = bytearray(bzimage())
    for _ in range(data.draw(st.integers(1, 8))):
        blob[data.draw(st.integers(0x1F0, 0x270))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("fuzz") / "bzImage"
    path.write_bytes(blob[: data.draw(st.integers(0, len(blob)))])
    try:
        image = read_image(path)
    except InputError:
        return
    assert image.setup_bytes + image.system_bytes <= image.size
    assert image.release


@pytest.mark.kernels
@pytest.mark.skipif("QUALIFY_KERNELS" not in os.environ, reason="QUALIFY_KERNELS names no folder of kernels")
def test_real_images_end_where_their_header_says() -> None:
    paths = [p for f in os.environ["QUALIFY_KERNELS"].split(os.pathsep) for p in Path(f).glob("*/bzImage")]
    assert paths
    for path in paths:
        image = read_image(path)
        assert image.setup_bytes + image.system_bytes == path.stat().st_size, path
        assert image.release == path.parent.name or not (path.parent / "source").exists()
