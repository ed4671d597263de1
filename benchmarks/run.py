# SPDX-License-Identifier: Apache-2.0
"""Every benchmark, or those named: cells, roundtrip, decisions, mutations, real.

Prints tables, with an aim and whether it was met where there is one, and what was missed at the end. Asserts nothing.
"""

from __future__ import annotations

import importlib
import json
import sys

from tabulate import tabulate

NAMES = ("cells", "roundtrip", "decisions", "mutations", "real")


def main(arguments: list[str]) -> int:
    """Run and print; `--json` for machines."""
    as_json = "--json" in arguments
    wanted = [a for a in arguments if not a.startswith("--")] or list(NAMES)
    if unknown := [name for name in wanted if name not in NAMES]:
        print(f"unknown benchmark {', '.join(unknown)}; known: {', '.join(NAMES)}", file=sys.stderr)
        return 2
    results: dict[str, list[dict[str, object]]] = {}
    for name in wanted:
        if not as_json:
            print(f"{name} ...", file=sys.stderr, flush=True)
        results[name] = importlib.import_module(f"benchmarks.{name}").run()
        if not as_json:
            print(f"\n{name}\n" + tabulate([_shown(row) for row in results[name]], headers="keys", floatfmt=".4g"))
    if as_json:
        print(json.dumps(results, indent=2))
    else:
        print("\n" + _aims(results))
    return 0


def _shown(row: dict[str, object]) -> dict[str, object]:
    met = {True: "met", False: "MISSED", None: ""}
    return {key: met[value] if key == "met" else value for key, value in row.items()}  # type: ignore[index]


def _aims(results: dict[str, list[dict[str, object]]]) -> str:
    """``6 of 7 aims met; missed: cells with sharing and report``."""
    aimed = [(name, row) for name, rows in results.items() for row in rows if row.get("met") is not None]
    missed = [
        f"{name} {row.get('case') or row.get('benchmark') or ''}".strip() for name, row in aimed if not row["met"]
    ]
    text = f"{len(aimed) - len(missed)} of {len(aimed)} aims met"
    return f"{text}; missed: {', '.join(missed)}" if missed else text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
