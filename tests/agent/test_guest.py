# SPDX-License-Identifier: Apache-2.0
"""The agent's parts on the host: contents as numpy makes them, hostile device trees, guarded memory, memory files."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qualify.agent import Plan, PlanFile, PlanSession, contents, contents_hash, region_parts, render
from tests.agent.selftest import run

SEEDS = st.integers(0, (1 << 64) - 1)


@given(SEEDS, st.integers(0, 1 << 40), st.integers(0, 5000), st.integers(-100, 5000), st.integers(0, 9000))
def test_contents_are_the_same_in_c(seed: int, offset: int, size: int, hole: int, hole_size: int) -> None:
    hole = max(offset + hole, 0)
    made = contents(seed, offset, size, [(hole, hole_size)]).tobytes()
    assert made == run("contents", seed, offset, size, hole, hole_size)
    assert len(made) == size


@given(SEEDS, st.integers(0, 1 << 20), st.integers(0, 3000))
def test_contents_do_not_depend_on_the_window(seed: int, offset: int, size: int) -> None:
    assert bytes(contents(seed, offset, size)) == bytes(contents(seed, 0, offset + size))[offset:]


def test_a_known_word() -> None:
    # the first output of splitmix64 for the seed 0, as its author publishes it
    assert contents(0, 0, 8).view("<u8")[0] == 0xE220A8397B1DCDAF


@given(st.data(), SEEDS, st.integers(1, 3000), st.sampled_from([8, 64, 1 << 20]))
def test_comparison(data: st.DataObject, seed: int, size: int, piece: int) -> None:
    want = contents(seed, 0, size)
    seen = want.copy()
    changed = data.draw(st.sets(st.integers(0, size - 1), max_size=5))
    for at in changed:
        seen[at] ^= data.draw(st.integers(1, 255))
    answer = run("compare", piece, inputs=[want.tobytes(), seen.tobytes()]).decode().split()
    words = {at // 8 for at in changed}
    assert answer[:2] == [contents_hash([want]), contents_hash([seen])]
    assert answer[2:] == [str(len(words)), str(8 * min(words)) if words else "-1"]
    assert (answer[0] == answer[1]) == (not changed)


def test_hash_of_parts_is_that_of_the_whole() -> None:
    data = contents(1, 0, 1 << 20)
    assert contents_hash([data]) == contents_hash([data[:65536], data[65536:].tobytes()])
    assert contents_hash([data]) != contents_hash([data, np.zeros(8, dtype=np.uint8)])
    assert contents_hash([b"a"]) != contents_hash([b"a\0"])


def test_parts_of_a_region() -> None:
    assert region_parts(4 << 20, edges=False) == ((0, 4 << 20),)
    assert region_parts(4 << 20, edges=True) == ((0, 65536), ((4 << 20) - 65536, 65536))
    assert region_parts(131072, edges=True) == ((0, 131072),)
    assert region_parts(0, edges=True) == ()


def tree(nodes: dict[str, dict[str, bytes]]) -> bytes:
    strings, names = b"", dict[str, int]()

    def prop(name: str, value: bytes) -> bytes:
        nonlocal strings
        if name not in names:
            names[name] = len(strings)
            strings += name.encode() + b"\0"
        return struct.pack(">3I", 3, len(value), names[name]) + value + bytes(-len(value) % 4)

    def begin(name: str) -> bytes:
        text = name.encode() + b"\0"
        return struct.pack(">I", 1) + text + bytes(-len(text) % 4)

    body = begin("") + prop("compatible", b"memblock-v1\0") + struct.pack(">I", 4)
    for name, props in nodes.items():
        body += begin(name) + b"".join(prop(k, v) for k, v in props.items()) + struct.pack(">I", 2)
    body += struct.pack(">2I", 2, 9)
    total = 56 + len(body) + len(strings)
    head = struct.pack(">10I", 0xD00DFEED, total, 56, 56 + len(body), 40, 17, 16, 0, len(strings), len(body))
    return head + bytes(16) + body + strings


REGION = {"compatible": b"reserve-mem-v1\0", "start": struct.pack("=Q", 0x3E200000), "size": struct.pack("=Q", 4 << 20)}
TREE = tree(
    {"alph": REGION, "alpha": {**REGION, "size": struct.pack("=Q", 77)}, "beta": REGION, "cut": {"start": b"x"}}
)


def look_up(name: str, *blobs: bytes) -> list[str]:
    return run("fdt", name, inputs=blobs).decode().splitlines()


def test_device_tree() -> None:
    assert look_up("alpha", TREE) == [f"found {0x3E200000} 77"]
    assert look_up("beta", TREE, TREE + bytes(4096)) == [f"found {0x3E200000} {4 << 20}"] * 2
    assert look_up("gamma", TREE, tree({})) == ["absent 0 0"] * 2
    assert look_up("cut", TREE, b"", bytes(4096), TREE[:-1]) == ["broken 0 0"] * 4
    assert look_up("compatible", TREE) == ["absent 0 0"]


@given(st.data())
def test_hostile_device_trees_are_survived(data: st.DataObject) -> None:
    blobs = []
    for _ in range(60):
        blob = bytearray(TREE)
        for _ in range(data.draw(st.integers(1, 3))):
            at = data.draw(st.integers(0, len(blob) // 4 - 1)) * 4
            value = data.draw(st.sampled_from([0, 1, 2, 3, 4, 9, 40, 0x7FFFFFFF, 0xFFFFFFFC, 0xFFFFFFFF, len(TREE)]))
            blob[at : at + 4] = struct.pack(">I", value)
        blobs.append(bytes(blob[: data.draw(st.integers(0, len(blob)))]) if data.draw(st.booleans()) else bytes(blob))
    answers = look_up("beta", *blobs)
    assert len(answers) == len(blobs)
    assert {a.split()[0] for a in answers} <= {"found", "absent", "broken"}


def test_memory_that_faults_is_survived() -> None:
    assert run("guard").split() == [b"0", b"1", b"0", b"1", b"3"]


def files(*found: PlanFile, seed: int = 0) -> list[str]:
    texts = [render(Plan((PlanSession(0, "a"),), (f,))).encode() for f in found]
    return run("files", seed, inputs=texts).decode().splitlines()


def test_memory_files() -> None:
    dense = PlanFile(0, 1, (2 << 20) + 123, 5)
    sparse = PlanFile(0, 2, 3 << 20, 6, position=77, holes=((4096, 8192), (65536, 1 << 20), ((3 << 20) - 4096, 4096)))
    sealed = PlanFile(0, 3, 10000, 7, create=2, seals=0xE)
    empty = PlanFile(0, 4, 0, 8)
    answers = [line.split() for line in files(dense, sparse, sealed, empty)]
    for file, answer in zip((dense, sparse, sealed, empty), answers, strict=True):
        whole = contents_hash([contents(file.seed, 0, file.size, file.holes)])
        assert answer == ["[]", str(file.position), "0", "-1", answer[4], whole, whole, answer[7]]
    assert answers[0][4] == "none"
    assert answers[1][4] == "4096+8192,65536+1048576,3141632+4096"


def test_reading_fills_no_holes() -> None:
    sparse = PlanFile(0, 1, 64 << 20, 9, holes=((1 << 20, 62 << 20),))
    (answer,) = files(sparse, seed=1)  # with another seed the dense parts differ, the hole does not
    told = answer.split()
    assert told[2:5] == [str((2 << 20) // 8), "0", f"{1 << 20}+{62 << 20}"]
    assert int(told[7]) == 2 << 20


def test_a_wrong_seed_is_seen() -> None:
    (answer,) = files(PlanFile(0, 1, 4 << 20, 5), seed=1)
    assert answer.split()[2:4] == [str((4 << 20) // 8), "0"]


def test_a_file_that_cannot_be_made_names_the_step() -> None:
    assert files(PlanFile(0, 1, 4096, 1, create=1 << 20)) == ["EINVAL memfd_create"]
    assert files(PlanFile(0, 1, 4096, 1, seals=1 << 20, create=2)) == ["EINVAL seal"]


@pytest.mark.parametrize("name", ["alpha", "beta"])
def test_every_truncation_of_a_tree(name: str) -> None:
    answers = look_up(name, *(TREE[:n] for n in range(len(TREE))))
    assert {a.split()[0] for a in answers} == {"broken"}
