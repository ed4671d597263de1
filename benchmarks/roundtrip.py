# SPDX-License-Identifier: Apache-2.0
"""A memfd through the simulator, as a ratio to copying and hashing the same bytes in equal windows.

Each case runs in a process of its own, so that its peak RSS is its own.
"""

from __future__ import annotations

import hashlib
import json
import resource
import statistics
import subprocess
import sys
import time

import numpy as np

from qualify.judge import judge
from qualify.machine import Kernel, round_trip
from qualify.machine.memory import FileChunks, RamChunks
from qualify.model import Evidence, Verdict
from qualify.scenario import Host, Memfd, Placement, Scenario, Session
from qualify.schema import load

MIB, GIB = 1 << 20, 1 << 30
# name, file size, window (0: in memory in full), repeats
CASES = (("4 MiB", 4 * MIB, 0, 40), ("4 GiB", 4 * GIB, 0, 1), ("16 GiB in windows", 16 * GIB, 16 * MIB, 1))
_WINDOW = 4 * MIB


def scenario(size: int, windows: int) -> Scenario:
    """One session with one memfd of `size` bytes behind 4 GiB."""
    file = Memfd(token=1, size=size, at=4 * GIB, windows=windows)
    return Scenario(
        id="bench", title="bench", purpose="bench", host=Host(ram=5 * GIB + size),
        placement=Placement(metadata=GIB, bookkeeping=2 * GIB),
        objects=(Session(kind="session", name="bench", files=(file,)),),
    )  # fmt: skip


def reference(size: int, windows: int) -> float:
    """Seconds to copy `size` bytes into memory of the same kind, window by window, and to hash them there."""
    window = windows or min(_WINDOW, size)
    source = np.random.Generator(np.random.PCG64(1)).integers(0, 256, window, dtype=np.uint8)
    store = FileChunks(chunk=window) if windows else RamChunks(chunk=window)
    begin = time.perf_counter()
    for number in range(size // window):
        store.make(number)[:] = source
    total = hashlib.sha256()
    for number in range(size // window):
        chunk = store.get(number)
        if chunk is not None:
            total.update(chunk.data)
    return time.perf_counter() - begin


def case(name: str) -> dict[str, object]:
    """Measure one case in this process."""
    _, size, windows, repeats = next(c for c in CASES if c[0] == name)
    schema = load()
    newest = schema.releases[-1]
    wanted = scenario(size, windows)
    source, target = Kernel(schema, newest), Kernel(schema, newest)
    trips, references = [], []
    for _ in range(repeats):
        references.append(reference(size, windows))
        begin = time.perf_counter()
        seen = round_trip(source, target, wanted, seed=1)
        trips.append(time.perf_counter() - begin)
        if judge(seen, Evidence.SIMULATED).verdict is not Verdict.RESTORED:
            raise SystemExit(f"{name}: not RESTORED")
    trip, ref = statistics.median(trips), statistics.median(references)
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"case": name, "seconds": trip, "reference_seconds": ref, "ratio": trip / ref, "peak_rss_mib": rss / MIB}


def run() -> list[dict[str, object]]:
    """All cases, one process each."""
    rows = []
    for name, *_ in CASES:
        out = subprocess.run(
            [sys.executable, "-m", "benchmarks.roundtrip", name], check=True, capture_output=True, text=True
        )
        rows.append(json.loads(out.stdout))
    return rows


if __name__ == "__main__":
    print(json.dumps(case(sys.argv[1])))
