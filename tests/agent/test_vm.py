# SPDX-License-Identifier: Apache-2.0
"""The agent on real kernels, in plain QEMU."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from qualify.agent import (
    Fill,
    Finalise,
    Load,
    LoadKind,
    Plan,
    PlanFile,
    PlanRegion,
    PlanSession,
    Record,
    blobs,
    contents,
    contents_hash,
    ktap,
    region_parts,
)
from tests.agent.machines import boot, kernel, need_vm

pytestmark = [pytest.mark.vm, pytest.mark.slow]

RESERVE = "reserve_mem=4M:4K:alpha reserve_mem=1M:4K:beta"
FILES = (
    PlanFile(0, 0x1A, 4 << 20, 0x1234ABCD),
    PlanFile(0, 0x1B, 1 << 20, 5, create=2, holes=((4096, 8192), (65536, 131072))),
    PlanFile(0, 0x1C, 300_001, 6, create=2, seals=0x6),
    PlanFile(3, 1, 65536, 7, create=3, position=4242),
    PlanFile(3, 2, 2 << 20, 8, order=4),
    PlanFile(3, 3, 2 << 20, 9, create=4, hugetlb=2 << 20),
)
REGIONS = (PlanRegion(0, "alpha", 4 << 20, 11), PlanRegion(1, "beta", 1 << 20, 12, Fill.EDGES))
SESSIONS = (PlanSession(0, "qual"), PlanSession(3, "b % ä"))
HUGE = 3  # the token of the file that no kernel here takes


def only(records: list[Record], kind: str, **fields: Any) -> dict[str, Any]:
    (found,) = (r for r in records if r.kind == kind and all(r.fields.get(k) == v for k, v in fields.items()))
    return dict(found.fields)


def pair(tmp_path: Path, release: str, finalise: Finalise = Finalise.NEVER) -> tuple[list[Record], list[Record]]:
    need_vm()
    image = kernel(release)
    cmdline = f"console=ttyS0 panic=-1 kho=on liveupdate=on {RESERVE} qualify.stage=target"
    load = Load("/target/bzImage", cmdline, initrd="/target/initrd")
    plan = Plan(SESSIONS, FILES, REGIONS, finalise, load, blobs=True)
    source, target = boot(tmp_path, image, plan, "source", target=image, extra=RESERVE)
    for records, stage in ((source, "source"), (target, "target")):
        hello = only(records, "hello")
        assert (hello["stage"], hello["release"], hello["machine"]) == (stage, release, "x86_64")
        assert not [r for r in records if r.kind == "fail"]
    assert source[-1].kind == "jump"
    assert only(source, "load")["errno"] == ""
    # what a target without KHO could not look up goes along on its command line
    places = [f"qualify.region{r.id}={only(source, 'source-region', id=r.id)['address']}" for r in REGIONS]
    assert only(target, "hello")["cmdline"] == " ".join([cmdline, *places])
    assert ktap(source + target).startswith("KTAP version 1\n1..2\n")
    check_regions(source, target)
    return source, target


def check_regions(source: list[Record], target: list[Record]) -> None:
    for region in REGIONS:
        before, after = only(source, "source-region", id=region.id), only(target, "target-region", id=region.id)
        assert (before["found"], before["written"], before["errno"]) == (True, True, "")
        assert (after["in"], after["readable"], after["bad"], after["first_bad"]) == (True, True, 0, -1)
        assert (after["in_address"], after["in_size"]) == (before["address"], region.size)
        parts = region_parts(region.size, edges=region.fill is Fill.EDGES)
        expected = contents_hash([contents(region.seed, *part) for part in parts])
        assert after["expected"] == after["seen"] == expected


def check_files(source: list[Record], target: list[Record]) -> None:
    assert only(source, "open")["errno"] == only(target, "open")["errno"] == ""
    for session in SESSIONS:
        assert only(source, "create-session", id=session.id)["errno"] == ""
        assert only(target, "retrieve-session", id=session.id)["errno"] == ""
        assert only(target, "finish", session=session.id)["errno"] == ""
    for file in FILES:
        before = only(source, "preserve", session=file.session, token=f"{file.token:#x}")
        after = only(target, "retrieve", session=file.session, token=f"{file.token:#x}")
        assert (before["made"], before["step"]) == ("", "")
        if (file.session, file.token) == (3, HUGE):
            assert before["errno"] == after["errno"] == after["again"] == "ENOENT"
            continue
        assert before["errno"] == after["errno"] == ""
        assert (before["size"], before["position"]) == (after["size"], after["position"]) == (file.size, file.position)
        assert before["seals"] == (file.seals if file.create & 2 or file.create == 3 else 1)  # 1: no sealing allowed
        assert (after["bad"], after["first_bad"]) == (0, -1)
        expected = contents_hash([contents(file.seed, 0, file.size, file.holes)])
        assert after["expected"] == after["seen"] == expected


def test_7_1_to_itself(tmp_path: Path) -> None:
    source, target = pair(tmp_path, "7.1.13")
    check_files(source, target)
    assert only(target, "retrieve", token="0x1c")["seals"] == 0x6
    assert only(source, "system")["finalize"] is False
    out, into = blobs(source), blobs(target)
    assert out.missing == into.missing == {}
    assert into["in/sub_fdts/LUO"] == out["out/sub_fdts/LUO"]
    assert into["in/sub_fdts/memblock"] == out["out/sub_fdts/memblock"]


def test_6_18_to_itself(tmp_path: Path) -> None:
    source, target = pair(tmp_path, "6.18.15", Finalise.BEFORE_LOAD)
    assert only(source, "finalise") == {"when": "before-load", "errno": "", "existed": True}
    system = only(source, "system")
    assert (system["device"], system["out"], system["finalize"]) == (False, [], True)
    assert [r.fields.get("again") for r in source if r.kind == "open"] == [None, True]
    assert only(target, "retrieve-session", id=0)["errno"] == "ENOENT"
    assert blobs(target)["in/fdt"] == blobs(source)["out/fdt"]


def test_6_19_to_itself(tmp_path: Path) -> None:
    source, target = pair(tmp_path, "6.19.11")
    check_files(source, target)
    assert only(target, "retrieve", token="0x1c")["seals"] == 1, "6.19 does not carry seals"


def test_crash_kernel(tmp_path: Path) -> None:
    need_vm()
    image = kernel("7.1.13")
    cmdline = "console=ttyS0 panic=-1 kho=on liveupdate=on qualify.stage=target"
    load = Load("/target/bzImage", cmdline, initrd="/target/initrd", kind=LoadKind.CRASH)
    plan = Plan(SESSIONS, FILES[:1], finalise=Finalise.AFTER_LOAD, load=load)
    # the default scratch is twice what was reserved early, the crash kernel's share included: no room for it
    extra = "crashkernel=256M kho_scratch=32M,64M,64M"
    source, target = boot(tmp_path, image, plan, "source", target=image, extra=extra)
    assert only(source, "preserve")["errno"] == ""
    assert [r.kind for r in source[-3:]] == ["load", "finalise", "jump"]
    assert only(source, "finalise") == {"when": "after-load", "errno": "ENOENT", "existed": False}
    assert only(target, "system")["in_fdt"] is False, "a crash image is given no handover"


def test_a_target_that_boots_cold(tmp_path: Path) -> None:
    need_vm()
    (records,) = boot(tmp_path, kernel("7.1.13"), Plan(SESSIONS, FILES, REGIONS), "target", extra=RESERVE)
    assert only(records, "retrieve-session", id=0)["errno"] == "ENOENT"
    region = only(records, "target-region", id=0)
    assert (region["in"], region["out"], region["readable"], region["bad"]) == (False, True, False, -1)
    assert not [r for r in records if r.kind == "finish"]


def test_probe(tmp_path: Path) -> None:
    need_vm()
    (records,) = boot(tmp_path, kernel("7.3.4"), Plan(SESSIONS, FILES, REGIONS), "probe", extra=RESERVE)
    answers = {(r.fields["fd"], r.fields["nr"]): r.fields["errno"] for r in records if r.kind == "ioctl"}
    known = {key for key, errno in answers.items() if errno == "EFAULT"}
    assert known == {("device", f"{n:#x}") for n in (0xBA00, 0xBA01)} | {
        ("session-out", f"{n:#x}") for n in (0xBA40, 0xBA41, 0xBA42, 0xBA43)
    }
    assert {answers[key] for key in answers.keys() - known} == {"EINVAL"}
    handlers = {r.fields["type"]: r.fields["errno"] for r in records if r.kind == "handler"}
    assert handlers == {"memfd": "", "hugetlb": "ENOENT", "tmpfs": "ENOENT", "eventfd": "ENOENT", "null": "ENOENT"}
    found = blobs(records)
    assert found.missing == {}
    assert b"CONFIG_LIVEUPDATE=y" in gzip.decompress(found["config.gz"])
    assert b"kho-v4" in found["out@boot/fdt"]
    assert b"luo-v5" in found["out/sub_fdts/LUO"]


@pytest.mark.parametrize(
    ("stage", "what"),
    [("nothing", "qualify.stage=nothing on the command line"), ("source", "cannot open /target/bzImage")],
)
def test_trouble_of_the_agents_own(stage: str, what: str, tmp_path: Path) -> None:
    need_vm()
    (records,) = boot(tmp_path, kernel("7.1.13"), Plan(load=Load("/target/bzImage", "x")), stage)
    assert only(records, "fail")["what"].startswith(what)
    assert records[-1].kind == "end"
