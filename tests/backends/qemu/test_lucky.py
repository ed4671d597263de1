# SPDX-License-Identifier: Apache-2.0
"""When a result that looks good rests on memory that nobody had reserved."""

from __future__ import annotations

import base64

import pytest

from qualify.agent import Record
from qualify.backends.qemu.answers import Side
from qualify.backends.qemu.lucky import has_lost_root, is_given, noted
from qualify.model import Interface, MachineObservation, ObjectObservation, PropertyObservation, PropertyState, Reply
from qualify.wire import fdt

ROOT = fdt.encode_sequential(fdt.Node("", (("compatible", b"kho-v1\0"),)))
THERE = Side(system={"in_fdt": True})


def blob(data: bytes, name: str = "in/fdt") -> Record:
    fields = {"name": name, "size": len(data), "offset": 0, "data": base64.b64encode(data).decode()}
    return Record(3, "blob", 1.0, fields)


@pytest.mark.parametrize(
    ("side", "records", "lost"),
    [
        (THERE, [blob(ROOT)], False),
        (THERE, [blob(bytes(len(ROOT)))], True),
        (THERE, [blob(b"")], True),
        (THERE, [Record(3, "blob", 1.0, {"name": "in/fdt", "errno": "EFBIG"})], True),
        (THERE, [blob(ROOT, "out/fdt")], True),
        (Side(system={"in_fdt": False}), [], False),  # it took no handover
        (Side(), [], False),  # it did not live to say
    ],
)
def test_has_lost_root(side: Side, records: list[Record], lost: bool) -> None:
    assert has_lost_root(side, records) is lost


def seen(reply: Reply, state: PropertyState = PropertyState.EQUAL) -> ObjectObservation:
    properties = (PropertyObservation("contents", state, "aa", "bb", critical=True),) if reply is Reply.GIVEN else ()
    return ObjectObservation("x", "reserve-mem", Interface.RESERVE_MEM, reply, properties=properties)


def test_only_what_came_back_equal_is_doubted_and_noted() -> None:
    def machine(*objects: ObjectObservation) -> MachineObservation:
        return MachineObservation(objects)

    assert is_given(machine(seen(Reply.AS_COLD), seen(Reply.GIVEN)))
    assert not is_given(machine(seen(Reply.AS_COLD)))
    assert not is_given(machine(seen(Reply.GIVEN, PropertyState.DIFFERENT)))
    said = noted(machine(seen(Reply.AS_COLD), seen(Reply.GIVEN)), "why")
    assert [o.notes for o in said.objects] == [(), ("why",)]
