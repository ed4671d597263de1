# SPDX-License-Identifier: Apache-2.0
"""Kernel images that are right in their header and hold nothing else, and ones that are wrong in one way each."""

from __future__ import annotations

import struct

__all__ = ["bzimage", "elf"]

_SETUP_SECTS = 4


def bzimage(
    version: str = "7.1.13 (me@here) #1 SMP Sun Nov 22 19:40:39 UTC 2026",
    *,
    system: int = 4096,
    protocol: int = 0x20F,
    loadflags: int = 1,
    xloadflags: int = 0x63,
    setup_sects: int = _SETUP_SECTS,
) -> bytes:
    """A bzImage by the boot protocol, with `system` bytes behind its setup code."""
    setup = bytearray((setup_sects + 1) * 512)
    setup[0x1F1] = setup_sects
    struct.pack_into("<I", setup, 0x1F4, system // 16)
    setup[0x1FE:0x200] = b"\x55\xaa"
    setup[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", setup, 0x206, protocol)
    struct.pack_into("<H", setup, 0x20E, 0x200)
    setup[0x211] = loadflags
    setup[0x234] = 1
    struct.pack_into("<H", setup, 0x236, xloadflags)
    struct.pack_into("<I", setup, 0x260, 1 << 24)
    text = version.encode() + b"\0"
    setup[0x400 : 0x400 + len(text)] = text
    return bytes(setup) + bytes(system)


def elf(machine: int) -> bytes:
    """The header of an ELF file."""
    return b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HH", 2, machine) + bytes(44)
