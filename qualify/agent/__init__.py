# SPDX-License-Identifier: Apache-2.0
"""The guest agent: the program that runs in the machine, what it is told, what it tells, and how it gets there."""

from qualify.agent.compile import agent_binary
from qualify.agent.contents import contents, contents_hash, region_parts
from qualify.agent.initramfs import Entry, write_newc
from qualify.agent.ktap import ktap
from qualify.agent.plan import Fill, Finalise, Load, LoadKind, Plan, PlanFile, PlanRegion, PlanSession, Stage, render
from qualify.agent.records import Blobs, Record, RecordReader, blobs

__all__ = [
    "Blobs",
    "Entry",
    "Fill",
    "Finalise",
    "Load",
    "LoadKind",
    "Plan",
    "PlanFile",
    "PlanRegion",
    "PlanSession",
    "Record",
    "RecordReader",
    "Stage",
    "agent_binary",
    "blobs",
    "contents",
    "contents_hash",
    "ktap",
    "region_parts",
    "render",
    "write_newc",
]
