# SPDX-License-Identifier: Apache-2.0
"""A format that a codec could not run is a mistake with a place, not a crash later."""

from __future__ import annotations

import pytest

from qualify.schema import Format, load
from qualify.schema.contract import unmet
from qualify.schema.layout import parse_type

SCHEMA = load()


def broken(format_id: str, **changes: object) -> list[str]:
    plain = SCHEMA.formats[format_id].model_dump(mode="json") | changes
    return [text for _, text in unmet(Format.model_validate(plain), SCHEMA.structs)]


@pytest.mark.parametrize("form", SCHEMA.formats.values(), ids=lambda f: f.id)
def test_every_shipped_format_keeps_it(form: Format) -> None:
    assert not list(unmet(form, SCHEMA.structs))


def without_role(format_id: str, role: str) -> dict[str, object]:
    def strip(node: dict[str, object]) -> dict[str, object]:
        return node | {
            "properties": [p for p in node["properties"] if p["role"] != role],  # type: ignore[index,attr-defined]
            "children": [strip(c) for c in node["children"]],  # type: ignore[attr-defined]
        }

    fdt = SCHEMA.formats[format_id].fdt
    assert fdt is not None
    return {"fdt": strip(fdt.model_dump(mode="json"))}


def test_a_list_of_folios_says_what_an_element_is() -> None:
    for name in ("kho-test-v1-inline", "kho-test-v1-vmalloc"):
        fdt = SCHEMA.formats[name].fdt
        assert fdt is not None
        plain = fdt.model_dump(mode="json")
        plain["children"][0]["properties"][1] |= {"array": None, "encoding": None}
        assert broken(name, fdt=plain) == ["'folios_info' must say 'array: u64' and 'encoding: address-or-order'"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"table_bits": 8}, "table_bits 8 means 256 addresses, struct 'kho_radix_node' has 512 in 4096 bytes"),
        ({"leaf_bits": 14}, "leaf_bits 14 means 16384 bits, struct 'kho_radix_leaf' has 32768"),
        ({"node": "kho_scratch"}, "table_bits 9 means 512 addresses, struct 'kho_scratch' has 2 in 16 bytes"),
    ],
)
def test_a_radix_tree_and_its_structs_say_the_same(changes: dict[str, object], message: str) -> None:
    layout = SCHEMA.formats["kho-v4"].memory_map
    assert layout is not None
    assert broken("kho-v4", memory_map=layout.model_dump() | changes) == [message]


def test_every_number_in_a_tree_states_its_byte_order() -> None:
    """All of them native: KHO's users store words, not cells."""
    nodes = [form.fdt for form in SCHEMA.formats.values() if form.fdt is not None]
    nodes += [child for node in nodes for child in node.children]
    found = {(p.type, p.endian) for node in nodes for p in node.properties}
    assert found == {("u32", "native"), ("u64", "native"), ("bytes", "native")}


def test_every_struct_is_used() -> None:
    used = set().union(*(SCHEMA.resolved(name)["layouts"] for name in SCHEMA.formats))
    inner = {parse_type(f.type).base for s in SCHEMA.structs.values() for f in s.fields if parse_type(f.type).is_struct}
    assert set(SCHEMA.structs) - used - inner == set()


@pytest.mark.parametrize(
    ("format_id", "changes", "message"),
    [
        ("kho-v4", {"memory_map": None}, "a format of 'kho' must name memory_map"),
        ("kho-v4", {"structs": {}}, "a format of 'kho' must name structs.scratch"),
        ("kho-v4", without_role("kho-v4", "memory-map"), "no property of the root has the role memory-map"),
        ("kho-v4", without_role("kho-v4", "address"), "no child has properties with the roles address"),
        ("memblock-v1", without_role("memblock-v1", "size"), "no child has properties with the roles address, size"),
        ("kho-test-v1-vmalloc", {"constants": {}}, "a format of 'kho-test' must name constants.magic"),
        (
            "kho-test-v1-vmalloc",
            without_role("kho-test-v1-vmalloc", "checksum"),
            "no child has properties with the roles checksum, count, folios",
        ),
        (
            "memfd-v2",
            {"struct": "luo_ser"},
            "struct 'luo_ser' lacks the member folios.first, folios.flags, folios.order",
        ),
        ("memfd-v2", {"constants": {"DIRTY": 1}}, "a format of 'memfd' must name constants.UPTODATE"),
        ("luo-session-v5", {"container": None}, "a format of 'luo-session' must name container"),
        ("kexec-metadata-v1", {"version": None}, "a format of 'kexec-metadata' must name version"),
        ("kho-vmalloc", {"struct": "kho_scratch"}, "struct 'kho_scratch' lacks the member first, flags, order"),
    ],
)
def test_what_is_missing_is_said(format_id: str, changes: dict[str, object], message: str) -> None:
    said = broken(format_id, **changes)
    assert any(text.startswith(message) for text in said), said
