# SPDX-License-Identifier: Apache-2.0
"""Pairs of real kernels as a backend."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from qualify.agent import agent_binary, blobs, ktap
from qualify.backends.protocol import CellInput, Needs
from qualify.backends.qemu.answers import Answers
from qualify.backends.qemu.expressible import asks_otherwise, is_usual, unfit_scenario
from qualify.backends.qemu.images import source_initrd
from qualify.backends.qemu.log import KernelLog
from qualify.backends.qemu.lucky import has_lost_root, is_given, noted
from qualify.backends.qemu.observe import Seen, observe
from qualify.backends.qemu.outcome import Control, blame, check_harness, check_made, check_release, is_suspect
from qualify.backends.qemu.projection import CLEARING, Asked, project
from qualify.errors import HarnessError, InputError
from qualify.kernels import KernelFolder, Registry, find_kernels, read_image
from qualify.machine.vm import Boot, End, Machine, accelerator, boot, find_qemu, qemu_version
from qualify.model import Evidence, MachineObservation
from qualify.scenario import MOST_REGIONS, ReserveMem, Session
from qualify.schema import Meaning, Release

__all__ = ["QemuBackend"]

_MOST_SESSIONS, _MOST_BYTES = 200, 64 << 20  # of one shared boot
_OWN = 320 << 20  # bytes of host memory that QEMU and a small guest take
_MOST_CLEARED = 4 << 30  # bytes of RAM that a guest may touch altogether
_CLEARED = (
    "the target could not read the root FDT any more, so nobody had reserved it; booted again with init_on_free=1, "
    "which clears what nobody reserved"
)
_BLOB = re.compile(r"(?:in|out)/(?:fdt|sub_fdts/(?!\.)[\w.+~-]{1,200})", re.ASCII)  # a KHO subtree is named by its user


class QemuBackend:
    """Boots the source in QEMU, preserves, kexecs into the target and looks there."""

    name = "qemu"
    evidence = Evidence.VM
    shareable = False  # equal fingerprints are a claim of the schema, which real kernels are here to check

    def __init__(self) -> None:
        self._registry: Registry | None = None
        self._unusable: str | None = None
        self._controls: dict[tuple[str, str, str, int], Control] = {}

    def inputs(self, cell: CellInput) -> tuple[str, ...]:
        """The images, and what is appended to their command lines."""
        pair = [self._kernel(cell.source.label), self._kernel(cell.target.label)]
        return tuple(part for k in pair if k is not None for part in (k.digest, k.append))

    def inexpressible(self, cell: CellInput) -> str:
        return unfit_scenario(cell)

    def unfit(self, cell: CellInput) -> str:
        for release in (cell.source, cell.target):
            if self._kernel(release.label) is None:
                return f"there is no kernel for release {release.label}; see: qualify kernel list"
        return self._tools() or unfit_scenario(cell)

    def boot_key(self, cell: CellInput) -> str:
        if not is_usual(cell):
            return ""
        scenario = cell.scenario
        actions = [scenario.source.model_dump(mode="json"), scenario.target.model_dump(mode="json")]
        return json.dumps([*actions, asks_otherwise(cell)])  # a fresh region warns; nobody else shall hear that

    def fits(self, cells: Sequence[CellInput], cell: CellInput) -> bool:
        scenarios = [c.scenario for c in (*cells, cell)]
        things = [o for s in scenarios for o in s.objects]
        regions = sum(isinstance(o, ReserveMem) for o in things)
        sessions = sum(o.count for o in things if isinstance(o, Session))
        touched = sum(s.touched_bytes for s in scenarios)
        return regions <= MOST_REGIONS and sessions <= _MOST_SESSIONS and touched <= _MOST_BYTES

    def needs(self, cells: Sequence[CellInput]) -> Needs:
        ram = max(c.scenario.host.ram for c in cells)
        touched = sum(c.scenario.touched_bytes for c in cells)
        pages = max(c.scenario.struct_pages for c in cells)
        return Needs(cores=1, memory=min(ram, _OWN + pages + 3 * touched) + _OWN)

    def run(self, cell: CellInput, workdir: Path) -> MachineObservation:
        """One cell in a boot of its own."""
        return self.run_together([cell], workdir)[0]

    def run_together(self, cells: Sequence[CellInput], workdir: Path) -> Sequence[MachineObservation]:
        found, reused = self._boot(cells, workdir)
        if reused and any(is_given(o) for o in found) and cells[0].scenario.host.ram <= _MOST_CLEARED:
            # nobody reserved the memory, and nobody has used it yet: a kernel that clears what is free says what it is
            folder = workdir / "cleared"
            folder.mkdir(exist_ok=True)
            found, _ = self._boot(cells, folder, (CLEARING,))
            return [noted(o, _CLEARED) for o in found]
        return found

    def _boot(
        self, cells: Sequence[CellInput], workdir: Path, words: Sequence[str] = ()
    ) -> tuple[Sequence[MachineObservation], bool]:
        """What was seen, and whether the target had lost the handover's root FDT; `words`: for the target alone."""
        first = cells[0]
        source, target = self._usable(first.source), self._usable(first.target)
        asked = project(cells, source.append, " ".join([*words, *([target.append] if target.append else [])]))
        with _scratch_folder(workdir) as folder:
            initrd = source_initrd(asked, target.image, folder)
            machine = Machine(source.image, initrd, asked.source_append, asked.memory)
            done = boot(machine, first.schema.messages, workdir, crash=asked.crash)
        _keep(done, workdir)
        check_harness(done, source.label, target.label)
        answers = Answers.of(done.records)
        source_log, target_log = (KernelLog.of_boot(done.lines, n, first.schema.messages) for n in (0, 1))
        check_made(answers.source, source.label)
        _check_kernels(first, answers, source_log, target_log, source, target)
        death = ""
        if is_suspect(done.ending):
            death = blame(done.ending, self._control(first, asked, source, target, workdir), target.label)
        seen = Seen(answers, source_log, target_log, death, _timings(done))
        return observe(cells, asked, seen), has_lost_root(answers.target, done.records)

    def _tools(self) -> str:
        """Why no cell can be run on this machine, ''. Asked once, before workers are forked: answers are cached."""
        if self._unusable is None:
            self._unusable = ""
            try:
                if find_spec("qemu") is None or find_spec("qemu.qmp") is None:
                    raise HarnessError("the package qemu.qmp is not installed: pip install 'qualify[qemu]'")
                program = find_qemu()
                accelerator(program)
                qemu_version(program)
                agent_binary()
            except HarnessError as error:
                self._unusable = str(error)
        return self._unusable

    def _kernel(self, label: str) -> KernelFolder | None:
        if self._registry is None:
            self._registry = find_kernels()
        return self._registry.get(label)

    def _usable(self, release: Release) -> KernelFolder:
        """The kernel of a release; HarnessError when its image cannot be it, before anything is booted."""
        kernel = self._kernel(release.label)
        if kernel is None:
            raise HarnessError(f"there is no kernel for release {release.label}; see: qualify kernel list")
        try:
            image = read_image(kernel.image)
            if (changed := kernel.changed) is not None:
                raise InputError([changed])
        except InputError as error:
            said = "; ".join(f"{p.file}: {p.message}" + (f"; {p.hint}" if p.hint else "") for p in error.problems)
            raise HarnessError(f"kernel {kernel.label}: {said}") from error
        check_release(image.release, release.version, release.label, str(kernel.folder))
        if kernel.config_options and kernel.config_options.get("KEXEC_HANDOVER") != "y":
            raise HarnessError(
                f"kernel {kernel.label} was built without CONFIG_KEXEC_HANDOVER ({kernel.config}): it has no KHO"
            )
        return kernel

    def _control(
        self, cell: CellInput, asked: Asked, source: KernelFolder, target: KernelFolder, workdir: Path
    ) -> Control:
        """Does the target boot without a handover? By the same jump, with KHO switched off on the source."""
        key = source.digest, target.digest, asked.target_append, asked.memory
        if (control := self._controls.get(key)) is None:
            folder = workdir / "control"
            folder.mkdir(exist_ok=True)
            with _scratch_folder(workdir) as scratch:
                initrd = source_initrd(asked, target.image, scratch)
                machine = Machine(source.image, initrd, f"{asked.source_append} kho=off", asked.memory)
                try:
                    control = Control.of(boot(machine, cell.schema.messages, folder, crash=asked.crash))
                except BaseException as error:
                    error.add_note(f"it was the control run: target {target.label} without a handover")
                    raise
            if control.ending.end is End.FINISHED:  # what went wrong may have been this once
                self._controls[key] = control
        return control


