# SPDX-License-Identifier: Apache-2.0
"""Structured differences: everything that tells two releases or formats apart, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from qualify.schema import load
from qualify.schema.diff import Difference, DifferenceKind, diff_formats, diff_releases

SCHEMA = load()
K = DifferenceKind


def releases(old: str, new: str) -> list[Difference]:
    return list(diff_releases(SCHEMA, SCHEMA.release(old), SCHEMA.release(new)))


def formats(old: str, new: str) -> list[Difference]:
    return list(diff_formats(SCHEMA, SCHEMA.format(old), SCHEMA.format(new)))


def test_nothing_differs_from_itself() -> None:
    for release in SCHEMA.releases:
        assert diff_releases(SCHEMA, release, release) == ()
    for form in SCHEMA.formats.values():
        assert diff_formats(SCHEMA, form, form) == ()


def test_equal_fingerprints_mean_no_difference_and_the_other_way_round() -> None:
    for old in SCHEMA.releases:
        for new in SCHEMA.releases:
            alike = SCHEMA.fingerprint(old) == SCHEMA.fingerprint(new)
            behaviour = [d for d in diff_releases(SCHEMA, old, new) if d.kind is not K.CONFIG]
            assert alike == (not behaviour), (old.label, new.label)


def test_a_difference_is_the_same_seen_from_the_other_side() -> None:
    for old, new in [("6.17.8", "6.17.13"), ("7.0.13", "7.1.3"), ("7.1.13", "7.2.13"), ("6.19.11", "7.3.4")]:
        there = {(d.component, d.kind, d.where, d.before, d.after) for d in releases(old, new)}
        back = {(d.component, d.kind, d.where, d.after, d.before) for d in releases(new, old)}

        # where a struct was renamed, its label names both in the order asked for
        def plain(found: set[tuple[str, K, str, str, str]]) -> set[tuple[str, K, str, str, str]]:
            return {(c, k, "".join(sorted(w)), b, a) for c, k, w, b, a in found}

        assert plain(there) == plain(back)


def test_a_bitmap_that_grew_behind_its_string() -> None:
    assert formats("kho-v1-b512", "kho-v1-b4096") == [Difference("kho", K.MAP, "map bitmap_bytes", "512", "4096")]


def test_a_string_that_changed_alone() -> None:
    """An over-strict refusal: nothing of it is on the wire but the string itself."""
    found = formats("kho-v3", "kho-v4")
    assert found == [Difference("kho", K.STRING, "compatible", "kho-v3", "kho-v4")]
    assert not any(d.kind.on_the_wire for d in found)


def test_an_array_that_moved_elsewhere() -> None:
    assert [str(d) for d in formats("kho-test-v1-inline", "kho-test-v1-vmalloc")] == [
        "/data/folios_info: native bytes u64[] address-or-order"
        " -> native bytes struct kho_vmalloc leading to u64[] address-or-order"
    ]


def test_the_string_of_an_inner_node_is_a_difference_of_the_node() -> None:
    form = SCHEMA.format("memblock-v1")
    assert form.fdt is not None
    other = form.fdt.children[0].model_copy(update={"compatible": "reserve-mem-v2"})
    changed = form.model_copy(update={"fdt": form.fdt.model_copy(update={"children": (other,)})})
    expected = Difference("reserve-mem", K.NODE, "/*", "node reserve-mem-v1", "node reserve-mem-v2")
    assert list(diff_formats(SCHEMA, form, changed)) == [expected]


def test_members_that_moved_and_came() -> None:
    found = [d for d in formats("memfd-v1", "memfd-v2") if d.kind is K.LAYOUT]
    assert [str(d) for d in found] == [
        "sizeof memfd_luo_ser: 40 bytes -> 48 bytes",
        "memfd_luo_ser.nr_folios: u64 at 16 -> u64 at 24",
        "memfd_luo_ser.folios.first: phys at 24 -> phys at 32",
        "memfd_luo_ser.folios.total_pages: u32 at 32 -> u32 at 40",
        "memfd_luo_ser.folios.flags: u16 at 36 -> u16 at 44",
        "memfd_luo_ser.folios.order: u16 at 38 -> u16 at 46",
        "memfd_luo_ser.seals: + u32 at 16",
        "memfd_luo_ser.flags: + u32 at 20",
    ]


def test_properties_tell_what_no_longer_is_lost() -> None:
    found = [d for d in formats("memfd-v1", "memfd-v2") if d.kind is K.PROPERTY]
    assert found == [Difference("memfd", K.PROPERTY, "seals", "dropped", "carried")]


def test_a_node_that_became_mandatory() -> None:
    found = [(d.kind, str(d)) for d in releases("6.19", "7.0") if d.component == "luo"]
    assert found == [
        (K.FORMAT, "writes: luo-v1 -> luo-v1-flb"),
        (K.FORMAT, "reads: luo-v1 -> luo-v1-flb"),
        (K.NODE, "/luo-flb: + node"),
        (K.REQUIREMENT, "luo-flb: + required"),
    ]


def test_a_struct_in_another_role() -> None:
    found = [str(d) for d in formats("luo-session-v2", "luo-session-v5") if d.kind is K.LAYOUT]
    assert found == [
        "sizeof luo_session_header_ser -> kho_block_header_ser: 8 bytes -> 16 bytes",
        "luo_session_header_ser -> kho_block_header_ser.count: u64 at 0 -> u64 at 8",
        "luo_session_header_ser -> kho_block_header_ser.next: + phys at 0",
    ]


def test_a_table_that_became_a_list() -> None:
    found = [str(d) for d in formats("luo-file-v2", "luo-file-v5") if d.kind is K.LIMIT]
    assert found == ["container kind: array -> blocks", "container pages: - 2", "container max_blocks: + 10000"]


def test_reactions_traits_and_components() -> None:
    found = {(d.kind, d.component, str(d)) for d in releases("7.0", "7.1.3")}
    older = {(d.kind, d.component, str(d)) for d in releases("6.19", "7.0")}
    assert (K.REACTION, "luo-file", "no-handler: file-missing -> open-fails") in older
    assert (K.TRAIT, "kho", "finalise: at-reboot -> stateless") in found
    assert (K.COMPONENT, "kexec-metadata", "kexec-metadata: + kexec-metadata-v1") in found
    assert (K.CONFIG, "", "LIVEUPDATE_MEMFD: + y") in found


def test_a_component_that_is_gone() -> None:
    found = releases("7.1.13", "7.1.13-nomemfd")
    assert [(d.kind, str(d)) for d in found] == [
        (K.CONFIG, "LIVEUPDATE_MEMFD: y -> n"),
        (K.COMPONENT, "memfd: - memfd-v2"),
    ]


def test_another_machine() -> None:
    release = SCHEMA.release("7.3.4")
    other = release.model_copy(update={"label": "other", "page_size": 65536})
    schema = replace(SCHEMA, releases=(*SCHEMA.releases, other))
    assert list(diff_releases(schema, release, other)) == [Difference("", K.MACHINE, "page_size", "4096", "65536")]


@pytest.mark.parametrize("kind", DifferenceKind)
def test_what_is_on_the_wire(kind: DifferenceKind) -> None:
    assert kind.on_the_wire == (kind in (K.CARRIER, K.NODE, K.LAYOUT, K.MAP))
