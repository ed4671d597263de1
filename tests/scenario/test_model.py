# SPDX-License-Identifier: Apache-2.0
"""Sizes, ids, digests and seals: what the model computes from what a file says."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from qualify.scenario import Flb, Folio, KhoTest, Memfd, ReserveMem, Scenario, Session


def scenario(**changes: object) -> Scenario:
    plain: dict[str, object] = {
        "id": "s",
        "title": "t",
        "purpose": "p",
        "objects": [{"kind": "reserve-mem", "name": "a", "size": "4KiB", "at": 0x1000}],
    }
    return Scenario.model_validate(plain | changes)


def memfd(**changes: object) -> Memfd:
    return Memfd.model_validate({"token": 1, "size": 4096, "at": 0x1000} | changes)


@pytest.mark.parametrize(
    ("written", "size"),
    [
        (0, 0),
        (4096, 4096),
        ("4096", 4096),
        ("4096B", 4096),
        ("4KiB", 4096),
        ("4 KiB", 4096),
        ("3MiB", 3 << 20),
        ("2GiB", 2 << 30),
        ("1TiB", 1 << 40),
        ("0x31777000", 0x31777000),
        ("0xFF", 255),
    ],
)
def test_sizes_are_read_with_units(written: object, size: int) -> None:
    assert memfd(size=written).size == size


@pytest.mark.parametrize("written", ["4K", "4kib", "-1", "1.5MiB", "", "0x", "four", "4KiBB", " 4KiB"])
def test_a_size_without_a_known_unit_is_refused(written: str) -> None:
    with pytest.raises(ValidationError, match="expected a number of bytes such as 4096, 0x1000, 4KiB or 1GiB"):
        memfd(size=written)


@pytest.mark.parametrize("written", [-1, 1 << 52, "4096TiB"])
def test_a_size_must_be_an_address_that_exists(written: object) -> None:
    with pytest.raises(ValidationError):
        memfd(size=written)


def test_tokens_use_all_64_bits() -> None:
    assert memfd(token=(1 << 64) - 1).token == (1 << 64) - 1
    with pytest.raises(ValidationError):
        memfd(token=1 << 64)


def test_object_ids_name_runs_and_put_files_after_their_session() -> None:
    objects = [
        {"kind": "session", "name": "vm", "count": 3, "files": [{"token": 0x1A, "size": 1, "at": 0}]},
        {"kind": "session", "name": "one", "files": [{"token": 1, "count": 127, "size": 1, "at": 0}]},
        {"kind": "flb", "name": "f", "data": 1},
        {"kind": "kexec-metadata"},
        {"kind": "kho-test", "folios": [{"at": 0}]},
    ]
    assert scenario(objects=objects).object_ids == (
        "session/vm-0..2",
        "memfd/vm-0..2/0x1a",
        "session/one",
        "memfd/one/0x1..0x7f",
        "flb/f",
        "kexec-metadata",
        "kho_test",
    )


def test_two_objects_of_one_name_are_refused() -> None:
    region = {"kind": "reserve-mem", "name": "a", "size": 4096, "at": 0x1000}
    with pytest.raises(ValidationError, match="objects must have different names; twice: reserve_mem/a"):
        scenario(objects=[region, region | {"at": 0x2000}])


def test_session_names_follow_the_run() -> None:
    assert Session(kind="session", name="a").names() == ("a",)
    assert Session(kind="session", name="a", count=3).names() == ("a-0", "a-1", "a-2")


@pytest.mark.parametrize(
    ("changes", "mask"),
    [
        ({}, 0x1),  # made without MFD_ALLOW_SEALING
        ({"allow_sealing": False}, 0x1),
        ({"allow_sealing": True}, 0x0),
        ({"seals": ["shrink", "grow"]}, 0x6),
        ({"seals": ["seal", "write", "write"]}, 0x9),
        ({"seals": ["exec"]}, 0x3E),  # W^X
        ({"noexec_seal": True}, 0x20),
        ({"noexec_seal": True, "seals": ["grow"]}, 0x24),
    ],
)
def test_seals_are_what_the_kernel_answers(changes: dict[str, object], mask: int) -> None:
    assert memfd(**changes).seal_mask == mask


def test_the_digest_ignores_words_and_nothing_else() -> None:
    base = scenario()
    assert scenario(title="other", purpose="other", tags=["x"]).digest == base.digest
    changes: list[dict[str, object]] = [
        {"id": "other"},
        {"seed": 2},
        {"host": {"ram": "2GiB"}},
        {"source": {"kho": False}},
        {"target": {"page_size": 65536}},
        {"placement": {"neighbours": "zero"}},
        {"objects": [{"kind": "reserve-mem", "name": "a", "size": "4KiB", "at": 0x2000}]},
    ]
    digests = {scenario(**change).digest for change in changes}
    assert len(digests) == len(changes)
    assert base.digest not in digests


def test_touched_bytes_count_contents_once_per_file() -> None:
    objects = [
        {"kind": "reserve-mem", "name": "full", "size": "1MiB", "at": "16MiB"},
        {"kind": "reserve-mem", "name": "edges", "size": "1GiB", "at": "4GiB", "fill": "edges"},
        {"kind": "reserve-mem", "name": "small", "size": "8KiB", "at": "8GiB", "fill": "edges"},
        {"kind": "session", "name": "s", "count": 2, "files": [{"token": 1, "count": 3, "size": 1000, "at": 0}]},
        {"kind": "kho-test", "folios": [{"at": 0, "order": 2}]},
    ]
    expected = (1 << 20) + (128 << 10) + 8192 + 2 * 3 * 1000 + 4 * 4096
    assert scenario(objects=objects).touched_bytes == expected


def test_a_run_of_folios_stands_for_as_many() -> None:
    run = KhoTest.model_validate(
        {"kind": "kho-test", "folios": [{"at": 0}, {"at": "1MiB", "order": 1, "count": 3, "stride": "16MiB"}]}
    )
    assert run.folios == (
        Folio(at=0),
        Folio(at=1 << 20, order=1),
        Folio(at=17 << 20, order=1),
        Folio(at=33 << 20, order=1),
    )
    assert run == KhoTest(kind="kho-test", folios=run.folios)


def test_components_are_those_of_the_schema() -> None:
    components = {
        ReserveMem(kind="reserve-mem", name="a", size=4096, at=0).component,
        memfd().component,
        Session(kind="session", name="a").component,
        Flb(kind="flb", name="a", data=1).component,
        KhoTest(kind="kho-test", folios=(Folio(at=0),)).component,
    }
    assert components == {"reserve-mem", "memfd", "luo-session", "luo-flb", "kho-test"}


def test_scenarios_are_immutable() -> None:
    with pytest.raises(ValidationError):
        scenario().seed = 5  # type: ignore[misc]


def test_room_for_the_kernels_own_pages_grows_with_the_number_of_folios() -> None:
    files = [{"token": 1, "count": 2, "size": "1GiB", "at": 0}, {"token": 9, "size": "4MiB", "at": 0, "order": 9}]
    several = scenario(objects=[{"kind": "session", "name": "s", "count": 3, "files": files}])
    assert scenario().own_pages_room == 16 << 20
    assert several.own_pages_room == (16 << 20) + 3 * (2 * (1 << 18) + 2) * 32 + (4 * 9 + 4 * 3) * 4096
