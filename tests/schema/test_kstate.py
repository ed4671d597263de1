# SPDX-License-Identifier: Apache-2.0
"""KSTATE descriptions from files."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from qualify.errors import SchemaError
from qualify.schema.kstate import FieldKind, KstateDescription, load_descriptions
from tests.bad_input import cases

CASES = cases(Path(__file__).with_name("bad_kstate.txt"))

GOOD = """\
descriptions:
  - name: pci_state
    id: 6
    instance_id: -2
    version_id: 3
    min_version_id: 1
    fields:
      - {name: devfn, kind: base, size: 4}
      - {name: config, kind: pointer, size: 256, version_id: 2}
      - {name: old, kind: deprecated, size: 2, version_id: 2}
      - {name: early, kind: base, size: 1, version_id: 4}
      - {name: page, kind: address}
      - {name: dma, kind: folio}
      - {name: blob, kind: custom, size: 12}
      - {name: bars, kind: array-of-pointers, size: 8, count: 6}
      - name: msi
        kind: struct
        description: {name: msi_state, id: 7, fields: [{name: nr, kind: base, size: 4}]}
    subsections:
      - {name: pasid, id: 8, fields: [{name: max, kind: base, size: 2}]}
  - {name: empty, id: 6, instance_id: 1}
"""


def load(folder: Path, text: str) -> tuple[KstateDescription, ...]:
    path = folder / "kstate.yaml"
    path.write_text(text)
    return load_descriptions(path)


def test_everything_a_description_may_hold(tmp_path: Path) -> None:
    pci, empty = load(tmp_path, GOOD)
    assert (pci.id, pci.instance_id, pci.version_id, pci.min_version_id) == (6, -2, 3, 1)
    assert [f.kind for f in pci.fields if f.name != "early"] == [
        FieldKind.BASE, FieldKind.POINTER, FieldKind.DEPRECATED, FieldKind.ADDRESS,
        FieldKind.FOLIO, FieldKind.CUSTOM, FieldKind.ARRAY_OF_POINTERS, FieldKind.STRUCT,
    ]  # fmt: skip
    assert {f.name: f.size for f in pci.fields if f.kind in (FieldKind.ADDRESS, FieldKind.FOLIO)} == {
        "page": 8,
        "dma": 8,
    }
    assert pci.fields[-1].description is not None
    assert [s.name for s in pci.subsections] == ["pasid"]
    assert [f.name for f in pci.unwritten()] == ["early"]
    assert [f.name for f in pci.written()] == ["devfn", "config", "page", "dma", "blob", "bars", "msi"]
    assert (empty.version_id, empty.min_version_id, empty.fields) == (1, 0, ())
    with pytest.raises(ValidationError, match="frozen"):
        pci.version_id = 4  # type: ignore[misc]  # what is tested


def test_a_single_description(tmp_path: Path) -> None:
    assert [d.name for d in load(tmp_path, "name: a\nid: 3\n")] == ["a"]


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES.keys())
def test_message_and_place(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(SchemaError) as caught:
        load(tmp_path, text)
    assert str(caught.value).replace(str(tmp_path / "kstate.yaml"), "FILE") == expected
    assert caught.value.exit_status == 2


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"none\.yaml: no such file"):
        load_descriptions(tmp_path / "none.yaml")
