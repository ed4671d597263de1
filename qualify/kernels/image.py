# SPDX-License-Identifier: Apache-2.0
"""What an x86 bzImage says of itself, and what a file is that is none.

Offsets are those of the Linux/x86 boot protocol (Documentation/arch/x86/boot.rst of 7.1.13, "The Real-Mode Kernel
Header"); sizes are in bytes. Nothing beyond the end of the file is ever read.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from qualify.errors import InputError, Problem

__all__ = ["ARCH", "BzImage", "read_image"]

#: The architecture of every image that `read_image` accepts, in the words of the schema.
ARCH = "x86-64"

_SECTOR = 512
_SETUP_SECTS, _SYSSIZE, _BOOT_FLAG, _MAGIC = 0x1F1, 0x1F4, 0x1FE, 0x202
_VERSION, _KERNEL_VERSION, _LOADFLAGS, _RELOCATABLE, _XLOADFLAGS = 0x206, 0x20E, 0x211, 0x234, 0x236
_INIT_SIZE, _HEADER_END = 0x260, 0x268
_DEFAULT_SETUP_SECTS = 4  # what 0 stands for, "for backwards compatibility"
_LOADED_HIGH = 1  # loadflags
_KERNEL_64, _ABOVE_4G, _FIVE_LEVELS = 1, 1 << 1, 1 << 5  # xloadflags: XLF_*
_OLDEST = 0x20C  # 2.12, Linux 3.8: the first with xloadflags, which say whether the kernel is a 64-bit one
_LONGEST_VERSION = 1024

_TAKE = "give the bzImage: arch/x86/boot/bzImage of a build tree, or /boot/vmlinuz-* of a distribution for x86-64"
_ELF_MACHINES = {3: "x86", 8: "MIPS", 21: "PowerPC64", 22: "s390", 40: "arm", 62: "x86-64", 183: "arm64", 243: "RISC-V",
                 258: "LoongArch"}  # fmt: skip


@dataclass(frozen=True)
class BzImage:
    """The header of one kernel image."""

    path: Path
    size: int  # of the file
    release: str  # uname -r
    version: str  # the whole string: release, who built it where, and the rest of uname -v
    protocol: tuple[int, int]
    setup_bytes: int  # boot sector and real-mode code
    system_bytes: int  # what is loaded at 1 MiB or above
    relocatable: bool
    init_size: int  # memory that it needs from its load address until it has decompressed itself
    xloadflags: int
    arch: str = ARCH

    @property
    def limits(self) -> tuple[str, ...]:
        """What keeps it from being a target, in words: the checks of bzImage64_probe() on xloadflags.

        arch/x86/kernel/kexec-bzimage64.c of 7.1.13.
        """
        found = []
        if not self.xloadflags & _ABOVE_4G:
            found.append("kexec_file_load refuses it: it cannot be loaded above 4 GiB (CONFIG_RELOCATABLE is off)")
        if not self.xloadflags & _FIVE_LEVELS:
            found.append("a kernel that runs with five levels of page tables refuses to load it")
        return tuple(found)


def read_image(path: Path) -> BzImage:
    """The header of a bzImage; InputError that says what the file is when it is none, or how much of it is missing."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            head = file.read(max(_HEADER_END, _SECTOR * 256 + _LONGEST_VERSION))
    except IsADirectoryError:
        raise _refused(path, "is a folder, not a kernel image", _TAKE) from None
    except OSError as error:
        raise _refused(path, f"cannot be read: {error.strerror}") from error
    if head[_MAGIC : _MAGIC + 4] != b"HdrS" or head[_BOOT_FLAG : _BOOT_FLAG + 2] != b"\x55\xaa":
        raise _refused(path, *_what_else(head, size))
    if len(head) < _HEADER_END:
        missing = f"{_HEADER_END - size} bytes and all of the kernel are missing"
        raise _refused(path, f"is cut off within its header: {missing}", "copy it again")
    return _header(path, head, size)


