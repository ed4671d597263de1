# SPDX-License-Identifier: Apache-2.0
"""What a kernel told while it was booted once: the records of the agent's probe stage, put together."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

from qualify.kernels.config import parse_config

__all__ = ["Handler", "Ioctl", "ProbeFacts", "facts_of"]

_MOST = 16 << 20  # bytes that a compressed configuration may unpack to
_CONFIG = "config.gz"


@dataclass(frozen=True)
class Ioctl:
    """One ioctl that was tried with a null pointer.

    A known one reads its argument and answers EFAULT; an unknown number answers EINVAL before that (luo_ioctl() in
    kernel/liveupdate/luo_core.c, luo_session_ioctl() in luo_session.c, of 6.19.11, 7.1.13 and 7.3.4).
    """

    name: str
    number: str
    errno: str
    target: str = "device"

    @property
    def known(self) -> bool:
        """Whether the kernel knows it."""
        return self.errno not in ("EINVAL", "ENOTTY")


@dataclass(frozen=True)
class Handler:
    """One type of file that was offered for preservation."""

    type: str
    errno: str
    made: str = ""  # the errno of making such a file: nothing was offered then

    @property
    def registered(self) -> bool | None:
        """Whether somebody took it; without a handler PRESERVE_FD answers ENOENT. None when none was offered."""
        return None if self.made else self.errno == ""


@dataclass(frozen=True)
class ProbeFacts:
    """What was recorded, as it was recorded. Blobs by the agent's names: ``out/fdt``, ``out/sub_fdts/LUO``."""

    release: str = ""  # uname -r
    version: str = ""  # uname -v
    cmdline: str = ""
    config: str = ""  # text of /proc/config.gz; '' without
    system: Mapping[str, Any] = field(default_factory=dict)
    ioctls: tuple[Ioctl, ...] = ()
    handlers: tuple[Handler, ...] = ()
    open_errno: str = ""  # of /dev/liveupdate
    blobs: Mapping[str, bytes] = field(default_factory=dict)
    log: tuple[str, ...] = ()
    troubles: tuple[str, ...] = ()  # what kept the probe from seeing everything

    @cached_property
    def options(self) -> Mapping[str, str]:
        """Its configuration, option without ``CONFIG_`` -> value."""
        return parse_config(self.config)


def facts_of(records: Iterable[Mapping[str, Any]], log: Iterable[str] = ()) -> ProbeFacts:
    """The facts in a probe's records (their "k" says of what kind each is); what is missing or cut off is a trouble."""
    hello: Mapping[str, Any] = {}
    system: Mapping[str, Any] = {}
    ioctls: list[Ioctl] = []
    handlers: list[Handler] = []
    opened: list[str] = []
    chunks: dict[str, list[tuple[int, int, str]]] = {}
    troubles: list[str] = []
    ended = False
    for record in records:
        match record.get("k"):
            case "hello":
                hello = record
            case "system":
                system = record
            case "open":
                opened.append(str(record.get("errno", "")))
            case "ioctl":
                ioctls.append(Ioctl(*(str(record.get(key, "")) for key in ("name", "nr", "errno", "fd"))))
            case "handler":
                handlers.append(Handler(*(str(record.get(key, "")) for key in ("type", "errno", "made"))))
            case "blob":
                part = (int(record.get("offset", 0)), int(record.get("size", 0)), str(record.get("data", "")))
                chunks.setdefault(str(record.get("name", "")), []).append(part)
            case "fail":
                troubles.append(
                    f"the agent could not go on: {record.get('what', '')} {record.get('errno', '')}".strip()
                )
            case "end":
                ended = True
            case _:
                pass  # what else the plan asked for
    blobs = {}
    for name, parts in chunks.items():
        blobs[name], trouble = _joined(name, parts)
        troubles += [trouble] if trouble else []
    config, trouble = _unpacked(blobs.pop(_CONFIG, b""))
    troubles += [trouble] if trouble else []
    if not ended:
        troubles.append("the records end before the probe did")
    return ProbeFacts(
        release=str(hello.get("release", "")),
        version=str(hello.get("version", "")),
        cmdline=str(hello.get("cmdline", "")),
        config=config,
        system=MappingProxyType({k: v for k, v in system.items() if k not in ("k", "t")}),
        ioctls=tuple(ioctls),
        handlers=tuple(handlers),
        open_errno=opened[-1] if opened else "",
        blobs=MappingProxyType(blobs),
        log=tuple(log),
        troubles=tuple(troubles),
    )


def _joined(name: str, parts: list[tuple[int, int, str]]) -> tuple[bytes, str]:
    """(the bytes that came, what is wrong with them or '')."""
    data = bytearray()
    for offset, _, text in sorted(parts):
        try:
            piece = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            return bytes(data), f"blob {name}: what stands at {offset} is not base64"
        if offset > len(data):
            return bytes(data), f"blob {name}: bytes {len(data)} to {offset} are missing"
        data[offset:] = piece
    size = parts[0][1]
    return bytes(data), "" if len(data) == size else f"blob {name}: {len(data)} of {size} bytes came"


def _unpacked(packed: bytes) -> tuple[str, str]:
    """(text of a gzip file, what is wrong with it or '')."""
    if not packed:
        return "", ""
    unpacker = zlib.decompressobj(wbits=31)
    try:
        text = unpacker.decompress(packed, _MOST)
    except zlib.error as error:
        return "", f"/proc/config.gz does not unpack: {error}"
    return text.decode("utf-8", errors="replace"), "" if unpacker.eof else "/proc/config.gz is cut off"
