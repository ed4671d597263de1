# SPDX-License-Identifier: Apache-2.0
"""The upstream matrix as a user runs it, on two cores: cells per second with and without sharing, and with a report.

Seconds are those of the whole process; `ratio` is relative to the run without sharing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

__all__ = ["CORES", "on_two_cores", "run"]

CORES = 2
AIM = 15.0  # seconds for the matrix with its report


def on_two_cores() -> None:
    """For `preexec_fn`: the process and its children stay on two of the cores there are."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])


def _one(*extra: str) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["run", "upstream", "--db", str(Path(folder) / "bench.sqlite"), "--json"]
        arguments += [text.replace("FOLDER", folder) for text in extra]
        command = [sys.executable, "-m", "qualify", *arguments]
        begin = time.perf_counter()
        out = subprocess.run(command, check=False, capture_output=True, text=True, preexec_fn=on_two_cores)
        seconds = time.perf_counter() - begin
        if out.returncode not in (0, 1):
            raise SystemExit(f"{' '.join(command)}: exit {out.returncode}\n{out.stderr}")
        summary = json.loads(out.stdout)
        return {"cells": summary["cells"], "shared": summary["shared"], "seconds": seconds}


def run() -> list[dict[str, object]]:
    """Three runs of the matrix, each into a database of its own."""
    found = {
        "without sharing": _one("--no-share"),
        "with sharing": _one(),
        "with sharing and report": _one("--report", "FOLDER/report.html"),
    }
    plain = found["without sharing"]["seconds"]
    rows: list[dict[str, object]] = []
    for name, got in found.items():
        aimed = name.endswith("report")
        rows.append(
            {
                "case": name,
                **got,
                "cells_per_second": got["cells"] / got["seconds"],
                "ratio": got["seconds"] / plain,
                "aim": f"< {AIM:g} s on {CORES} cores" if aimed else "",
                "met": got["seconds"] < AIM if aimed else None,
            }
        )
    return rows