def _header(path: Path, head: bytes, size: int) -> BzImage:
    protocol = _u16(head, _VERSION)
    if protocol < _OLDEST:
        found = f"{protocol >> 8}.{protocol & 255:02}"
        text = f"is an x86 kernel with boot protocol {found}; expected 2.12 or newer"
        raise _refused(path, text, "no kernel that old can hand state over")
    if not head[_LOADFLAGS] & _LOADED_HIGH:
        raise _refused(path, "is a zImage, which is loaded below 1 MiB", _TAKE)
    if not _u16(head, _XLOADFLAGS) & _KERNEL_64:
        raise _refused(path, f"is a 32-bit x86 kernel; expected one for {ARCH}", "build it with CONFIG_64BIT=y")
    setup = ((head[_SETUP_SECTS] or _DEFAULT_SETUP_SECTS) + 1) * _SECTOR
    system = _u32(head, _SYSSIZE) * 16
    if size < setup + system:
        missing = setup + system - size
        raise _refused(path, f"is cut off: {missing} of {setup + system} bytes are missing",
                       "copy it again; the disk may have been full")  # fmt: skip
    version = _version(head, setup)
    if not version:
        raise _refused(path, "has a kernel's header but names no kernel version", _TAKE)
    return BzImage(
        path=path,
        size=size,
        release=version.split()[0],
        version=version,
        protocol=(protocol >> 8, protocol & 255),
        setup_bytes=setup,
        system_bytes=system,
        relocatable=bool(head[_RELOCATABLE]),
        init_size=_u32(head, _INIT_SIZE),
        xloadflags=_u16(head, _XLOADFLAGS),
    )


def _version(head: bytes, setup: int) -> str:
    """The string that kernel_version points at, which lies in the setup code; '' without one."""
    at = _u16(head, _KERNEL_VERSION) + _SECTOR
    if at == _SECTOR or at >= setup:
        return ""
    text = head[at : min(setup, at + _LONGEST_VERSION)].split(b"\0", 1)[0]
    return text.decode("ascii", errors="replace").strip()


def _what_else(head: bytes, size: int) -> tuple[str, str]:
    """What a file without a bzImage's header is, and what to do."""
    if not size:
        return "is empty", _TAKE
    if head[:4] == b"\x7fELF":
        return _elf(head)
    if head[:2] == b"MZ" and head[4:8] == b"zimg":
        kind = head[24:32].split(b"\0")[0].decode("ascii", errors="replace")
        return (
            f"is an EFI zboot image ({kind or 'compressed'}), as arm64, RISC-V and LoongArch have; expected {ARCH}",
            _TAKE,
        )
    if head[56:60] == b"ARMd":
        return f"is an arm64 Image; expected a kernel for {ARCH}", _TAKE
    if head[56:60] == b"RSC\x05":
        return f"is a RISC-V Image; expected a kernel for {ARCH}", _TAKE
    if head[:2] == b"MZ":
        return (
            "is an EFI program without a bzImage's header, perhaps a unified kernel image",
            "take the kernel out of it: objcopy -O binary --only-section=.linux FILE bzImage",
        )
    if head[:4] == b"\x27\x05\x19\x56":
        return "is a U-Boot uImage", _TAKE
    for magic, name in ((b"\x1f\x8b", "gzip"), (b"\xfd7zXZ", "xz"), (b"\x28\xb5\x2f\xfd", "zstd")):
        if head.startswith(magic):
            return f"is {name}-compressed data, not a bzImage (which unpacks itself)", _TAKE
    return "is not a kernel image: it has no 'HdrS' at offset 0x202", _TAKE


def _elf(head: bytes) -> tuple[str, str]:
    if len(head) < 20:
        return "is the beginning of an ELF file", _TAKE
    machine = int.from_bytes(head[18:20], "big" if head[5] == 2 else "little")
    name = _ELF_MACHINES.get(machine, f"machine {machine}")
    if name == ARCH:
        return "is an ELF file (a vmlinux?), which kexec_file_load does not take here", _TAKE
    return f"is an ELF file for {name}; expected a bzImage for {ARCH}", _TAKE


def _refused(path: Path, message: str, hint: str = "") -> InputError:
    return InputError([Problem(str(path), 0, 0, message, hint)])


def _u16(data: bytes, at: int) -> int:
    return int(struct.unpack_from("<H", data, at)[0])


def _u32(data: bytes, at: int) -> int:
    return int(struct.unpack_from("<I", data, at)[0])
