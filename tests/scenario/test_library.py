# SPDX-License-Identifier: Apache-2.0
"""The scenarios that ship: complete, small unless said otherwise, and reaching the limits that they are named after."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from qualify.errors import ScenarioError
from qualify.scenario import (
    Flb,
    KhoTest,
    Placement,
    ReserveMem,
    Scenario,
    Session,
    file_blocks,
    kho_test_blocks,
    library,
    load_scenarios,
    reserve_blocks,
    session_files,
)
from qualify.schema import load

LIBRARY = library()
MIB = 1 << 20
# what the library is for: every theme that a release engineer may select
TAGS = {
    "baseline",
    "boundary",
    "flb",
    "handler",
    "kexec-metadata",
    "kho-test",
    "large",
    "limits",
    "memfd",
    "mixed",
    "neighbours",
    "operator",
    "orders",
    "page-size",
    "reserve-mem",
    "seals",
    "session",
}


def blocks(scenario: Scenario) -> list[tuple[int, int]]:
    """(address, order) of every block of contents."""
    found = []
    for obj in scenario.objects:
        if isinstance(obj, ReserveMem):
            found.append(reserve_blocks(obj))
        elif isinstance(obj, Session):
            found += [file_blocks(file, index) for _, file, index in session_files(obj)]
        elif isinstance(obj, KhoTest):
            found.append(kho_test_blocks(obj))
    return [(int(at), int(order)) for at, order in np.concatenate(found)] if found else []


def windows(scenario: Scenario, order: int, base: int) -> set[int]:
    """Windows of `base` << order bytes that hold a block of that order."""
    return {at // (base << order) for at, o in blocks(scenario) if o == order}


def test_the_baseline_comes_first() -> None:
    assert next(iter(LIBRARY)) == "baseline"


@pytest.mark.parametrize("scenario", LIBRARY.values(), ids=LIBRARY.keys())
def test_every_scenario_says_what_it_is_for(scenario: Scenario) -> None:
    assert scenario.title
    assert scenario.purpose.endswith(".")
    assert not scenario.title.endswith(".")
    assert scenario.tags
    assert set(scenario.tags) <= TAGS | {t for t in scenario.tags if t.startswith("host-")}


@pytest.mark.parametrize("scenario", LIBRARY.values(), ids=LIBRARY.keys())
def test_only_large_scenarios_touch_many_bytes(scenario: Scenario) -> None:
    if "large" in scenario.tags:
        assert scenario.touched_bytes > 64 * MIB
    else:
        assert scenario.touched_bytes <= 8 * MIB


def test_all_but_the_large_ones_together_are_quick() -> None:
    assert sum(s.touched_bytes for s in LIBRARY.values() if "large" not in s.tags) < 48 * MIB


def test_tags_of_hosts_say_how_much_ram_they_need() -> None:
    for scenario in LIBRARY.values():
        larger = [t for t in scenario.tags if t.startswith("host-")]
        if scenario.host.ram > 1 << 30 and "large" not in scenario.tags:
            unit = f"{scenario.host.ram >> 40}t" if scenario.host.ram >= 1 << 40 else f"{scenario.host.ram >> 30}g"
            assert larger == [f"host-{unit}"]
        else:
            assert larger == []


def test_no_two_scenarios_are_the_same() -> None:
    without_id = [s.model_dump_json(exclude={"id", "title", "purpose", "tags"}) for s in LIBRARY.values()]
    assert len(set(without_id)) == len(without_id)


def test_every_tag_is_used() -> None:
    assert {t for s in LIBRARY.values() for t in s.tags if not t.startswith("host-")} == TAGS


def test_names_of_components_exist_in_the_schema() -> None:
    schema = load()
    for scenario in LIBRARY.values():
        assert set(scenario.target.without) <= set(schema.components), scenario.id
        assert {obj.component for obj in scenario.objects} <= set(schema.components)


def test_limits_are_reached_and_passed() -> None:
    def sessions(name: str) -> int:
        return sum(o.count for o in LIBRARY[name].objects if isinstance(o, Session))

    def files(name: str) -> int:
        return sum(f.count for o in LIBRARY[name].objects if isinstance(o, Session) for f in o.files)

    assert [sessions(f"sessions-{n}") for n in (51, 52, 818, 819, 820)] == [51, 52, 818, 819, 820]
    assert [files(f"files-{n}") for n in (63, 64, 127, 128, 129)] == [63, 64, 127, 128, 129]
    # only the one too many may be refused, so it stands by itself
    assert LIBRARY["sessions-820"].object_ids[-1] == "session/one-too-many"
    assert LIBRARY["files-129"].object_ids[-1] == "memfd/qual/0x1000"


@pytest.mark.parametrize(
    ("name", "base", "order", "inside", "outside"),
    [
        ("window-16m-last-page", 16 * MIB, 0, True, False),
        ("window-16m-next-page", 16 * MIB, 0, False, True),
        ("window-16m-straddle", 16 * MIB, 0, True, True),
        ("window-128m-last-page", 16 * MIB, 0, False, True),
        ("window-128m-first-page", 16 * MIB, 0, True, False),
        ("window-128m-straddle", 16 * MIB, 0, True, True),
        ("window-order-4-last-block", 16 * MIB, 4, True, False),
        ("window-order-4-next-block", 16 * MIB, 4, False, True),
        ("window-order-9-last-block", 16 * MIB, 9, True, False),
        ("window-order-9-next-block", 16 * MIB, 9, False, True),
        ("window-order-9-straddle", 16 * MIB, 9, True, True),
        ("window-4m-low", 16 * MIB, 10, True, False),
        ("window-4m-below-16g", 16 * MIB, 10, True, False),
        ("window-4m-above-16g", 16 * MIB, 10, False, True),
    ],
)
def test_windows_are_met_at_their_edges(name: str, base: int, order: int, inside: bool, outside: bool) -> None:
    """Inside: within the first eighth of a long window, which is all that a short bitmap shows of it."""
    offsets = []
    for at, o in blocks(LIBRARY[name]):
        assert o == order
        offsets.append(at % (8 * base << order) < base << order)
    assert (any(offsets), not all(offsets)) == (inside, outside)


def test_edges_are_the_last_bits() -> None:
    assert blocks(LIBRARY["window-16m-last-page"])[0][0] % (128 * MIB) == 16 * MIB - 4096
    assert blocks(LIBRARY["window-128m-last-page"])[0][0] % (128 * MIB) == 128 * MIB - 4096
    assert blocks(LIBRARY["window-4m-below-16g"])[0][0] == (16 << 30) - 4 * MIB


def test_many_windows_need_a_second_chunk() -> None:
    assert len(windows(LIBRARY["memfd-many-windows"], 0, 128 * MIB)) > 255
    assert len(windows(LIBRARY["kho-test-many-windows"], 0, 16 * MIB)) > 255


def test_orders_that_overflow_are_there() -> None:
    assert [blocks(LIBRARY[f"reserve-mem-{n}"])[0][1] for n in ("1g", "2g", "4g")] == [18, 19, 20]


def test_addresses_reach_the_end_of_a_terabyte() -> None:
    assert max(at for at, _ in blocks(LIBRARY["window-high-addresses"])) > (1 << 40) - 16 * MIB


def test_kho_test_with_exactly_two_folios_is_there() -> None:
    test = LIBRARY["kho-test-two"].objects[0]
    assert isinstance(test, KhoTest)
    assert len(test.folios) == 2


def test_every_neighbour_is_covered() -> None:
    found = {s.placement.neighbours for s in LIBRARY.values() if "neighbours" in s.tags}
    assert found == {"unknown", "zero", "in-ram", "beyond-ram"}


def test_operator_mistakes_are_all_covered() -> None:
    scenarios = list(LIBRARY.values())
    assert any(not s.target.kho for s in scenarios)
    assert any(not s.target.liveupdate for s in scenarios)
    assert any(not s.source.kho for s in scenarios)
    assert any(not s.source.liveupdate for s in scenarios)
    assert any(s.source.finalise == "late" for s in scenarios)
    assert any(s.source.load == "kexec_load" for s in scenarios)
    assert any(s.target.kind == "crash" for s in scenarios)
    assert {s.target.page_size for s in scenarios} == {None, 16384, 65536}
    largest = [max(r.size for r in s.host.scratch) for s in scenarios]
    image = [s.target.image for s in scenarios]
    assert any(i > scratch for i, scratch in zip(image, largest, strict=True))
    room = [sum(r.size for r in s.host.scratch) for s in scenarios]
    fits = zip(scenarios, image, room, largest, strict=True)
    assert any(i <= most and i + (s.target.early_memory or 0) > all_ for s, i, all_, most in fits)


def test_flbs_come_with_a_file() -> None:
    for scenario in LIBRARY.values():
        if any(isinstance(o, Flb) for o in scenario.objects):
            assert any(isinstance(o, Session) and o.files for o in scenario.objects)


def test_extra_scenarios_join_the_library(tmp_path: Path) -> None:
    text = "{id: mine, title: t, purpose: p, objects: [{kind: kexec-metadata}]}"
    (tmp_path / "mine.yaml").write_text(text)
    assert library([tmp_path / "mine.yaml"])["mine"].title == "t"
    assert list(library([tmp_path]))[-1] == "mine"
    assert [s.id for s in load_scenarios(tmp_path / "mine.yaml")] == ["mine"]


def test_an_extra_scenario_cannot_take_the_id_of_another(tmp_path: Path) -> None:
    text = "title: t\nid: baseline\npurpose: p\nobjects: [{kind: kexec-metadata}]\n"
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ScenarioError) as caught:
        library([path])
    assert str(caught.value) == (
        f"{path}:2:1: scenario 'baseline' is defined twice\n    first at scenarios/baseline.yaml:2"
    )


def test_what_only_a_simulator_can_place_says_so() -> None:
    """No kernel can be told how far apart folios lie, nor where its own tables do (docs/model.md)."""
    spread = {
        s.id
        for s in LIBRARY.values()
        if any(f.stride is not None for o in s.objects if isinstance(o, Session) for f in o.files)
    }
    placed = {s.id for s in LIBRARY.values() if s.placement != Placement()}
    boundary = {s.id for s in LIBRARY.values() if "boundary" in s.tags}
    assert spread - boundary == {"mixed"}  # one file of many, to be like a host in use; its point is elsewhere
    assert {s.id for s in LIBRARY.values() if s.id.startswith("window-")} <= boundary | placed
