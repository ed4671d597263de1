# SPDX-License-Identifier: Apache-2.0
"""How long a build will take: what this machine needs for a small file, times what a kernel was measured to need."""

from __future__ import annotations

import os
import resource
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from qualify.errors import HarnessError

__all__ = ["Estimate", "Sample", "estimate", "measure", "sample_source"]

#: One build was measured together with the sample: processor seconds of the sample, of the kernel, and its options that
#: were on. Linux 7.1.13, tinyconfig with our fragment, gcc 12.2.
_SAMPLE_SECONDS, _KERNEL_SECONDS, _OPTIONS_ON = 1.3, 380.0, 703
#: How far other compilers, trees and options were from that, and what else a machine may be doing.
_LEAST, _MOST = 0.7, 2.0


@dataclass(frozen=True)
class Sample:
    """One small file compiled here, in seconds."""

    processor: float
    wall: float


@dataclass(frozen=True)
class Estimate:
    """How long it will take, in seconds of wall time, and why we think so."""

    least: float
    most: float
    basis: str

    def __str__(self) -> str:
        if self.most < 120:
            return f"{_round(self.least)} to {_round(self.most)} seconds"
        return f"{max(1, round(self.least / 60))} to {round(self.most / 60)} minutes"


def estimate(sample: Sample, options_on: int, jobs: int, processors: int) -> Estimate:
    """The time that a kernel with so many options on takes on `processors`, from the sample."""
    at_once = max(1, min(jobs, processors))
    factor = options_on / _OPTIONS_ON
    work = _KERNEL_SECONDS * factor * sample.processor / _SAMPLE_SECONDS
    busy = max(1.0, sample.wall / sample.processor) if sample.processor else 1.0
    wall = work * busy / at_once
    basis = (
        f"a sample file took {sample.processor:.2f} s of a processor and {sample.wall:.2f} s in all; a kernel with "
        f"{options_on} options on takes about {_KERNEL_SECONDS * factor / _SAMPLE_SECONDS:.0f} times as much; "
        f"{jobs} job{'s' if jobs != 1 else ''} on {processors} processor{'s' if processors != 1 else ''}"
    )
    return Estimate(wall * _LEAST, wall * _MOST, basis)


def measure(compiler: str = "gcc") -> Sample:
    """Compile the sample once; HarnessError when the compiler does not."""
    with tempfile.TemporaryDirectory(prefix="qualify-sample-") as folder:
        source = Path(folder) / "sample.c"
        source.write_text(sample_source(), encoding="ascii")
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        try:
            done = subprocess.run(
                [compiler, "-O2", "-c", "-o", os.devnull, str(source)], capture_output=True, text=True
            )
        except OSError as error:
            raise HarnessError(f"cannot run {compiler}: {error.strerror}") from error
        wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise HarnessError(f"{compiler} does not compile a plain C file: {done.stderr.strip()}")
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Sample(used, wall)


def sample_source(functions: int = 200) -> str:
    """A C file that keeps an optimiser busy; always the same text, so that its time can be compared."""
    parts = ["typedef unsigned long u64; struct s { u64 a, b; struct s *next; };"]
    for n in range(functions):
        cases = " ".join(f"case {c}: x ^= p->a * {n + c + 3}ul; break;" for c in range(12))
        parts.append(
            f"u64 f{n}(struct s *p, u64 x) {{ for (; p; p = p->next) {{ switch (x % {n + 13}) {{ {cases} "
            f"default: x += p->b >> {n % 31}; }} p->b = x; }} return x; }}"
        )
    return "\n".join(parts) + "\n"


def _round(seconds: float) -> int:
    return max(1, round(seconds))
