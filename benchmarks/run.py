# SPDX-License-Identifier: Apache-2.0
"""Every benchmark, or those named: cells, roundtrip, decisions, mutations. Prints tables of ratios; asserts nothing."""

from __future__ import annotations

import importlib
import json
import sys

from tabulate import tabulate

NAMES = ("cells", "roundtrip", "decisions", "mutations")


def main(arguments: list[str]) -> int:
    """Run and print; `--json` for machines."""
    as_json = "--json" in arguments
    wanted = [a for a in arguments if not a.startswith("--")] or list(NAMES)
    if unknown := [name for name in wanted if name not in NAMES]:
        print(f"unknown benchmark {', '.join(unknown)}; known: {', '.join(NAMES)}", file=sys.stderr)
        return 2
    results = {}
    for name in wanted:
        if not as_json:
            print(f"{name} ...", file=sys.stderr, flush=True)
        results[name] = importlib.import_module(f"benchmarks.{name}").run()
        if not as_json:
            print(f"\n{name}\n" + tabulate(results[name], headers="keys", floatfmt=".4g"))
    if as_json:
        print(json.dumps(results, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
