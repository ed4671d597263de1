# SPDX-License-Identifier: Apache-2.0
"""The decision against a table that was derived by hand, for all pairs of ten releases.

Origin: static prediction table, derived Nov 2026 from the releases' sources; its workload is one reserve_mem region
and, where LUO exists, one session with one memfd; kho=on and liveupdate=on on both sides.

The table is right in all its 100 pairs, for its workload, and names the worst case of placement. What it leaves out:

* kho_test is no part of its workload. Under ``ok-kho`` and ``leak`` it is REFUSED wherever one side stores folios_info
  inline (up to 6.17) and the other by kho_vmalloc (from 6.18): kho_test_restore_data() in lib/test_kho.c compares the
  property's length, and for exactly two folios the checksum.
* LOSS depends on placement. Regions come back whose blocks all lie in the first part of their windows; kho_test is
  LOST, not REFUSED, where the root FDT itself is not reserved: its subtree is not found then, and it saves afresh.
"""

from __future__ import annotations

import itertools

import pytest

from qualify.compat import decide
from qualify.model import Consequence, ObjectPrediction, Verdict
from qualify.scenario import Flb, Folio, Host, KhoTest, Memfd, Placement, ReserveMem, Scenario, Session, library
from qualify.schema import Release, Schema, load

LABELS = ("6.16", "6.17.0-6.17.8", "6.17.9+", "6.18", "6.19.6-6.19.8", "6.19.10-6.19.12", "7.0", "7.1", "7.2", "7.3")
TABLE = {
    "6.16": "ok-kho ok-kho OVER OVER OVER OVER OVER REF REF REF",
    "6.17.0-6.17.8": "ok-kho ok-kho OVER OVER OVER OVER OVER REF REF REF",
    "6.17.9+": "LOSS LOSS ok-kho ok-kho ok-kho ok-kho ok-kho REF REF REF",
    "6.18": "LOSS LOSS ok-kho ok-kho ok-kho ok-kho ok-kho REF REF REF",
    "6.19.6-6.19.8": "LOSS LOSS leak leak ok ok PANIC REF REF REF",
    "6.19.10-6.19.12": "LOSS LOSS leak leak ok ok PANIC REF REF REF",
    "7.0": "LOSS LOSS leak leak ok+x ok+x ok REF REF REF",
    "7.1": "REF REF REF REF REF REF REF ok REF REF",
    "7.2": "REF REF REF REF REF REF REF REF ok ok",
    "7.3": "REF REF REF REF REF REF REF REF ok ok",
}
PAIRS = [
    (source, target, word) for source, row in TABLE.items() for target, word in zip(LABELS, row.split(), strict=True)
]

SCENARIO = Scenario(
    id="table",
    title="The table's workload, and an FLB",
    purpose="",
    objects=(
        ReserveMem(kind="reserve-mem", name="alpha", size=4 << 20, at=0x3F9DD000),
        Session(
            kind="session", name="qual", files=(Memfd(token=0x1A, size=4 << 20, at=0x31777000, allow_sealing=False),)
        ),
        Flb(kind="flb", name="test", data=7),
    ),
)

R, L, P, C, U = Verdict.RESTORED, Verdict.LOST, Verdict.PANIC, Verdict.CORRUPT, Verdict.UNSUPPORTED
# word -> what becomes of the region, of session and memfd, of the FLB - each as far as it was handed over
MEANING: dict[str, tuple[set[Verdict], set[Verdict], set[Verdict]]] = {
    "REF": ({L}, {L}, {L}),
    "leak": ({R}, {L}, {L}),
    "ok": ({R}, {R}, {R}),
    "ok-kho": ({R}, {U}, {U}),
    "ok+x": ({R}, {R}, {L}),
    "PANIC": ({P}, {P}, {P}),
    "OVER": ({R, P}, {U}, {U}),
    "LOSS": ({C}, {L}, {L}),
}


@pytest.fixture(scope="module")
def schema() -> Schema:
    return load()


def _objects(schema: Schema, source: str, target: str, scenario: Scenario) -> dict[str, ObjectPrediction]:
    found = decide(schema, schema.release(source), schema.release(target), scenario)
    return {o.component: o for o in found.objects}


def _has(release: Release, component: str) -> bool:
    return component in release.components


