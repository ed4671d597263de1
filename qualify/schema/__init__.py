# SPDX-License-Identifier: Apache-2.0
"""The shared serialization schema: what each kernel release writes, reads, requires and does on a mismatch."""

from qualify.schema.arch import ARCHITECTURES, Architecture
from qualify.schema.base import Provenance, ProvenanceKind
from qualify.schema.format import (
    ArrayTable,
    BlockList,
    ChunkListMap,
    Container,
    Encoding,
    FdtNode,
    FdtProperty,
    Format,
    MemoryMap,
    RadixTreeMap,
)
from qualify.schema.layout import Field, FlatField, Struct
from qualify.schema.loader import DATA, load
from qualify.schema.messages import Level, LogMessage, Match, Meaning, match
from qualify.schema.names import suggest_release
from qualify.schema.release import Component, ComponentSpec, Condition, Reaction, Release, Stage
from qualify.schema.schema import Schema, struct_ids

__all__ = [
    "ARCHITECTURES",
    "DATA",
    "Architecture",
    "ArrayTable",
    "BlockList",
    "ChunkListMap",
    "Component",
    "ComponentSpec",
    "Condition",
    "Container",
    "Encoding",
    "FdtNode",
    "FdtProperty",
    "Field",
    "FlatField",
    "Format",
    "Level",
    "LogMessage",
    "Match",
    "Meaning",
    "MemoryMap",
    "Provenance",
    "ProvenanceKind",
    "RadixTreeMap",
    "Reaction",
    "Release",
    "Schema",
    "Stage",
    "Struct",
    "load",
    "match",
    "struct_ids",
    "suggest_release",
]
