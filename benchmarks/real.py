# SPDX-License-Identifier: Apache-2.0
"""Pairs of real kernels as a ratio to a plain script that boots a pair, preserves one memfd and looks for it.

The script is `run.sh` in the folder that `QUALIFY_PROBE` names; it takes the names of two kernels of the folder
`QUALIFY_KERNELS`. Both are measured in turns, in the same run, on the same two cores and pair: the newest kernel
into itself, since a handover that is refused is less work. Without folders, QEMU or compiler there is one row that says
what is missing.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cells import CORES, on_two_cores
from qualify.agent import agent_binary
from qualify.backends import CellInput
from qualify.backends import backend as installed
from qualify.engine import group, plan
from qualify.engine.boot import together
from qualify.errors import QualifyError
from qualify.kernels import find_kernels
from qualify.machine.vm import accelerator, find_qemu
from qualify.matrix import Cell, load_matrix
from qualify.scenario import library
from qualify.schema import Schema, load
from qualify.store import load_latest, open_store

__all__ = ["run"]

REPEATS = 5
SAMPLE = 4  # pairs of the matrix that the script is run on
SCENARIO = "baseline"
ONE_AIM, SHARED_AIM, MATRIX_AIM = 1.1, 1.5, 0.7

_Row = dict[str, object]


@dataclass(frozen=True)
class _Did:
    """One run of `qualify run`, in seconds. `backend`: of its longest boot with what belongs to it."""

    whole: float
    backend: float
    summary: Mapping[str, object]


def run() -> list[_Row]:
    """One cell, the cells that share a boot, and a matrix."""
    if why := _missing():
        return [{"case": "real kernels", "skipped": why, "met": None}]
    schema = load()
    kernels = _kernels(schema)
    newest = max((k for k in kernels if _numbers(k)), key=_numbers)
    with tempfile.TemporaryDirectory(prefix="qualify-bench-") as folder:
        place = Path(folder)
        shared, alone, other = _boots(schema, place, newest)
        once, many, script = [], [], []
        for _ in range(REPEATS):
            script.append(_script(newest, newest))
            once.append(_qualify(place, [newest], [SCENARIO]))
            many.append(_qualify(place, [newest], shared))
        rows = _of_one_pair(newest, once, many, script)
        rows[-1]["alone"] = alone
        rows[-1]["in_other_boots"] = other
        return [*rows, _of_matrix(place, kernels)]


def _missing() -> str:
    probe, named = os.environ.get("QUALIFY_PROBE", ""), os.environ.get("QUALIFY_KERNELS", "")
    if not probe or not (Path(probe) / "run.sh").is_file():
        return "QUALIFY_PROBE names no folder with a run.sh"
    if not named or not Path(named).is_dir():
        return "QUALIFY_KERNELS does not name one folder of kernels"
    if lacking := [name for name in ("gcc", "cpio") if shutil.which(name) is None]:
        return f"run.sh needs {' and '.join(lacking)}"
    try:
        accelerator(find_qemu())
        agent_binary()
        kernels = _kernels(load())
    except QualifyError as error:
        return str(error)
    return "" if any(_numbers(k) for k in kernels) else f"{named} has no kernel of a release that ships"


def _kernels(schema: Schema) -> list[str]:
    """Those of the folder whose name is that of a release."""
    known = {r.label for r in schema.releases}
    return [k.label for k in find_kernels().kernels if k.label in known and k.release == k.label]


def _numbers(label: str) -> tuple[int, ...]:
    """`()` for a variant, whose name has more than numbers."""
    parts = label.split(".")
    return tuple(map(int, parts)) if all(p.isdigit() for p in parts) else ()


def _boots(schema: Schema, place: Path, label: str) -> tuple[list[str], int, int]:
    """(the scenarios of the fullest boot of a pair, cells with a boot of their own, cells of other shared boots)."""
    known, backend = library(), installed("qemu")
    release = schema.release(label)
    names = [n for n, s in known.items() if "large" not in s.tags]
    cells = {n: CellInput(schema, release, release, known[n], known[n].seed) for n in names}
    asked = [n for n in names if not backend.unfit(cells[n])]  # type: ignore[attr-defined]
    planned = plan(load_matrix(_matrix(place, [label], asked)), schema, known)
    groups = group(planned.cells, planned.backends)
    boots = sorted(together(planned, groups), key=len, reverse=True)
    first = [groups[n].cells[0].cell.scenario for n in boots[0]]
    return first, sum(len(b) == 1 for b in boots[1:]), sum(len(b) for b in boots[1:] if len(b) > 1)


def _matrix(place: Path, releases: Sequence[str], scenarios: Sequence[str]) -> Path:
    path = place / "bench.yaml"
    text = {
        "name": "bench",
        "title": "Benchmark",
        "releases": list(releases),
        "pairs": "all",
        "directions": ["upgrade", "rollback", "same"],
        "scenarios": list(scenarios),
        "backends": ["qemu"],
    }
    path.write_text(json.dumps(text))  # which is YAML
    return path


def _script(source: str, target: str) -> float:
    command = ["bash", str(Path(os.environ["QUALIFY_PROBE"]) / "run.sh"), source, target]
    return _timed(command, (0,))[0]


def _qualify(place: Path, releases: Sequence[str], scenarios: Sequence[str]) -> _Did:
    database = place / "bench.sqlite"
    command = [sys.executable, "-m", "qualify", "run", str(_matrix(place, releases, scenarios)), "--json", "--fresh"]
    command += ["--db", str(database), "--report", str(place / "bench.html")]
    seconds, out = _timed(command, (0, 1))
    summary = json.loads(out)
    cells = {Cell(a, b, s, "qemu") for a in releases for b in releases for s in scenarios}
    with open_store(str(database)) as store, store.session() as session:
        latest = load_latest(session, cells)
    return _Did(seconds, max(r.timings["total"] for r in latest.values()), summary)


def _timed(command: list[str], good: tuple[int, ...]) -> tuple[float, str]:
    # as it is used: modules are compiled once and not at every start
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    begin = time.perf_counter()
    out = subprocess.run(command, check=False, capture_output=True, text=True, preexec_fn=on_two_cores, env=env)
    seconds = time.perf_counter() - begin
    if out.returncode not in good:
        raise SystemExit(f"{' '.join(command)}: exit {out.returncode}\n{out.stdout}{out.stderr}")
    return seconds, out.stdout


def _of_one_pair(label: str, once: Sequence[_Did], many: Sequence[_Did], script: Sequence[float]) -> list[_Row]:
    def row(case: str, times: Sequence[float], cells: object, boots: object, aim: float | None) -> _Row:
        seconds = statistics.median(times)
        ratio = seconds / base
        return {
            "case": case,
            "pair": f"{label} → {label}",
            "cells": cells,
            "boots": boots,
            "seconds": seconds,
            "ratio": ratio,
            "aim": f"<= {aim:g}" if aim else "",
            "met": ratio <= aim if aim else None,
        }

    base = statistics.median(script)
    first, last = once[0].summary, many[0].summary
    return [
        row("run.sh", script, "", 1, None),
        row("one scenario", [d.whole for d in once], first["cells"], first["boots"], ONE_AIM),
        row("one scenario, the boot alone", [d.backend for d in once], first["cells"], first["boots"], None),
        row("one shared boot, the boot alone", [d.backend for d in many], last["cells"], 1, None),
        row("one shared boot", [d.whole for d in many], last["cells"], last["boots"], SHARED_AIM),
    ]


def _of_matrix(place: Path, kernels: Sequence[str]) -> _Row:
    """Every kernel into every one. What as many runs of the script take is estimated from some pairs, half of them
    measured before the matrix and half after it."""
    pairs = [(a, b) for a in kernels for b in kernels]
    step = max(1, len(pairs) // SAMPLE)
    sample = pairs[::step][:SAMPLE]
    half = len(sample) // 2
    times = [_script(*pair) for pair in sample[:half]]
    done = _qualify(place, kernels, [SCENARIO])
    times += [_script(*pair) for pair in sample[half:]]
    ratio = done.whole / (statistics.median(times) * len(pairs))
    return {
        "case": f"matrix of {len(kernels)} kernels",
        "pair": f"all; run.sh: {len(pairs)} times the median of {len(sample)} pairs",
        "cells": done.summary["cells"],
        "boots": done.summary["boots"],
        "seconds": done.whole,
        "ratio": ratio,
        "aim": f"<= {MATRIX_AIM:g} on {CORES} cores",
        "met": ratio <= MATRIX_AIM,
    }
