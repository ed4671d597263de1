# SPDX-License-Identifier: Apache-2.0
"""What is concluded from a probe, on the bytes that real kernels wrote (tests/vectors/golden)."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from qualify.kernels.cuttree import read_cut
from qualify.kernels.interpret import ProbeReport, interpret
from qualify.kernels.probe import Ioctl, facts_of
from tests.kernels.captured import CONFIG, blobs_of, records
from tests.wire.golden import schema

OLD = "CONFIG_KEXEC_HANDOVER=y\nCONFIG_TEST_KEXEC_HANDOVER=y\n"
LUO = f"{OLD}CONFIG_LIVEUPDATE=y\n"
NO_MEMFD = CONFIG.replace("CONFIG_LIVEUPDATE_MEMFD=y", "# CONFIG_LIVEUPDATE_MEMFD is not set")


def probed(capture: str, registered: str = "", **more: Any) -> ProbeReport:
    return interpret(facts_of(records(capture, **more)), schema(), registered or capture)


@pytest.mark.parametrize(
    ("capture", "config", "matches"),
    [
        ("6.18.15", OLD, ("6.18.15",)),
        ("6.19.11", LUO, ("6.19.11", "6.19.8")),  # these differ in what they do, not in what they write
        ("7.1.13", CONFIG, ("7.1.13", "7.1.13-drift", "7.1.3")),
        ("7.3.4", CONFIG, ("7.3.4", "7.2.13")),
        ("7.3.4-many", CONFIG, ("7.3.4", "7.2.13")),  # without reserve_mem= nobody expects regions
    ],
)
def test_real_bytes_match_their_release(capture: str, config: str, matches: tuple[str, ...]) -> None:
    report = probed(capture, capture.removesuffix("-many"), config=config)
    assert report.matches == matches
    assert (report.agrees, report.differences, report.facts.troubles) == (True, (), ())
    assert report.kho.on
    assert report.luo.on == (capture != "6.18.15")
    # without its config too, except where only the config tells
    assert set(matches) <= set(probed(capture, config="").matches)


def test_a_configuration_is_another_release() -> None:
    report = probed("7.1.13", "7.1.13-nomemfd", config=NO_MEMFD, memfd="ENOENT")
    assert (report.matches, report.agrees) == (("7.1.13-nomemfd",), True)
    report = probed("7.1.13", "7.1.13", config=NO_MEMFD, memfd="ENOENT")
    assert report.agrees is False
    assert [str(d) for d in report.differences] == [
        "memfd: config: expected LIVEUPDATE_MEMFD=y, seen LIVEUPDATE_MEMFD=n"
    ]


def test_a_handler_that_is_not_there_tells_without_a_config() -> None:
    report = probed("7.1.13", config="", memfd="ENOENT")
    assert [str(d) for d in report.differences] == ["memfd: handler: expected taken, seen ENOENT"]
    assert "7.1.13" not in report.matches


def test_formats_under_one_string_are_told_apart_by_their_nodes() -> None:
    report = probed("7.1.13", "6.19.11", config="")
    assert "luo: bytes: expected luo-v1 ('luo-v1'), seen 'luo-v1' with properties liveupdate-number and nodes " \
           "luo-flb, luo-session" in map(str, report.differences)  # fmt: skip
    assert report.sights["luo"].fits == ("luo-v1-flb",)
    # kho_test's property is 16 bytes long, which is a struct kho_vmalloc and not as many numbers as it counts
    assert probed("6.18.15", config="").sights["kho-test"].fits == ("kho-test-v1-vmalloc",)


def test_what_a_probe_cannot_see_is_assumed() -> None:
    report = probed("7.1.13")
    assert report.assumed["memfd"] == ("struct memfd_luo_folio_ser", "struct memfd_luo_ser", "string 'memfd-v2'")
    assert report.assumed["luo-session"] == ("container (array of luo_session_ser)",)
    assert "memory map (radix-tree)" in report.assumed["kho"]
    assert "reserve-mem" not in report.assumed
    # two bitmap sizes under one string
    assert "that it is not kho-v1-b512, which looks alike" in probed("6.18.15", config=OLD).assumed["kho"]


def test_a_string_that_the_schema_does_not_know_is_a_finding() -> None:
    root = blobs_of("7.1.13")["out/fdt"].replace(b"kho-v3", b"kho-v9")
    report = probed("7.1.13", changed={"out/fdt": root})
    assert (report.agrees, report.matches) == (False, ())
    (difference,) = report.differences
    assert (difference.component, difference.expected) == ("kho", "kho-v3 ('kho-v3')")
    assert difference.seen.startswith("'kho-v9' with ")
    assert report.nearest is not None
    assert report.nearest[0] in ("7.1.13", "7.1.13-drift", "7.1.3")


def test_a_struct_of_another_version_or_size_is_a_finding() -> None:
    metadata = bytearray(blobs_of("7.3.4")["out/sub_fdts/kexec-metadata"])
    metadata[0] = 9
    report = probed("7.3.4", changed={"out/sub_fdts/kexec-metadata": bytes(metadata)})
    assert [d.component for d in report.differences] == ["kexec-metadata"]
    report = probed("7.3.4", changed={"out/sub_fdts/LUO": b"luo-v5\0\0"})
    assert [(d.component, d.seen) for d in report.differences] == [("luo", "8 bytes that are no FDT")]
    report = probed("7.3.4", changed={"out/sub_fdts/LUO": b"luo-v6\0\0" + bytes(24)})
    assert [d.component for d in report.differences] == ["luo"]


def test_a_file_of_debugfs_tells_releases_apart() -> None:
    report = probed("7.1.13", finalize=True)
    assert [str(d) for d in report.differences] == ["kho: out/finalize: expected not there, seen there"]


def test_a_kernel_with_kho_off_matches_nothing() -> None:
    told = [r for r in records("7.1.13", kho=False, device=False) if r["k"] not in ("blob", "handler", "ioctl", "open")]
    report = interpret(facts_of(told), schema(), "7.1.13", {"KEXEC_HANDOVER": "y", "LIVEUPDATE": "y"})
    assert report.matches == ()
    assert (report.kho.present, report.kho.on, report.luo.present, report.luo.on) == (True, False, True, False)
    assert any(d.what == "debugfs" for d in report.differences)
    assert report.agrees is False


def test_a_release_that_the_schema_does_not_have() -> None:
    report = probed("7.1.13", "ours")
    assert (report.known, report.agrees) == (False, None)
    assert report.matches == ("7.1.13", "7.1.13-drift", "7.1.3")


def test_what_is_recorded_is_json_with_everything_decoded() -> None:
    plain = json.loads(json.dumps(probed("7.3.4").to_json()))
    assert plain["matches"] == ["7.3.4", "7.2.13"]
    luo = plain["blobs"]["out/sub_fdts/LUO"]
    assert (luo["size"], luo["struct"], luo["members"]["compatible"]) == (32, "luo_ser", "luo-v5")
    root = plain["blobs"]["out/fdt"]["tree"]
    assert root["properties"]["compatible"] == "'kho-v4'"
    assert {n["name"] for n in root["nodes"]} == {"LUO", "kexec-metadata", "kho_test", "memblock"}
    assert plain["handlers"]["hugetlb"] == {"registered": False, "errno": "ENOENT"}
    assert plain["ioctls"][0]["known"] is True
    assert plain["config"]["LIVEUPDATE"] == "y"


@pytest.mark.parametrize(("errno", "known"), [("", True), ("EFAULT", True), ("EINVAL", False), ("ENOTTY", False)])
def test_what_an_answer_says_about_an_ioctl(errno: str, known: bool) -> None:
    assert Ioctl("SESSION_GET_NAME", "0xba43", errno).known == known


def test_records_that_are_cut_off_are_no_yes() -> None:
    whole = records("7.1.13")
    report = interpret(facts_of(whole[:-1]), schema(), "7.1.13")
    assert (report.agrees, report.facts.troubles) == (None, ("the records end before the probe did",))
    last = next(i for i in reversed(range(len(whole))) if whole[i].get("name") == "out/fdt")
    report = interpret(facts_of(whole[:last] + whole[last + 1 :]), schema(), "7.1.13")
    assert report.facts.troubles == ("blob out/fdt: 300 of 405 bytes came",)
    assert report.agrees is None, "what came fits, but not all of it came"


@pytest.mark.parametrize(
    ("parts", "trouble"),
    [
        ([(0, b"abc"), (3, b"def")], ""),
        ([(3, b"def"), (0, b"abc")], ""),
        ([(0, b"abc")], "blob x: 3 of 6 bytes came"),
        ([(0, b"abc"), (4, b"ef")], "blob x: bytes 3 to 4 are missing"),
    ],
)
def test_blobs_are_put_together(parts: list[tuple[int, bytes]], trouble: str) -> None:
    told = [
        {"k": "blob", "name": "x", "size": 6, "offset": at, "data": base64.b64encode(d).decode()} for at, d in parts
    ]
    facts = facts_of([*told, {"k": "end"}])
    assert facts.troubles == ((trouble,) if trouble else ())
    if not trouble:
        assert facts.blobs == {"x": b"abcdef"}


def test_what_is_no_base64_and_no_gzip_is_told() -> None:
    bad = {"k": "blob", "name": "x", "size": 3, "offset": 0, "data": "???"}
    gz = {"k": "blob", "name": "config.gz", "size": 3, "offset": 0, "data": base64.b64encode(b"abc").decode()}
    fail = {"k": "fail", "what": "plan line 3", "errno": "EIO"}
    assert facts_of([bad, gz, fail, {"k": "end"}]).troubles == (
        "the agent could not go on: plan line 3 EIO",
        "blob x: what stands at 0 is not base64",
        "/proc/config.gz does not unpack: Error -3 while decompressing data: incorrect header check",
    )


RECORDED = Path(__file__).parents[1] / "vectors" / "probe"


@pytest.mark.parametrize(
    ("kernel", "matches"),
    [
        ("6.18.15", ("6.18.15",)),
        ("6.19.11", ("6.19.11", "6.19.8")),
        ("7.1.13", ("7.1.13", "7.1.13-drift", "7.1.3")),
        ("7.1.13-nomemfd", ("7.1.13-nomemfd",)),
        ("7.3.4", ("7.3.4", "7.2.13")),
    ],
)
def test_what_booted_kernels_answered(kernel: str, matches: tuple[str, ...]) -> None:
    told = [json.loads(line.split(" ", 3)[3]) for line in (RECORDED / f"{kernel}.txt").read_text().splitlines()]
    report = interpret(facts_of(told), schema(), kernel)
    assert (report.differences, report.matches, report.agrees) == ((), matches, True)
    assert (report.kho.on, report.luo.on) == (True, kernel != "6.18.15")
    assert report.facts.release == kernel
    handlers = {h.type for h in report.facts.handlers if h.registered}
    assert handlers == (set() if kernel in ("6.18.15", "7.1.13-nomemfd") else {"memfd"})
    known = {i.name for i in report.facts.ioctls if i.known}
    assert ("GET_NAME" in known) == (kernel == "7.3.4")
    root = report.blobs["out/fdt"]
    assert ("cut" in root) == (kernel != "6.18.15"), "debugfs cuts the root off from 6.19 on"
    assert all("tree" in b or "struct" in b for name, b in report.blobs.items() if not name.endswith("/fdt"))


def test_the_beginning_of_a_tree_tells_strings_and_nodes() -> None:
    whole = blobs_of("7.1.13")["out/fdt"]
    cut = read_cut(whole[:233])
    assert cut is not None
    assert (cut.total, cut.seen, cut.compatible) == (405, 233, "kho-v3")
    assert {len(n.values) for n in cut.nodes} == {2}
    assert read_cut(whole) is None
    assert read_cut(whole[:60]) is None
    for end in range(len(whole)):
        read_cut(whole[:end])  # no end makes it stumble
    for at in range(len(whole)):
        read_cut((whole[:at] + b"\xff" + whole[at + 1 :])[:233])
