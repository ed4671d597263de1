# SPDX-License-Identifier: Apache-2.0
"""The upstream matrix with and without sharing, in cells per second; the reference is the run without sharing."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

__all__ = ["run"]


def _one(extra: list[str]) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "bench.sqlite"
        command = [sys.executable, "-m", "qualify", "run", "upstream", "--db", str(database), "--json", *extra]
        begin = time.perf_counter()
        out = subprocess.run(command, check=False, capture_output=True, text=True)
        seconds = time.perf_counter() - begin
        if out.returncode not in (0, 1):
            raise SystemExit(f"{' '.join(command)}: exit {out.returncode}\n{out.stderr}")
        summary = json.loads(out.stdout)
        return {"cells": summary["cells"], "shared": summary["shared"], "seconds": seconds}


def run() -> list[dict[str, object]]:
    """Both ways; `ratio` is the time relative to the run without sharing."""
    rows: list[dict[str, object]] = []
    plain = _one(["--no-share"])
    shared = _one([])
    for name, got in (("without sharing", plain), ("with sharing", shared)):
        rows.append(
            {
                "case": name,
                **got,
                "cells_per_second": got["cells"] / got["seconds"],
                "ratio": got["seconds"] / plain["seconds"],
            }
        )
    return rows
