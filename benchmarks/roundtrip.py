# SPDX-License-Identifier: Apache-2.0
"""A memfd through the simulator, as a ratio to copying and hashing the same bytes in equal windows.

`cold` trips have contents of their own, as the first target of a source has; `warm` ones repeat the trip before, whose
digest is known. Each case runs in a process of its own, so that its peak RSS is its own.
"""

from __future__ import annotations

import hashlib
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from qualify.judge import judge
from qualify.machine import Kernel, round_trip
from qualify.machine.contents import WINDOW
from qualify.machine.memory import FileChunks, RamChunks
from qualify.model import Evidence, Verdict
from qualify.scenario import Host, Memfd, Placement, Scenario, Session
from qualify.schema import load

MIB, GIB = 1 << 20, 1 << 30


@dataclass(frozen=True)
class Case:
    """A file of `size` bytes; `mapped` is the window in which memory is mapped from a file, 0 when it is in RAM.

    `aim` is the highest ratio of a cold trip that is good enough. `clock` measures: processor time where nothing waits
    for a disk, since the ratio then holds on a machine that does something else too.
    """

    name: str
    size: int
    mapped: int
    repeats: int
    clock: Callable[[], float]
    aim: float | None = None
    most_rss_mib: int | None = None


CASES = (
    Case("4 MiB", 4 * MIB, 0, 40, time.process_time, aim=3.0),
    Case("4 GiB", 4 * GIB, 0, 1, time.process_time),
    Case("16 GiB in windows", 16 * GIB, 16 * MIB, 1, time.perf_counter, most_rss_mib=2048),
)


def scenario(size: int, windows: int) -> Scenario:
    """One session with one memfd of `size` bytes behind 4 GiB."""
    file = Memfd(token=1, size=size, at=4 * GIB, windows=windows)
    return Scenario(
        id="bench", title="bench", purpose="bench", host=Host(ram=5 * GIB + size),
        placement=Placement(metadata=GIB, bookkeeping=2 * GIB),
        objects=(Session(kind="session", name="bench", files=(file,)),),
    )  # fmt: skip


def reference(case: Case) -> float:
    """Seconds to copy as many bytes into memory of the same kind, window by window, and to hash them there."""
    source = np.random.Generator(np.random.PCG64(1)).integers(0, 256, WINDOW, dtype=np.uint8)
    store = FileChunks(chunk=case.mapped) if case.mapped else RamChunks()
    windows = range(0, case.size, WINDOW)
    begin = case.clock()
    for start in windows:
        for at in range(start, start + WINDOW, min(WINDOW, store.chunk)):
            number, offset = divmod(at, store.chunk)
            part = min(WINDOW, store.chunk)
            chunk = store.own(number)
            chunk = store.make(number, whole=part == store.chunk) if chunk is None else chunk
            chunk[offset : offset + part] = source[at - start : at - start + part]
    total = hashlib.sha256()
    for start in windows:
        for at in range(start, start + WINDOW, min(WINDOW, store.chunk)):
            number, offset = divmod(at, store.chunk)
            held = store.get(number)
            assert held is not None
            total.update(held[offset : offset + min(WINDOW, store.chunk)].data)
    return case.clock() - begin


def case(name: str) -> list[dict[str, object]]:
    """Measure one case in this process: a row for cold trips, and where there are several one for warm ones."""
    chosen = next(c for c in CASES if c.name == name)
    schema = load()
    newest = schema.releases[-1]
    wanted = scenario(chosen.size, chosen.mapped)
    source, target = Kernel(schema, newest), Kernel(schema, newest)
    trips: dict[str, list[float]] = {"cold": [], "warm": []}
    references = []
    for repeat in range(chosen.repeats):
        references.append(reference(chosen))
        for kind in ("cold", "warm") if chosen.repeats > 1 else ("cold",):
            begin = chosen.clock()
            seen = round_trip(source, target, wanted, seed=1 + repeat)
            trips[kind].append(chosen.clock() - begin)
            if judge(seen, Evidence.SIMULATED).verdict is not Verdict.RESTORED:
                raise SystemExit(f"{name}: not RESTORED")
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MIB
    return [_row(chosen, kind, seconds, references, rss) for kind, seconds in trips.items() if seconds]


def _row(chosen: Case, kind: str, trips: list[float], references: list[float], rss: float) -> dict[str, object]:
    trip, ref = statistics.median(trips), statistics.median(references)
    aims = []
    if kind == "cold" and chosen.aim is not None:
        aims.append((f"ratio <= {chosen.aim:g}", trip / ref <= chosen.aim))
    if chosen.most_rss_mib is not None:
        aims.append((f"RSS < {chosen.most_rss_mib} MiB", rss < chosen.most_rss_mib))
    return {
        "case": f"{chosen.name}, {kind}",
        "seconds": trip,
        "reference_seconds": ref,
        "ratio": trip / ref,
        "peak_rss_mib": rss,
        "aim": ", ".join(text for text, _ in aims),
        "met": all(met for _, met in aims) if aims else None,
    }


def run() -> list[dict[str, object]]:
    """All cases, one process each."""
    rows: list[dict[str, object]] = []
    for chosen in CASES:
        command = [sys.executable, "-m", "benchmarks.roundtrip", chosen.name]
        rows += json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    return rows


if __name__ == "__main__":
    print(json.dumps(case(sys.argv[1])))
