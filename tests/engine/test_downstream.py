# SPDX-License-Identifier: Apache-2.0
"""Downstream layouts under every scenario: a file that nobody can retrieve cannot kill the target."""

from __future__ import annotations

from pathlib import Path

import pytest

from qualify.backends import CellInput
from qualify.backends.simulator import SimulatorBackend
from qualify.compat import decide
from qualify.judge import judge
from qualify.model import Evidence
from qualify.scenario import library
from qualify.schema import Schema, load

NARROW = """\
structs:
  - id: memfd_luo_ser@mine
    name: memfd_luo_ser
    size: 44
    packed: true
    provenance: &here {kind: read, release: mine, file: memfd.h}
    fields:
      - {name: pos, type: u64, offset: 0}
      - {name: size, type: u32, offset: 8}
      - {name: seals, type: u32, offset: 12}
      - {name: flags, type: u32, offset: 16}
      - {name: nr_folios, type: u64, offset: 20}
      - {name: folios, type: struct kho_vmalloc, offset: 28}
formats:
  - id: memfd-v2-mine
    component: memfd
    compatible: memfd-v2
    carrier: {component: luo-file, field: data}
    struct: memfd_luo_ser@mine
    structs: {folio: memfd_luo_folio_ser}
    constants: {DIRTY: 1, UPTODATE: 2}
    carried: [size, contents, position, seals]
    not_carried: [holes, close-on-exec]
    provenance: *here
releases:
  - label: mine
    version: 7.1.13
    inherits: 7.1.13
    provenance: *here
    components: {memfd: {writes: memfd-v2-mine, reads: [memfd-v2-mine]}}
"""
USUAL = [s for s in library().values() if "large" not in s.tags]


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Schema:
    path = tmp_path_factory.mktemp("mine") / "mine.yaml"
    path.write_text(NARROW)
    return load([path])


@pytest.mark.parametrize("way", [("7.1.13", "mine"), ("mine", "7.1.13")], ids=lambda w: " to ".join(w))
def test_a_member_that_became_narrower(schema: Schema, way: tuple[str, str]) -> None:
    backend = SimulatorBackend()
    source, target = (schema.release(name) for name in way)
    for scenario in USUAL:
        predicted = decide(schema, source, target, scenario).verdicts
        seen = judge(backend.run(CellInput(schema, source, target, scenario, 1), Path()), Evidence.SIMULATED)
        assert seen.verdict in predicted, scenario.id
