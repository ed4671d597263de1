# SPDX-License-Identifier: Apache-2.0
"""How fast pairs are decided: a million directed pairs of 1,000 generated releases with 200 and 1,000 format sets.

    python benchmarks/decisions.py

Each setting starts from nothing but the schema, in one process. The reference compares two precomputed fingerprints per
pair, a million times, in the same run: the least that any answer per pair can cost.
"""

from __future__ import annotations

import itertools
import random
import sys
import time
from collections import Counter

from qualify.compat import decide_many
from qualify.model import Verdict
from qualify.scenario import library
from qualify.schema import Format, Reaction, Release, Schema, Struct, load

__all__ = ["generate", "run"]

RELEASES = 1000
SETTINGS = {200: 5.0, 1000: 60.0}  # distinct format sets -> seconds that a million decisions may take


def generate(count: int, distinct: int, seed: int = 7) -> Schema:
    """The shipped schema's components under `count` releases that share `distinct` different format sets."""
    shipped = load()
    draw = random.Random(seed)
    structs, formats = _variants(shipped)
    pool = _by_kind(formats)
    made: dict[str, Release] = {}
    known = Schema(components=shipped.components, structs=structs, formats=formats, releases=())
    while len(made) < distinct:
        base = draw.choice(shipped.releases)
        components = {}
        for name, spec in base.components.items():
            choice = draw.choice(pool[spec.writes]) if spec.writes else None
            reads = (choice,) if choice else ()
            if choice and draw.random() < 0.1:
                reads = (*reads, draw.choice(pool[spec.writes or ""]))
            update: dict[str, object] = {"writes": choice, "reads": tuple(dict.fromkeys(reads))}
            if draw.random() < 0.1 and spec.on:
                met = draw.choice(sorted(spec.on))
                update["on"] = {**spec.on, met: draw.choice([Reaction.PANIC, Reaction.WARNING, Reaction.IGNORE])}
            components[name] = spec.model_copy(update=update)
        release = base.model_copy(update={"label": f"g{len(made)}", "aliases": (), "components": components})
        alone = Schema(components=known.components, structs=structs, formats=formats, releases=(release,))
        made.setdefault(alone.fingerprint(release), release)
    found = list(made.values())
    copies = [r.model_copy(update={"label": f"c{i}"}) for i, r in zip(range(count - distinct), itertools.cycle(found))]
    return Schema(components=known.components, structs=structs, formats=formats, releases=(*found, *copies))


def _variants(shipped: Schema) -> tuple[dict[str, Struct], dict[str, Format]]:
    """Every format, with its string bumped, and with two members of its struct swapped behind the same string."""
    structs, formats = dict(shipped.structs), dict(shipped.formats)
    for form in shipped.formats.values():
        if form.compatible:
            for bump in range(2):
                name = f"{form.id}-bump{bump}"
                formats[name] = form.model_copy(update={"id": name, "compatible": f"{form.compatible}.{bump}"})
        if form.struct and (swapped := _swapped(structs[form.struct])) is not None:
            structs[swapped.id] = swapped
            name = f"{form.id}-swap"
            formats[name] = form.model_copy(update={"id": name, "struct": swapped.id})
    return structs, formats


def _swapped(struct: Struct) -> Struct | None:
    """The struct with the first two neighbours of equal type exchanged."""
    for first, second in itertools.pairwise(struct.fields):
        if first.type == second.type and first.bits is None and second.bits is None:
            fields = [
                f.model_copy(update={"name": {first.name: second.name, second.name: first.name}.get(f.name, f.name)})
                for f in struct.fields
            ]
            return struct.model_copy(update={"id": f"{struct.id}-swap", "fields": tuple(fields)})
    return None


def _by_kind(formats: dict[str, Format]) -> dict[str, list[str]]:
    """For every format the variants of it, itself most often: a fleet that shared nothing would be too easy."""
    kinds: dict[str, list[str]] = {}
    for name in formats:
        base = name.partition("-bump")[0].partition("-swap")[0]
        kinds.setdefault(base, []).append(name)
    return {name: [name] * 6 + [v for v in found if v != name] for name, found in kinds.items()}


def _reference(schema: Schema) -> float:
    """Seconds to compare two fingerprints per pair."""
    prints = [schema.fingerprint(r) for r in schema.releases]
    start = time.perf_counter()
    equal = 0
    for mine in prints:
        for theirs in prints:
            if mine == theirs:
                equal += 1
    assert equal >= len(prints)
    return time.perf_counter() - start


def _measure(distinct: int) -> dict[str, object]:
    schema, scenario = generate(RELEASES, distinct), library()["baseline"]
    pairs = ((mine, theirs) for mine in schema.releases for theirs in schema.releases)
    start = time.perf_counter()
    verdicts: Counter[Verdict] = Counter(decide_many(schema, pairs, scenario))
    seconds = time.perf_counter() - start
    reference = _reference(schema)
    count = verdicts.total()
    return {
        "benchmark": f"decisions, {len(schema.releases)} releases, {distinct} format sets",
        "decisions": count,
        "seconds": round(seconds, 3),
        "per_second": round(count / seconds),
        "reference_seconds": round(reference, 3),
        "ratio": round(seconds / reference, 1),
        "aim": f"< {SETTINGS[distinct]:g} s",
        "met": seconds < SETTINGS[distinct],
        "verdicts": ", ".join(f"{v.value} {verdicts[v]:,}" for v in sorted(verdicts, key=lambda v: v.severity)),
    }


def run() -> list[dict[str, object]]:
    """Measure every setting, and say so."""
    results = []
    for distinct in SETTINGS:
        result = _measure(distinct)
        results.append(result)
        print(
            f"{result['benchmark']}: {result['decisions']:,} decisions in {result['seconds']} s"
            f" = {result['per_second']:,}/s; {result['ratio']} x comparing fingerprints"
            f" (aim {result['aim']}: {'met' if result['met'] else 'MISSED'}); {result['verdicts']}",
            file=sys.stderr,
        )
    return results


if __name__ == "__main__":
    run()
