# SPDX-License-Identifier: Apache-2.0
"""Where facts come from: what a release says itself, what it inherits, and what ships."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from qualify.schema import Provenance, ProvenanceKind, Release, Schema, load
from tests.schema.mini import write_mini

SCHEMA = load()
OBSERVED = (Path(__file__).parents[2] / "docs" / "observed.md").read_text(encoding="utf-8")
ROOT = '{kind: read, release: "1.0", file: core.c}'


def sources(folder: Path, *releases: str) -> dict[str, str]:
    """Of `core` in the last release: what each fact is known by."""
    head = 'version: "{0}"\n    provenance: {{kind: derived, release: "{0}", note: of the release}}'
    text = "releases:\n"
    for number, rest in enumerate(releases, 1):
        label, parent = f"1.{number}", f"1.{number - 1}"
        text += f'  - label: "{label}"\n    inherits: "{parent}"\n    {head.format(label)}\n    components: {rest}\n'
    data = write_mini(folder / "data")
    (folder / "extra.yaml").write_text(text)
    schema = load([folder / "extra.yaml"] if releases else [], data)
    release = schema.releases[-1]
    return {fact: str(schema.source(release, "core", fact)) for fact in release.components["core"].sources}


READ_10 = "read 1.0 core.c"


def test_a_file_that_was_read_speaks_for_the_whole_component(tmp_path: Path) -> None:
    assert sources(tmp_path) == dict.fromkeys(
        ("writes", "reads", "requires", "incompatible", "width", "depth"), READ_10
    )


def test_what_is_inherited_keeps_its_source_and_what_is_written_takes_that_of_the_release(tmp_path: Path) -> None:
    found = sources(tmp_path, "{core: {traits: {depth: 7}, on: {missing: panic}}}")
    assert found.pop("depth") == found.pop("missing") == "derived 1.1 (of the release)"
    assert set(found.values()) == {READ_10}


def test_the_component_comes_before_the_release(tmp_path: Path) -> None:
    found = sources(tmp_path, "{core: {traits: {depth: 7}, provenance: {kind: proposed, note: a patch}}}")
    assert found.pop("depth") == "proposed (a patch)"
    assert set(found.values()) == {READ_10}


def test_a_file_that_was_read_again_confirms_what_is_inherited(tmp_path: Path) -> None:
    again = 'provenance: {kind: read, release: "1.1", file: core.c}'
    assert set(sources(tmp_path, f"{{core: {{{again}, traits: {{depth: 7}}}}}}").values()) == {"read 1.1 core.c"}


def test_a_file_that_was_read_elsewhere_confirms_nothing(tmp_path: Path) -> None:
    found = sources(tmp_path, f"{{core: {{provenance: {ROOT}, traits: {{depth: 7}}}}}}", "{cargo: null}")
    assert found["width"] == found["depth"] == READ_10
    found = sources(
        tmp_path / "2", "{core: {traits: {depth: 7}}}", f"{{core: {{provenance: {ROOT}, on: {{full: panic}}}}}}"
    )
    assert (found["depth"], found["full"]) == ("derived 1.1 (of the release)", READ_10)


def test_a_provenance_without_facts_speaks_of_those_that_are_inherited(tmp_path: Path) -> None:
    found = sources(tmp_path, "{core: {provenance: {kind: derived, note: no tree}}}")
    assert set(found.values()) == {"derived (no tree)"}
    listed = "sources: {depth: {kind: observed, release: x}}"
    found = sources(tmp_path / "2", f"{{core: {{provenance: {{kind: derived}}, traits: {{depth: 7}}, {listed}}}}}")
    assert found.pop("depth") == "observed x"
    assert set(found.values()) == {"derived"}


def test_what_is_listed_comes_first_and_others_stands_for_the_rest(tmp_path: Path) -> None:
    spec = "{kind: derived}, sources: {others: {kind: inferred}, width: {kind: observed, release: y}}"
    found = sources(tmp_path, f"{{core: {{traits: {{depth: 7}}, provenance: {spec}}}}}", "{cargo: {reads: []}}")
    assert (found.pop("depth"), found.pop("width")) == ("derived", "observed y")
    assert set(found.values()) == {"inferred"}


def test_what_is_listed_is_inherited_until_the_file_is_read(tmp_path: Path) -> None:
    listed = "{core: {sources: {width: {kind: observed, release: y}}}}"
    assert sources(tmp_path, listed, "{core: {traits: {depth: 7}}}")["width"] == "observed y"
    again = '{core: {provenance: {kind: read, release: "1.2", file: f.c}}}'
    assert sources(tmp_path / "2", listed, again)["width"] == "read 1.2 f.c"


def test_a_default_is_known_by_the_component_where_no_release_speaks_of_it(tmp_path: Path) -> None:
    found = sources(tmp_path, "{core: null, cargo: null}", "{core: {reads: [], provenance: {kind: derived}}}")
    assert found == {
        "writes": "derived",
        "reads": "derived",
        "requires": "derived",
        "width": "inferred (made up)",
        "depth": "inferred (as deep as most)",
    }


def test_to_return_to_the_default_is_a_fact_too(tmp_path: Path) -> None:
    found = sources(tmp_path, "{core: {traits: {depth: 7}}}", "{core: {traits: {depth: null}}}")
    assert found["depth"] == "derived 1.2 (of the release)"


# --- what ships -----------------------------------------------------------------------------------------------------


def facts(schema: Schema, release: Release) -> dict[tuple[str, str], Provenance]:
    specs = release.components.items()
    return {(name, fact): known for name, spec in specs for fact, known in spec.sources.items()}


def value(release: Release, component: str, fact: str) -> object:
    spec = release.components.get(component)
    if spec is None:
        return None
    if fact in ("writes", "reads", "requires"):
        return getattr(spec, fact)
    if fact in SCHEMA.components[component].traits:
        return SCHEMA.trait(release, component, fact)
    return {condition.value: reaction for condition, reaction in spec.on.items()}.get(fact)


@pytest.mark.parametrize("release", SCHEMA.releases, ids=lambda r: r.label)
def test_every_fact_has_a_source(release: Release) -> None:
    for name, spec in release.components.items():
        expected = {"writes", "reads", "requires", *spec.on, *SCHEMA.components[name].traits}
        assert set(spec.sources) == expected, name


@pytest.mark.parametrize("release", SCHEMA.releases, ids=lambda r: r.label)
def test_nothing_claims_to_be_read_or_seen_in_a_release_where_it_was_not(release: Release) -> None:
    own = {release.version, release.label}  # a downstream tree and the one that it was made from
    first_hand = {ProvenanceKind.READ, ProvenanceKind.OBSERVED}
    found = facts(SCHEMA, release).items()
    assert {key: str(p) for key, p in found if p.kind in first_hand and p.release not in own} == {}


@pytest.mark.parametrize("label", ["6.16.12", "6.17.13"])
def test_releases_without_a_tree_are_derived(label: str) -> None:
    assert {p.kind for p in facts(SCHEMA, SCHEMA.release(label)).values()} == {ProvenanceKind.DERIVED}


def test_of_7_0_little_was_seen_and_the_rest_says_what_it_is_inferred_from() -> None:
    older, here, newer = (SCHEMA.release(label) for label in ("6.19.11", "7.0.13", "7.1.3"))
    derived = set()
    for (name, fact), known in facts(SCHEMA, here).items():
        if known.kind is ProvenanceKind.DERIVED:
            derived.add((name, fact))
            continue
        mine, before, after = (value(release, name, fact) for release in (here, older, newer))
        assert known.kind is ProvenanceKind.INFERRED, (name, fact)
        assert mine == before, (name, fact)
        side = "the same in 6.19.11 and 7.1.3" if before == after else "6.19 side: "
        assert known.note.startswith(side), (name, fact, before, after)
    assert derived == {
        *(("luo", fact) for fact in ("writes", "reads", "requires")),
        *(("luo-flb", fact) for fact in here.components["luo-flb"].sources),
        # stable mails, and a commit of v7.0
        ("kho", "crash-image"),
        ("luo-file", "no-handler"),
        ("memfd", "folio-error"),
    }


def seen() -> list[tuple[str, Provenance]]:
    found = [(f"{c.id}.{name}", t.provenance) for c in SCHEMA.components.values() for name, t in c.traits.items()]
    for release in SCHEMA.releases:
        found += [(f"{release.label} {name}.{fact}", p) for (name, fact), p in facts(SCHEMA, release).items()]
    return [(what, p) for what, p in found if p.kind is ProvenanceKind.OBSERVED]


def test_what_was_observed_names_a_section_of_the_page_and_a_release_that_was_booted() -> None:
    sections = set(re.findall(r"^## (.+)$", OBSERVED, re.MULTILINE))
    booted = set(re.findall(r"= (\d+\.\d+\.\d+)", OBSERVED.split("## ")[0]))
    assert booted == {"6.18.15", "6.19.11", "7.1.13", "7.3.4"}
    assert {what for what, p in seen() if p.file != "docs/observed.md" or p.where not in sections} == set()
    assert {p.release for _, p in seen()} == booted


@pytest.mark.parametrize(
    ("label", "component", "fact"),
    [
        ("6.18.15", "kho", "finalise"), ("6.18.15", "kho", "empty-map"), ("6.18.15", "kho", "reserve-size"),
        ("6.19.11", "memfd", "unsealed-as"), ("6.19.11", "memfd", "folio-error"), ("6.19.11", "luo-file", "no-handler"),
        ("6.19.11", "luo-session", "full"), ("7.1.13", "memfd", "exec-seal-adds"), ("7.1.13", "luo-flb", "missing"),
        ("7.1.13", "luo-file", "full"), ("7.3.4", "kho", "off-target"), ("7.3.4", "luo", "reads-when-off"),
        ("7.3.4", "luo-file", "count-check"), ("7.3.4", "reserve-mem", "size-differs"), ("7.3.4", "kho", "writes"),
    ],
)  # fmt: skip
def test_what_was_seen_on_booted_kernels_is_observed(label: str, component: str, fact: str) -> None:
    assert SCHEMA.source(SCHEMA.release(label), component, fact).kind is ProvenanceKind.OBSERVED


def test_a_schema_put_together_by_hand_falls_back_to_the_component() -> None:
    release = SCHEMA.release("7.3.4")
    spec = release.components["memfd"].model_copy(update={"sources": {}})
    other = release.model_copy(update={"components": {"memfd": spec}})
    assert SCHEMA.source(other, "memfd", "writes") == spec.provenance
