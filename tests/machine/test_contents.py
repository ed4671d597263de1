# SPDX-License-Identifier: Apache-2.0
"""Contents against what was found: digests are those of all the bytes, however little of it has to be hashed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qualify.machine import contents as module
from qualify.machine.contents import WINDOW, Contents, compare_digests, in_windows
from qualify.wire.memory import Array
from tests.machine.bench import ALPHA, Written, of, prop, scenario, trip, verdict

SIZE = 2 * WINDOW + 5000


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def whole(contents: Contents) -> bytes:
    return b"".join(contents.window(start, size).tobytes() for start, size in in_windows(contents.size))


class Reader:
    """Gives bytes in pieces of `step`, and counts how often it was asked."""

    def __init__(self, data: bytes, step: int) -> None:
        self._data = np.frombuffer(data, dtype=np.uint8)
        self._step = step
        self.reads = 0

    def __call__(self, start: int, size: int) -> Iterator[Array]:
        self.reads += 1
        for at in range(start, start + size, self._step):
            yield self._data[at : min(at + self._step, start + size)]


@given(st.integers(0, SIZE), st.none() | st.integers(0, SIZE - 1), st.sampled_from([4096, 65536, 1 << 20]))
@example(SIZE, SIZE - 1, 4096)  # the last byte, behind the last whole word
@example(SIZE, 0, 65536)
@example(0, None, 4096)
def test_digests_are_those_of_the_bytes(size: int, flipped: int | None, step: int) -> None:
    """Whether or not the expected one is known already."""
    expected = Contents(7, size, ((4096, 4096),) if size > 8192 else ())
    data = bytearray(whole(expected))
    assert len(data) == size
    if flipped is not None and flipped < size:
        data[flipped] ^= 0x10
    module._KNOWN.clear()
    for _ in range(2):
        found = compare_digests(expected, in_windows(size), Reader(bytes(data), step))
        assert found == (sha256(whole(expected)), sha256(bytes(data)))
    assert expected.digest() == sha256(whole(expected))


def test_parts() -> None:
    expected = Contents(3, SIZE)
    parts = ((0, 4096), (SIZE - 5000, 5000))
    data = whole(expected)
    wanted = sha256(data[:4096] + data[-5000:])
    assert compare_digests(expected, parts, Reader(data, 4096)) == (wanted, wanted)
    assert expected.digest(parts) == wanted


def test_what_is_known_is_not_hashed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Comparing is enough; what differs is hashed all the same."""
    expected, parts = Contents(11, SIZE), in_windows(SIZE)
    data = whole(expected)
    first = compare_digests(expected, parts, Reader(data, 65536))
    hashed: list[int] = []
    plain = hashlib.sha256

    def counted() -> object:
        hashed.append(1)
        return plain()

    monkeypatch.setattr(hashlib, "sha256", counted)
    assert compare_digests(expected, parts, Reader(data, 65536)) == first
    assert not hashed
    assert compare_digests(expected, parts, Reader(data[:-1] + b"\0", 65536))[1] != first[0]
    assert hashed


def test_what_is_known_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_KNOWN", 3)
    module._KNOWN.clear()
    digests = [Contents(seed, 100).digest() for seed in range(5)]
    assert list(module._KNOWN.values()) == digests[2:]


@given(st.integers(1, 40_000), st.integers(0, 30_000), st.integers(1, 12_288))
def test_windows_may_start_anywhere(size: int, start: int, length: int) -> None:
    expected = Contents(77, size, ((4096, 4096),) if size > 8192 else ())
    start = min(start, size - 1)
    assert expected.window(start, length).tobytes() == whole(expected)[start : start + length]


def test_a_region_of_another_size() -> None:
    """The target asks for twice as much, and the tree says that it is there; but that was not preserved."""
    plan = scenario(ALPHA.model_copy(update={"target_size": 2 * ALPHA.size}))

    def edit(written: Written) -> None:
        start = written.find(ALPHA.at.to_bytes(8, "little"))
        written.put(start + 8 + 12, 2 * ALPHA.size)  # behind the head of the next property

    seen = trip("7.3.4", "7.3.4", plan, edit=edit)
    assert verdict(seen, ALPHA.object_id) == "CORRUPT"
    assert prop(seen, ALPHA.object_id, "contents") == "not compared, the size differs"
    assert {p.name for p in of(seen, ALPHA.object_id).observation.properties} == {"size", "address", "contents"}
