# SPDX-License-Identifier: Apache-2.0
"""A schema small enough to read in a test: one component that carries another, a struct, two formats, a release."""

from __future__ import annotations

from pathlib import Path

__all__ = ["write_mini"]

BASE = """\
components:
  - id: core
    title: Core
    stage: setup
    provenance: &c {kind: inferred, note: made up}
    traits:
      width: {values: [narrow, wide], default: wide, text: how wide, provenance: *c}
      depth: {default: 3, text: how deep, provenance: {kind: inferred, note: as deep as most}}
  - id: cargo
    title: Cargo
    stage: user
    provenance: *c
    depends: [core]
    contents: [size]
    properties: {size: bytes, colour: paint}
structs:
  - id: cargo_ser
    name: cargo_ser
    size: 16
    provenance: &p {kind: read, release: "1.0", file: cargo.c}
    fields:
      - {name: size, type: u64, offset: 0}
      - {name: colour, type: u32, offset: 8}
formats:
  - id: core-v1
    component: core
    compatible: core-v1
    carrier: {component: ""}
    fdt: {compatible: core-v1, properties: [{name: map, type: u64, endian: native}]}
    provenance: *p
  - id: cargo-v1
    component: cargo
    compatible: cargo-v1
    carrier: {component: core, subtree: cargo}
    struct: cargo_ser
    carried: [size, colour]
    provenance: *p
"""

RELEASE = """\
label: "1.0"
version: "1.0"
aliases: ["1"]
provenance: &p {kind: read, release: "1.0", file: core.c}
components:
  core: {writes: core-v1, reads: [core-v1], on: {incompatible: cold-boot}, provenance: *p}
  cargo: {writes: cargo-v1, reads: [cargo-v1], provenance: *p}
"""


def write_mini(folder: Path) -> Path:
    """The folder with the small schema in it."""
    (folder / "releases").mkdir(parents=True)
    (folder / "base.yaml").write_text(BASE)
    (folder / "releases" / "1.0.yaml").write_text(RELEASE)
    return folder