def test_table_is_complete() -> None:
    assert len(PAIRS) == 100
    assert set(MEANING) == {word for _, _, word in PAIRS}


@pytest.mark.parametrize(("source", "target", "word"), PAIRS, ids=[f"{s}-to-{t}" for s, t, _ in PAIRS])
def test_decision_equals_table(schema: Schema, source: str, target: str, word: str) -> None:
    objects, release = _objects(schema, source, target, SCENARIO), schema.release(source)
    region, luo, flb = MEANING[word]
    assert objects["reserve-mem"].verdicts == region
    for component in ("luo-session", "memfd"):
        assert objects[component].verdicts == (luo if _has(release, component) else {U})
    # 6.19 has LUO and no FLBs: nothing is handed over, unless the target dies
    assert objects["luo-flb"].verdicts == (flb if _has(release, "luo-flb") else {U})


@pytest.mark.parametrize(("source", "target", "word"), PAIRS, ids=[f"{s}-to-{t}" for s, t, _ in PAIRS])
def test_consequences_equal_table(schema: Schema, source: str, target: str, word: str) -> None:
    found = decide(schema, schema.release(source), schema.release(target), SCENARIO)
    objects = {o.component: o for o in found.objects}
    held = {c: {x for a in o.alternatives for x in a.consequences} for c, o in objects.items()}
    if word == "leak":
        assert Consequence.LEAKED in held["luo-session"] & held["memfd"]
    elif word == "OVER":
        given = [a for a in found.alternatives if a.verdict is R]  # a consequence of the machine, not of one object
        assert [a.consequences for a in given] == [{Consequence.SPURIOUS_RESERVATION}]
        assert not set().union(*held.values())
        assert all(a.condition for a in objects["reserve-mem"].alternatives)
    elif word in ("REF", "ok", "ok-kho", "PANIC"):
        assert not set().union(*held.values(), *(a.consequences for a in found.alternatives))


@pytest.mark.parametrize(("source", "target"), [(s, t) for s, t, w in PAIRS if w == "LOSS"])
def test_loss_depends_on_placement(schema: Schema, source: str, target: str) -> None:
    """An aligned region below 16 GiB survives the pair that loses pages behind bit 4095."""
    low = library()["window-4m-low"]
    assert _objects(schema, source, target, low)["reserve-mem"].verdicts == {R}
    high = library()["window-4m-above-16g"]
    assert _objects(schema, source, target, high)["reserve-mem"].verdicts == {C}


def _kho_test(metadata: int, at: int) -> Scenario:
    return Scenario(
        id="kho-test",
        title="kho_test",
        purpose="",
        host=Host(ram=4 << 30),
        placement=Placement(metadata=metadata),
        objects=(KhoTest(kind="kho-test", folios=(Folio(at=0x80100000), Folio(at=at), Folio(at=0x82000000, order=3))),),
    )


KHO_TEST = ("6.17.0-6.17.8", "6.17.9+", "6.18", "6.19")


def test_kho_test_under_loss(schema: Schema) -> None:
    """REFUSED when its FDT survives and a folio does not; RESTORED when both do; LOST when the root FDT does not."""
    pair = ("6.17.9+", "6.17.0-6.17.8")
    assert _objects(schema, *pair, _kho_test(0x80400000, 0x81000000))["kho-test"].verdicts == {Verdict.REFUSED}
    assert _objects(schema, *pair, _kho_test(0x80400000, 0x80300000))["kho-test"].verdicts == {R}
    assert _objects(schema, *pair, _kho_test(0x3A400000, 0x80300000))["kho-test"].verdicts == {L}


@pytest.mark.parametrize(("source", "target"), list(itertools.product(KHO_TEST, repeat=2)))
def test_kho_test_is_no_part_of_the_table(schema: Schema, source: str, target: str) -> None:
    """Where the table says ok-kho, kho_test agrees only if both sides store their folios in the same form."""
    found = _objects(schema, source, target, _kho_test(0x80400000, 0x80300000))["kho-test"].verdicts - {P}
    inline = [schema.release(name).components["kho-test"].writes == "kho-test-v1-inline" for name in (source, target)]
    assert found == ({R} if inline[0] == inline[1] else {Verdict.REFUSED})
