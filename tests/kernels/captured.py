# SPDX-License-Identifier: Apache-2.0
"""A probe's records, made of what real kernels wrote (tests/vectors/golden/*.json, each with its origin)."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Mapping
from typing import Any

from tests.wire.golden import golden

__all__ = ["CONFIG", "blobs_of", "records"]

#: A configuration as the given kernels have it, in so far as the schema looks at it.
CONFIG = "CONFIG_KEXEC_HANDOVER=y\nCONFIG_LIVEUPDATE=y\nCONFIG_LIVEUPDATE_MEMFD=y\nCONFIG_TEST_KEXEC_HANDOVER=y\n"
_CHUNK = 300  # smaller than the agent's, so that even small blobs come in several


def blobs_of(name: str) -> dict[str, bytes]:
    """The root FDT and what its subtrees point at, as debugfs shows them."""
    capture = golden(name)
    memory = capture.memory()
    root = int(capture.index["root_fdt"], 16)
    total = int.from_bytes(memory.read(root + 4, 4), "big")
    blobs = {"out/fdt": bytes(memory.read(root, total))}
    for subtree, what in capture.index["subtrees"].items():
        blobs[f"out/sub_fdts/{subtree}"] = bytes(memory.read(int(what["phys"], 16), what["size"]))
    return blobs


def records(
    name: str, config: str = CONFIG, memfd: str = "", changed: Mapping[str, bytes] | None = None, **system: Any
) -> list[dict[str, Any]]:
    """What the agent would send from that kernel. `memfd` is the errno of offering a memfd."""
    blobs = blobs_of(name) | (changed or {})
    luo = any(blob.endswith("/LUO") for blob in blobs)
    version = golden(name).data["release"]
    known = {"kho": True, "device": luo, "finalize": version.startswith("6."), "out_fdt": True} | system
    made: list[dict[str, Any]] = [
        {"k": "hello", "t": 0.6, "stage": "probe", "release": version, "version": "#1 SMP", "cmdline":
         golden(name).data["origin"]["command_line"]},
        {"k": "system", "t": 0.6, **known},
    ]  # fmt: skip
    if luo:
        made.append({"k": "open", "t": 0.7, "errno": ""})
        made.append({"k": "ioctl", "fd": "device", "name": "CREATE_SESSION", "nr": "0xba00", "errno": "EFAULT"})
        made.append({"k": "handler", "type": "memfd", "errno": memfd})
        made.append({"k": "handler", "type": "hugetlb", "errno": "ENOENT"})
    for blob, data in (blobs | ({"config.gz": gzip.compress(config.encode())} if config else {})).items():
        for at in range(0, len(data), _CHUNK):
            text = base64.b64encode(data[at : at + _CHUNK]).decode()
            made.append({"k": "blob", "name": blob, "size": len(data), "offset": at, "data": text})
    return [*made, {"k": "end", "t": 1.0}]