@contextmanager
def _scratch_folder(workdir: Path) -> Iterator[Path]:
    """For what nobody keeps; beneath `workdir`, so that it goes with it if this process is killed."""
    folder = Path(tempfile.mkdtemp(dir=workdir, prefix=".boot-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _keep(done: Boot, workdir: Path) -> None:
    """The agent's words for people, and the bytes it read."""
    (workdir / "results.ktap").write_text(ktap(done.records))
    split = next((n for n, r in enumerate(done.records) if r.kind == "jump"), len(done.records))
    for side, records in (("source", done.records[:split]), ("target", done.records[split:])):
        found = blobs(records)
        missing = dict(found.missing)
        for name, data in found.items():
            if not _BLOB.fullmatch(name):  # names come out of a guest
                missing[name] = "is no name of a file in there"
                continue
            path = workdir / side / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        if missing:
            (workdir / f"{side}-not-read.json").write_text(json.dumps(missing, indent=1, sort_keys=True) + "\n")


_KHO_SPOKE = (Meaning.KHO_FOUND, Meaning.KHO_REFUSED, Meaning.KHO_DISABLED_KDUMP, Meaning.KHO_NO_SCRATCH)


def _check_kernels(
    cell: CellInput,
    answers: Answers,
    source_log: KernelLog,
    target_log: KernelLog,
    source: KernelFolder,
    target: KernelFolder,
) -> None:
    """HarnessError when what booted is not what it was taken for, or cannot hand over and take over at all."""
    for side, release, kernel in ((answers.source, cell.source, source), (answers.target, cell.target, target)):
        if side.hello is not None:
            check_release(str(side.hello.get("release", "")), release.version, kernel.label, str(kernel.folder))
    if cell.scenario.source.kho and answers.source.system.get("kho") is False:
        raise HarnessError(f"source {source.label} {_without_kho(source_log)}")
    met = target_log.of(*_KHO_SPOKE)
    if answers.target.system.get("kho") is False and cell.scenario.target.kho and not met:
        raise HarnessError(f"target {target.label} {_without_kho(target_log)}")


def _without_kho(log: KernelLog) -> str:
    """Why there is no debugfs folder of KHO."""
    if words := log.of(Meaning.KHO_NO_SCRATCH):
        return f"has too little RAM for its scratch memory (host.ram and host.scratch of the scenario): {words[0].text}"
    return "has no /sys/kernel/debug/kho: it needs CONFIG_KEXEC_HANDOVER and CONFIG_KEXEC_HANDOVER_DEBUGFS"


def _timings(done: Boot) -> dict[str, float]:
    """Seconds: until the source's agent spoke, its work, from the jump until the target's spoke, its work."""
    marks = [0.0, *(done.times.get(k) for k in ("boot", "jump", "target boot", "end"))]
    names = ("source boot", "preserve", "blackout", "restore")
    pairs = zip(names, marks[:-1], marks[1:], strict=True)
    return {name: end - begin for name, begin, end in pairs if begin is not None and end is not None}
