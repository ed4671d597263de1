# SPDX-License-Identifier: Apache-2.0
"""Change a format behind its string, in a copy of the schema: comparison and decision must both notice."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from qualify.compat import compare, decide
from qualify.model import Finding, Verdict
from qualify.scenario import Flb, Folio, KexecMetadata, KhoTest, Memfd, ReserveMem, Scenario, Session
from qualify.schema import ChunkListMap, FdtNode, Format, Release, Schema, Struct, load, struct_ids

SHIPPED = load()
# everything that can be preserved, with values that differ from each other
SCENARIO = Scenario(
    id="everything",
    title="Everything",
    purpose="",
    objects=(
        ReserveMem(kind="reserve-mem", name="alpha", size=4 << 20, at=0x3F9DD000),
        Session(
            kind="session",
            name="qual",
            files=(
                Memfd(token=0x1A, size=20001, at=0x31777000, position=77, seals=("grow",), allow_sealing=True),
                Memfd(token=0x2B, size=70000, at=0x32777000, position=3, seals=("grow",), allow_sealing=True),
            ),
        ),
        Session(kind="session", name="second", files=(Memfd(token=0x3C, size=5, at=0x33777000),)),
        Flb(kind="flb", name="one", data=0x1122334455667788),
        Flb(kind="flb", name="two", data=0x99),
        KexecMetadata(kind="kexec-metadata"),
        KhoTest(kind="kho-test", folios=(Folio(at=0x35001000), Folio(at=0x36000000, order=2))),
    ),
)


@dataclass(frozen=True)
class Mutant:
    """A copy of the schema in which `release` has a twin with one change, under the same strings."""

    name: str
    schema: Schema
    release: Release
    twin: Release
    component: str


def _twin(base: Schema, release: Release, form: Format, changed: Format, name: str, **more: Struct) -> Mutant:
    changed = changed.model_copy(update={"id": f"{form.id}-mutant"})
    spec = release.components[form.component]
    reads = tuple(changed.id if f == form.id else f for f in spec.reads)
    components = {**release.components, form.component: spec.model_copy(update={"writes": changed.id, "reads": reads})}
    twin = release.model_copy(update={"label": f"{release.label}-mutant", "aliases": (), "components": components})
    schema = replace(
        base,
        structs={**base.structs, **{s.id: s for s in more.values()}},
        formats={**base.formats, changed.id: changed},
        releases=(*base.releases, twin),
    )
    return Mutant(f"{release.label}: {name}", schema, release, twin, form.component)


def _renamed(form: Format, old: str, new: str) -> Format:
    """The format with another struct in the place of one that it uses itself."""

    def node(n: FdtNode) -> FdtNode:
        props = tuple(p.model_copy(update={"struct": new}) if p.struct == old else p for p in n.properties)
        return n.model_copy(update={"properties": props, "children": tuple(node(c) for c in n.children)})

    update: dict[str, object] = {"structs": {r: new if s == old else s for r, s in form.structs.items()}}
    if form.struct == old:
        update["struct"] = new
    if form.fdt is not None:
        update["fdt"] = node(form.fdt)
    for part in ("container", "memory_map"):
        held = getattr(form, part)
        names = {k: new for k in ("header", "entry") if held is not None and getattr(held, k, "") == old}
        if names:
            update[part] = held.model_copy(update=names)
    return form.model_copy(update=update)


def _swaps(struct: Struct) -> Iterator[tuple[str, Struct]]:
    """Two neighbours of equal type exchanged."""
    for first, second in itertools.pairwise(struct.fields):
        if first.type == second.type and first.bits is None and second.bits is None:
            other = {first.name: second.name, second.name: first.name}
            fields = tuple(f.model_copy(update={"name": other.get(f.name, f.name)}) for f in struct.fields)
            yield f"{first.name} and {second.name} swapped", struct.model_copy(update={"fields": fields})


def _shifted(struct: Struct) -> Struct:
    """Eight bytes in front of everything: another size, and every member somewhere else."""
    fields = tuple(f.model_copy(update={"offset": f.offset + 8}) for f in struct.fields)
    first = struct.fields[0].model_copy(update={"name": "inserted", "type": "u64", "offset": 0, "bits": None})
    return struct.model_copy(update={"fields": (first, *fields), "size": struct.size + 8})


# pages of pointers and bitmaps have no members that could change places, and their size is that of a page
_WHOLE_PAGES = ("kho_vmalloc_chunk", "kho_radix_node", "kho_radix_leaf")


def _mutants() -> Iterator[Mutant]:
    seen: set[str] = set()
    for release in SHIPPED.releases:
        for name, spec in release.components.items():
            if spec.writes is None or spec.writes in seen:
                continue
            seen.add(spec.writes)
            form = SHIPPED.formats[spec.writes]
            yield from _struct_mutants(release, form)
            if isinstance(form.memory_map, ChunkListMap):
                half = form.memory_map.model_copy(update={"bitmap_bytes": form.memory_map.bitmap_bytes // 2})
                changed = form.model_copy(update={"memory_map": half})
                yield _twin(SHIPPED, release, form, changed, f"{name}: bitmap shortened")
            elif form.memory_map is not None:
                for key in ("key_width", "table_bits", "leaf_bits", "levels"):
                    other = form.memory_map.model_copy(update={key: getattr(form.memory_map, key) - 1})
                    changed = form.model_copy(update={"memory_map": other})
                    yield _twin(SHIPPED, release, form, changed, f"{name}: {key} less by one")
            if form.fdt is not None:
                yield from _node_mutants(release, form, form.fdt)


def _struct_mutants(release: Release, form: Format) -> Iterator[Mutant]:
    for struct_id in sorted(struct_ids(form) - set(_WHOLE_PAGES)):
        struct = SHIPPED.structs[struct_id]
        changes = [*_swaps(struct), ("eight bytes in front", _shifted(struct))]
        for what, changed in changes:
            other = changed.model_copy(update={"id": f"{struct_id}-mutant"})
            mutated = _renamed(form, struct_id, other.id)
            yield _twin(SHIPPED, release, form, mutated, f"{form.component}: {struct.name}, {what}", struct=other)


def _node_mutants(release: Release, form: Format, root: FdtNode) -> Iterator[Mutant]:
    """A node or property that the reader requires is not written any more."""
    required = release.components[form.component].requires
    for child in root.children:
        if child.name in required:
            less = root.model_copy(update={"children": tuple(c for c in root.children if c is not child)})
            changed = form.model_copy(update={"fdt": less})
            yield _twin(SHIPPED, release, form, changed, f"{form.component}: node {child.name} dropped")
    for node in (root, *root.children):
        for prop in node.properties:
            less = node.model_copy(update={"properties": tuple(p for p in node.properties if p is not prop)})
            others = tuple(less if c is node else c for c in root.children)
            tree = less if node is root else root.model_copy(update={"children": others})
            changed = form.model_copy(update={"fdt": tree})
            yield _twin(SHIPPED, release, form, changed, f"{form.component}: property {prop.name} dropped")


MUTANTS = list(_mutants())


def test_there_are_mutants_of_every_kind() -> None:
    kinds = {c: sum(m.component == c for m in MUTANTS) for c in SHIPPED.components}
    assert all(kinds.values()), kinds
    assert len(MUTANTS) >= 60


@pytest.mark.parametrize("mutant", MUTANTS, ids=[m.name for m in MUTANTS])
def test_comparison_notices(mutant: Mutant) -> None:
    """The one that lost or moved something is a false accept to the one that did not."""
    found = {c.component: c for c in compare(mutant.schema, mutant.twin, mutant.release)}[mutant.component]
    assert found.finding is Finding.FALSE_ACCEPT
    assert found.differences
    assert found.what_happens
    assert found.rule == "CMP001"


@pytest.mark.parametrize("mutant", MUTANTS, ids=[m.name for m in MUTANTS])
def test_decision_notices(mutant: Mutant) -> None:
    """Never only what the unchanged pair gives; each of the twins to itself stays as it is."""
    schema, release, twin = mutant.schema, mutant.release, mutant.twin
    plain = decide(schema, release, release, SCENARIO)
    assert decide(schema, twin, twin, SCENARIO).verdicts == plain.verdicts
    mixed = decide(schema, twin, release, SCENARIO)
    before = {o.object_id: o.verdicts for o in plain.objects}
    after = {o.object_id: o.verdicts for o in mixed.objects}
    assert after != before
    worse = [v for i, found in after.items() for v in found - before[i]]
    assert worse
    assert Verdict.UNSUPPORTED not in worse
    assert max(v.severity for v in worse) > Verdict.RESTORED.severity
