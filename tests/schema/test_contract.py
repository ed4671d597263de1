# SPDX-License-Identifier: Apache-2.0
"""A format that a codec could not run is a mistake with a place, not a crash later."""

from __future__ import annotations

import pytest

from qualify.schema import Format, load
from qualify.schema.contract import unmet

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
