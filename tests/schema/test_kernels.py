# SPDX-License-Identifier: Apache-2.0
"""Facts of the schema against real kernels: their sources (strings, nodes, members) and their BTF (sizes, offsets).

QUALIFY_KERNELS names a folder with RELEASE/source and RELEASE/vmlinux.btf.
"""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path

import pytest

from qualify.schema import FdtNode, Format, Provenance, ProvenanceKind, load, struct_ids
from tests.schema.btf import read_btf

SCHEMA = load()
RELEASES = ["6.18.15", "6.19.11", "7.1.13", "7.1.13-drift", "7.3.4"]

pytestmark = pytest.mark.kernels


def folder(release: str) -> Path:
    root = os.environ.get("QUALIFY_KERNELS")
    if not root:
        pytest.skip("needs QUALIFY_KERNELS, a folder with RELEASE/source")
    path = Path(root) / release
    if not path.is_dir():
        pytest.skip(f"QUALIFY_KERNELS has no {release}")
    return path


@cache
def sources(root: Path) -> str:
    """All C text of a tree that one file could hold a fact in."""
    files = sorted(p for p in (root / "source").rglob("*") if p.suffix in (".c", ".h"))
    return "\n".join(p.read_text(encoding="utf-8", errors="replace") for p in files)


def written(release: str) -> list[Format]:
    specs = SCHEMA.release(release).components.values()
    return [SCHEMA.format(spec.writes) for spec in specs if spec.writes]


def read_in(release: str) -> set[tuple[str, str, str]]:
    """(what, file, where) of every fact that claims to have been read in that release."""
    facts: list[tuple[str, Provenance]] = [(f"format {f.id}", f.provenance) for f in SCHEMA.formats.values()]
    facts += [(f"struct {s.id}", s.provenance) for s in SCHEMA.structs.values()]
    for c in SCHEMA.components.values():
        facts += [(f"component {c.id}", c.provenance), *((f"{c.id} {n}", t.provenance) for n, t in c.traits.items())]
    for r in SCHEMA.releases:
        facts.append((f"release {r.label}", r.provenance))
        for name, spec in r.components.items():
            facts += [(f"{r.label} {name}", spec.provenance)]
            facts += [(f"{r.label} {name} {fact}", known) for fact, known in spec.sources.items()]
    known = ProvenanceKind.READ
    return {(what, p.file, p.where) for what, p in facts if p.kind is known and p.release == release}


@pytest.mark.parametrize("release", RELEASES)
def test_files_that_facts_were_read_in_exist(release: str) -> None:
    root = folder(release) / "source"
    facts = read_in(release)
    assert facts
    assert {(what, file) for what, file, _ in facts if not (root / file).is_file()} == set()


@pytest.mark.parametrize("release", RELEASES)
def test_functions_that_facts_were_read_in_are_in_those_files(release: str) -> None:
    root = folder(release) / "source"
    named = {(what, file, name) for what, file, where in read_in(release) for name in re.findall(r"\w+(?=\(\))", where)}
    text = {file: (root / file).read_text(encoding="utf-8", errors="replace") for _, file, _ in named}
    assert {(what, file, name) for what, file, name in named if f"{name}(" not in text[file]} == set()


@pytest.mark.parametrize("release", RELEASES)
def test_compatible_strings_are_in_the_sources(release: str) -> None:
    text = sources(folder(release))
    strings = {form.compatible for form in written(release)}
    strings |= {node.compatible for form in written(release) for node in nodes(form.fdt)}
    assert {s for s in strings if s and f'"{s}"' not in text} == set()


@pytest.mark.parametrize("release", RELEASES)
def test_no_other_version_of_a_string_is_in_the_sources(release: str) -> None:
    """Of all strings that the schema knows, a tree defines only those that its release writes or reads."""
    text = sources(folder(release))
    defined = set(re.findall(r'#define\s+\w+\s+"([\w-]+)"', text))
    own = {form.compatible for form in written(release)}
    others = {form.compatible for form in SCHEMA.formats.values()} - own - {""}
    assert defined & others == set()


@pytest.mark.parametrize("release", RELEASES)
def test_names_of_nodes_and_properties_are_in_the_sources(release: str) -> None:
    text = sources(folder(release))
    names = {form.carrier.subtree for form in written(release)} | {form.carrier.node for form in written(release)}
    for form in written(release):
        for node in nodes(form.fdt):
            names |= {node.name, *(p.name for p in node.properties)}
    assert {n for n in names if n not in ("", "*") and f'"{n}"' not in text} == set()


@pytest.mark.parametrize("release", RELEASES)
def test_members_of_structs_are_in_the_sources(release: str) -> None:
    text = sources(folder(release))
    missing = set()
    for form in written(release):
        for name in struct_ids(form) - {"kho_data"}:  # arch/x86, not among the sources
            struct = SCHEMA.structs[name]
            known = re.search(rf"struct {struct.name}\b", text)
            missing |= {f"{name}.{f.name}" for f in struct.fields if not known or not re.search(rf"\b{f.name}\b", text)}
    assert missing == set()


@pytest.mark.parametrize("release", RELEASES)
def test_constants_are_in_the_sources(release: str) -> None:
    text = sources(folder(release))
    magic = {value for form in written(release) for key, value in form.constants.items() if key == "magic"}
    assert magic == {0x4B484F21}
    assert "0x4b484f21" in text.lower()


@pytest.mark.parametrize("release", RELEASES)
def test_requirements_are_what_the_reader_looks_for(release: str) -> None:
    text = sources(folder(release))
    needed = {n for spec in SCHEMA.release(release).components.values() for n in spec.requires}
    assert {n for n in needed if f'"{n}"' not in text} == set()


@pytest.mark.parametrize("release", RELEASES)
def test_sizes_and_offsets_are_those_of_the_running_kernel(release: str) -> None:
    path = folder(release) / "vmlinux.btf"
    if not path.is_file():
        pytest.skip(f"QUALIFY_KERNELS has no vmlinux.btf for {release}")
    own = {s.name: s for form in written(release) for s in (SCHEMA.structs[i] for i in struct_ids(form))}
    structs = {s.name: s for s in SCHEMA.structs.values() if s.id == s.name} | own
    known = read_btf(path, set(structs))
    assert set(own) <= set(known)
    for name, found in known.items():
        struct = structs[name]
        assert found.size == struct.size, name
        # the schema leaves out inner structs that only group members (hdr.next is next)
        places = {key.split(".")[-1]: low for key, low in found.members.items() if "." in key} | found.members
        for member in struct.fields:
            low = 8 * member.offset + (member.bits[0] if member.bits else 0)
            assert places[member.name] == low, f"{name}.{member.name}"


def nodes(node: FdtNode | None) -> list[FdtNode]:
    return [] if node is None else [node, *(n for child in node.children for n in nodes(child))]
