# SPDX-License-Identifier: Apache-2.0
"""What real kernels wrote (tests/vectors/golden/*.json, each with its origin), as memory, blocks and facts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np

from qualify.machine.kernel import Kernel
from qualify.machine.memory import PhysicalMemory
from qualify.schema import Schema, load
from qualify.wire import fdt

FOLDER = Path(__file__).parents[1] / "vectors" / "golden"
CAPTURES = ("6.18.15", "6.19.11", "7.1.13", "7.3.4", "7.3.4-many", "7.3.4-big")
PAGE = 4096


@cache
def schema() -> Schema:
    return load()


@dataclass(frozen=True)
class Golden:
    """One capture. Addresses are physical."""

    name: str
    data: dict[str, Any]

    @property
    def index(self) -> dict[str, Any]:
        return self.data["index"]

    @property
    def known(self) -> dict[str, Any]:
        return self.data["known"]

    @cached_property
    def kernel(self) -> Kernel:
        return Kernel(schema(), schema().release(self.data["release"]))

    @cached_property
    def pages(self) -> dict[int, bytes]:
        return {int(at, 16): page_bytes(form) for at, form in self.data["pages"].items()}

    @cached_property
    def roles(self) -> dict[int, str]:
        return {int(at, 16): role for at, role in self.data["page_roles"].items()}

    def role(self, start: str) -> list[int]:
        """The pages whose role begins like this, in order of address."""
        return sorted(at for at, role in self.roles.items() if role.startswith(start))

    def memory(self) -> PhysicalMemory:
        """RAM with the pages that were captured; the rest reads as zeros."""
        memory = PhysicalMemory(self.data["ram_bytes"])
        for at, page in self.pages.items():
            memory.write(at, page)
        return memory

    @cached_property
    def kho_data(self) -> bytes:
        """The payload of the setup_data entry: behind next (8 bytes), type (4) and length (4)."""
        return bytes.fromhex(self.data["kho_data"]["setup_data_hex"])[16:]

    @cached_property
    def blocks(self) -> np.ndarray[tuple[int, int], np.dtype[np.uint64]]:
        """The preserved blocks, sorted by order and address; shape (n, 2)."""
        rows = [
            (int(at, 16) + i * (PAGE << order), order)
            for at, order, count in self.index["preserved"]
            for i in range(count)
        ]
        return in_order(np.array(rows, dtype=np.uint64))

    def subtree(self, name: str) -> int:
        return int(self.index["subtrees"][name]["phys"], 16)

    def tree(self, at: int) -> fdt.Node:
        total = int.from_bytes(self.pages[at][4:8], "big")
        return fdt.decode(self.pages[at][:total])

    def area(self, owner: str) -> dict[str, Any]:
        return next(a for a in self.index["vmalloc_chunks"] if a["owner"] == owner)

    def files(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """(session, what is known of the file) for every file."""
        return ((s["name"], f) for s in self.known["sessions"] for f in s["files"])


def in_order(blocks: np.ndarray[Any, np.dtype[np.uint64]]) -> np.ndarray[tuple[int, int], np.dtype[np.uint64]]:
    return blocks[np.lexsort((blocks[:, 0], blocks[:, 1]))]


def contents_of(seed: int, size: int) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    """Bytes as the init program wrote them: splitmix64's finaliser over (seed << 32) + k, one word after the other."""
    with np.errstate(over="ignore"):
        z = np.arange(-(-size // 8), dtype=np.uint64) + np.uint64(seed << 32) + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return z.view(np.uint8)[:size].copy()


def page_bytes(form: str | dict[str, Any]) -> bytes:
    """Hex without its trailing zeros, or runs of hex with zeros between."""
    page = bytearray(PAGE)
    for offset, text in [[0, form]] if isinstance(form, str) else form["runs"]:
        data = bytes.fromhex(text)
        page[offset : offset + len(data)] = data
    return bytes(page)


@cache
def golden(name: str) -> Golden:
    return Golden(name, json.loads((FOLDER / f"{name}.json").read_text()))
