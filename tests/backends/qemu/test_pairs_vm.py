# SPDX-License-Identifier: Apache-2.0
"""Pairs of real kernels through the backend: what they answer, and that it is what was predicted.

QUALIFY_KERNELS names a folder with a folder for each kernel (docs/kernels.md); QEMU and a C compiler are needed too.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil
import pytest
from typer.testing import Result

from qualify.backends import CellInput
from qualify.backends.qemu import QemuBackend
from qualify.backends.qemu.answers import Answers
from qualify.backends.qemu.images import target_initrd
from qualify.backends.qemu.projection import project
from qualify.compat import decide
from qualify.judge import judge
from qualify.kernels import find_kernels
from qualify.machine.vm import Boot, End, Machine, boot
from qualify.model import Consequence, Evidence, ObjectOutcome, Outcome, Verdict
from qualify.scenario import Host, Scenario, library
from qualify.schema import Meaning, load, match
from tests.agent.machines import need_vm
from tests.cli.conftest import cli  # noqa: F401

Cli = Callable[..., Result]
pytestmark = [pytest.mark.vm, pytest.mark.slow]

SCHEMA, LIBRARY = load(), library()
FILES = ("baseline", "memfd-position", "memfd-position-at-end", "memfd-sealed", "memfd-sparse")
REGION, SESSION, FILE = "reserve_mem/alpha", "session/qual", "memfd/qual/0x1a"
R, L, U, C, X = Verdict.RESTORED, Verdict.LOST, Verdict.UNSUPPORTED, Verdict.CORRUPT, Verdict.REFUSED
ALL_KERNELS = ("6.18.15", "6.19.11", "7.1.13", "7.1.13-drift", "7.1.13-nomemfd", "7.3.4")


def need(*labels: str) -> None:
    need_vm()
    known = find_kernels()
    for label in labels:
        if known.get(label) is None:
            pytest.skip(f"no kernel {label} in {os.environ['QUALIFY_KERNELS']}; see: qualify kernel add --help")


def cell(source: str, target: str, name: str) -> CellInput:
    return CellInput(SCHEMA, SCHEMA.release(source), SCHEMA.release(target), LIBRARY[name], 7)


def run(source: str, target: str, names: Sequence[str], workdir: Path) -> dict[str, Outcome]:
    """One boot; each cell's verdict, and each object's, is among the predicted ones."""
    need(source, target)
    cells = [cell(source, target, name) for name in names]
    backend = QemuBackend()
    assert [backend.unfit(c) for c in cells] == [""] * len(cells)
    assert len({backend.boot_key(c) for c in cells}) == 1
    seen = backend.run_together(cells, workdir)
    outcomes = {n: judge(o, Evidence.VM) for n, o in zip(names, seen, strict=True)}
    for one in cells:
        outcome, foreseen = outcomes[one.scenario.id], decide(SCHEMA, one.source, one.target, one.scenario)
        told = {o.object_id: (o.verdict, o.why) for o in outcome.objects}
        assert outcome.verdict in foreseen.verdicts, told
        for predicted in foreseen.objects:
            assert told[predicted.object_id][0] in predicted.verdicts, told
    left = {p.name for p in workdir.iterdir()}
    assert {"serial.log", "records.log", "machine.json", "results.ktap"} <= left
    assert not [name for name in left if name.startswith(".boot-")]
    return outcomes


def of(outcome: Outcome, object_id: str) -> ObjectOutcome:
    return next(o for o in outcome.objects if o.object_id == object_id)


def told(outcome: Outcome) -> list[Verdict]:
    return [o.verdict for o in outcome.objects]


# what the region, the session and the file of the baseline come to, and the other scenarios' files
PAIRS: dict[tuple[str, str], tuple[list[Verdict], Mapping[str, Verdict]]] = {
    ("6.18.15", "6.18.15"): ([R, U, U], dict.fromkeys(FILES[1:], U)),
    ("6.18.15", "6.19.11"): ([R, U, U], dict.fromkeys(FILES[1:], U)),
    ("6.19.11", "6.18.15"): ([R, L, L], dict.fromkeys(FILES[1:], L)),
    ("6.19.11", "7.1.13"): ([L, L, L], dict.fromkeys(FILES[1:], L)),
    ("7.1.13", "7.1.13"): ([R, R, R], dict.fromkeys(FILES[1:], R)),
    ("7.1.13", "7.1.13-drift"): ([R, R, C], {**dict.fromkeys(FILES[1:], C), "memfd-position-at-end": R}),
    ("7.1.13-drift", "7.1.13"): ([R, R, C], {**dict.fromkeys(FILES[1:], C), "memfd-position-at-end": R}),
    ("7.1.13-nomemfd", "7.1.13"): ([R, R, U], dict.fromkeys(FILES[1:], U)),
    ("7.3.4", "7.3.4"): ([R, R, R], dict.fromkeys(FILES[1:], R)),
}


@pytest.mark.parametrize(("source", "target"), [pytest.param(*p, id=" to ".join(p)) for p in PAIRS])
def test_a_pair(source: str, target: str, tmp_path: Path) -> None:
    baseline, files = PAIRS[source, target]
    outcomes = run(source, target, FILES, tmp_path)
    assert told(outcomes["baseline"]) == baseline
    assert {n: of(outcomes[n], FILE).verdict for n in files} == files
    region = of(outcomes["baseline"], REGION).observation
    if baseline[0] is R:  # not only that it is there: its address and its contents
        assert {p.name for p in region.properties} >= {"size", "address", "contents"}, region.notes
    assert not (tmp_path / "source-not-read.json").exists()
    assert not (tmp_path / "target-not-read.json").exists()


def test_drift_shows_in_the_size_and_only_there(tmp_path: Path) -> None:
    """The two words that were exchanged: what was the size is the position, and the other way round."""
    outcome = run("7.1.13", "7.1.13-drift", ["memfd-position"], tmp_path)["memfd-position"]
    seen = {p.name: (p.expected, p.observed) for p in of(outcome, FILE).observation.properties}
    assert (seen["size"], seen["position"]) == (("65536", "12345"), ("12345", "65536"))
    assert seen["contents"][1] == "not compared, the size differs"


def test_a_target_without_the_handler_opens_nothing(tmp_path: Path) -> None:
    outcome = run("7.1.13", "7.1.13-nomemfd", ["baseline"], tmp_path)["baseline"]
    assert told(outcome) == [R, X, X]
    for object_id in (SESSION, FILE):
        seen = of(outcome, object_id).observation
        assert (seen.interface.value, seen.errno) == ("open", "EIO")
        assert seen.consequences == {Consequence.NOT_RETRYABLE, Consequence.BLAST_RADIUS}
    assert any("No registered handler for compatible" in line for line in outcome.log)


@pytest.mark.parametrize("label", ["7.1.13", "7.3.4"])
def test_a_crash_kernel_is_given_nothing(label: str, tmp_path: Path) -> None:
    """The source panics on demand: no death of anybody, and a target without debugfs of KHO is no broken build."""
    outcome = run(label, label, ["operator-crash-kernel"], tmp_path)["operator-crash-kernel"]
    assert (outcome.detail, set(told(outcome))) == ("", {L})
    log = (tmp_path / "serial.log").read_text(errors="replace")
    assert "Attempted to kill init" in log
    assert log.count("Linux version") == 2


def cold(label: str, workdir: Path) -> tuple[Boot, Answers]:
    """A kernel by itself, with what a target of its own boots with."""
    need(label)
    kernel = find_kernels().get(label)
    assert kernel is not None
    asked = project([cell(label, label, "mixed-with-kho-test")], kernel.append, kernel.append)
    initrd = target_initrd(asked, workdir / "initrd")
    machine = Machine(kernel.image, initrd, f"{asked.target_append} qualify.stage=target", asked.memory)
    done = boot(machine, SCHEMA.messages, workdir)
    assert (done.ending.end, done.damage) == (End.FINISHED, ())
    return done, Answers.of(done.records)


@pytest.mark.parametrize("label", ALL_KERNELS)
def test_what_a_cold_boot_answers(label: str, tmp_path: Path) -> None:
    """LOST means: as here. So this is what LOST rests on."""
    done, answers = cold(label, tmp_path)
    release = SCHEMA.release(label)
    has_luo = SCHEMA.written(release, "luo") is not None
    side = answers.source  # one hello: there was no jump
    assert answers.target.hello is None
    assert [o["errno"] for o in side.opens] == ([""] if has_luo else ["ENOENT", "ENOENT"])
    assert {s["errno"] for s in side.sessions.values()} == {"ENOENT"}
    assert {s["named"] for s in side.sessions.values()} == {""}
    assert all(f["errno"] == "EBADF" and f["step"] == "session" for f in side.files.values())
    assert side.received == frozenset()
    assert not [b for b in side.blobs if b.startswith("in/")]
    assert all(not r["in"] and not r["readable"] for r in side.regions.values())
    means = {m.means for line in done.lines if line.seconds is not None for m in match(SCHEMA.messages, line.text)}
    for said in (
        Meaning.KHO_FOUND, Meaning.KHO_REFUSED, Meaning.REGION_REVIVED, Meaning.REGION_NOT_ALLOCATED,
        Meaning.METADATA_READ, Meaning.LUO_FOUND, Meaning.FLB_FOUND, Meaning.FLB_WRONG, Meaning.FLB_FAILED,
        Meaning.KHO_TEST_RESTORED, Meaning.KHO_TEST_FAILED, Meaning.PANIC, Meaning.OOPS, Meaning.WARNING,
    ):  # fmt: skip
        assert said not in means, said
    assert Meaning.BOOT_BANNER in means


def test_a_kernel_under_a_wrong_name_is_no_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """7.1.13 in a folder called 7.3.4: an error that says so, and no verdict."""
    need("7.1.13")
    original = find_kernels().get("7.1.13")
    assert original is not None
    folder = tmp_path / "kernels" / "7.3.4"
    folder.mkdir(parents=True)
    shutil.copyfile(original.image, folder / "bzImage")
    monkeypatch.setenv("QUALIFY_KERNELS", str(folder.parent))
    work = tmp_path / "work"
    work.mkdir()
    with pytest.raises(Exception, match=r"calls itself 7\.1\.13, and stands for release 7\.3\.4"):
        QemuBackend().run(cell("7.3.4", "7.3.4", "reserve-mem-page"), work)


def test_qemu_that_somebody_ends_is_no_reset_of_the_guest(tmp_path: Path) -> None:
    """The real one ends with exit status 0 on SIGTERM, as after a reset; it tells the difference over QMP only."""
    need("7.1.13")
    kernel = find_kernels().get("7.1.13")
    assert kernel is not None
    initrd = tmp_path / "initrd"
    initrd.write_bytes(b"")

    def end_it() -> None:
        log, deadline = tmp_path / "serial.log", time.monotonic() + 60
        while time.monotonic() < deadline and not (log.exists() and log.stat().st_size):
            time.sleep(0.1)
        for process in psutil.Process().children():
            if "qemu" in process.name():
                process.terminate()

    threading.Thread(target=end_it).start()
    done = boot(Machine(kernel.image, initrd, "console=ttyS0 panic=0", 1 << 28), SCHEMA.messages, tmp_path)
    assert done.ending.end is End.QEMU_DIED
    assert done.ending.detail.startswith("QEMU was ended from outside")


def test_probe_from_the_command_line(cli: Cli) -> None:  # noqa: F811
    need("7.3.4")
    result = cli("kernel", "probe", "7.3.4", "--json", "--kernels", os.environ["QUALIFY_KERNELS"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["label"] == "7.3.4"
    assert Path(found["recorded"]).is_file()
    shown = cli("kernel", "show", "7.3.4", "--kernels", os.environ["QUALIFY_KERNELS"])
    assert "probe: never" not in shown.stdout


def test_what_nobody_reserved_is_not_taken_for_preserved(tmp_path: Path) -> None:
    """6.19 without liveupdate=on hands over an empty map, 6.18 takes it: only luck leaves the region as it was."""
    outcome = run("6.19.11", "6.18.15", ["operator-source-without-liveupdate"], tmp_path)
    seen = of(outcome["operator-source-without-liveupdate"], REGION)
    assert seen.verdict is C
    assert "init_on_free=1" in " ".join(seen.observation.notes)
    assert "init_on_free=1" not in (tmp_path / "serial.log").read_text()
    assert "init_on_free=1" in (tmp_path / "cleared" / "serial.log").read_text()


def roomy(label: str, gib: int, name: str, tmp_path: Path) -> set[Verdict]:
    """What comes of a scenario on a host of so much RAM with the usual scratch: all of it is as predicted."""
    need(label)
    # not model_copy(), which takes the digest along
    plan = Scenario.model_validate(LIBRARY[name].model_dump() | {"id": "roomy", "host": Host(ram=gib << 30)})
    release = SCHEMA.release(label)
    outcome = judge(QemuBackend().run(CellInput(SCHEMA, release, release, plan, 7), tmp_path), Evidence.VM)
    foreseen = {o.object_id: o.verdicts for o in decide(SCHEMA, release, release, plan).objects}
    assert {o.object_id: {o.verdict} for o in outcome.objects} == foreseen
    return {outcome.verdict}


def test_scratch_without_room_for_the_struct_pages_is_a_silent_hang(tmp_path: Path) -> None:
    """16 GiB of RAM need 256 MiB of struct page, before the map is read. Told from a slow boot by the control run."""
    assert roomy("7.1.13", 16, "baseline", tmp_path) == {Verdict.PANIC}
    assert (tmp_path / "control" / "serial.log").stat().st_size


def test_scratch_that_is_extended_has_room_for_them(tmp_path: Path) -> None:
    assert roomy("7.3.4", 16, "baseline", tmp_path) == {R}


@pytest.mark.parametrize(("label", "verdict"), [("7.1.13", X), ("7.3.4", L)])
def test_a_fresh_region_on_a_larger_host(label: str, verdict: Verdict, tmp_path: Path) -> None:
    assert roomy(label, 4, "reserve-mem-no-room", tmp_path) == {verdict}
