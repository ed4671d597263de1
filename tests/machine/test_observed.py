# SPDX-License-Identifier: Apache-2.0
"""docs/observed.md, row by row: what was seen on booted kernels must come out of the simulated ones.

The kernels seen are 6.18.15, 6.19.11, 7.1.13 and 7.3.4. Rows about calls that the model does not make (a second
RETRIEVE_FD, three boots, SESSION_GET_NAME, ...) are not here.
"""

from __future__ import annotations

from typing import Any

import pytest

from qualify.model import Consequence
from qualify.scenario import library
from qualify.schema import Schema
from tests.machine.bench import (
    ALPHA,
    BETA,
    KHO_TEST,
    METADATA,
    Edit,
    Written,
    consequences,
    descriptor,
    folio,
    member,
    memfd,
    prop,
    said,
    scenario,
    session,
    trip,
    verdict,
)
from tests.wire.golden import schema

SEEN = ("6.18.15", "6.19.11", "7.1.13", "7.3.4")
WITH_LUO = SEEN[1:]
LEAKED = Consequence.LEAKED
MEMFD, SESSION = "memfd/qual/0x1a", "session/qual"


def release_writes(format_id: str, **changes: Any) -> tuple[Schema, Schema]:
    """A source whose format differs from what the target goes by: a hand-made handover."""
    good = schema()
    form = good.format(format_id).model_copy(update=changes)
    return Schema(good.components, good.structs, {**good.formats, format_id: form}, good.releases), good


# --- KHO or LUO switched off in the target --------------------


@pytest.mark.parametrize("release", SEEN)
def test_target_with_kho_off(release: str) -> None:
    """reserve_mem intact, nobody looks at LUO and kho_test, and their memory stays out of MemTotal."""
    plan = scenario(ALPHA, session(memfd()), KHO_TEST, METADATA, target={"kho": False})
    seen = trip(release, release, plan)
    assert verdict(seen, "reserve_mem/alpha") == "RESTORED"
    assert verdict(seen, "kho_test") == "LOST"
    assert LEAKED in consequences(seen, "kho_test")
    if release in WITH_LUO:
        assert verdict(seen, MEMFD) == verdict(seen, SESSION) == "LOST"
        assert LEAKED in consequences(seen, MEMFD)


@pytest.mark.parametrize("release", WITH_LUO)
def test_target_without_liveupdate(release: str) -> None:
    plan = scenario(ALPHA, session(memfd()), KHO_TEST, target={"liveupdate": False})
    seen = trip(release, release, plan)
    assert verdict(seen, "reserve_mem/alpha") == verdict(seen, "kho_test") == "RESTORED"
    assert said(seen, MEMFD) == "LOST open"
    assert LEAKED in consequences(seen, MEMFD)
    assert "luo: Retrieved live update data" in seen.log


BROKEN_LUO = {
    "7.3.4": ("luo-v5", {"compatible": "luo-v9"}, "incompatible with 'luo-v5'"),
    "7.1.13": ("luo-v1-flb", {"fdt": schema().format("luo-v1").fdt}, "Unable to get node 'luo-flb'"),
    "6.19.11": (
        "luo-session-v2",
        {"fdt": schema().format("luo-session-v2").fdt.model_copy(update={"compatible": "luo-session-v1"})},  # type: ignore[union-attr]
        "incompatible with 'luo-session-v2'",
    ),
}


@pytest.mark.parametrize("release", BROKEN_LUO)
@pytest.mark.parametrize("liveupdate", [True, False])
@pytest.mark.parametrize("kho", [True, False])
def test_unreadable_luo_panics_unless_kho_is_off(release: str, liveupdate: bool, kho: bool) -> None:
    """With and without liveupdate=on; with kho=off both boot to user space."""
    format_id, changes, why = BROKEN_LUO[release]
    plan = scenario(ALPHA, session(memfd()), target={"liveupdate": liveupdate, "kho": kho})
    seen = trip(release, release, plan, schemas=release_writes(format_id, **changes))
    if kho:
        assert verdict(seen, "reserve_mem/alpha") == verdict(seen, MEMFD) == "PANIC"
        assert why in seen.detail
    else:
        assert verdict(seen, "reserve_mem/alpha") == "RESTORED"
        assert verdict(seen, MEMFD) == "LOST"


# --- finalisation ----


def test_6_18_loaded_before_it_was_finalised() -> None:
    seen = trip("6.18.15", "6.18.15", scenario(ALPHA, KHO_TEST, source={"finalise": "late"}))
    assert verdict(seen, "reserve_mem/alpha") == verdict(seen, "kho_test") == "LOST"
    assert seen.consequences == frozenset()


def test_6_19_never_finalised_is_refused_by_itself() -> None:
    """ "KHO: disabling KHO revival: -2"; the old pages are free."""
    seen = trip("6.19.11", "6.19.11", scenario(ALPHA, source={"liveupdate": False}))
    assert verdict(seen, "reserve_mem/alpha") == "LOST"
    assert "KHO: disabling KHO revival" in seen.log
    assert LEAKED not in seen.consequences


def test_6_19_never_finalised_is_taken_by_6_18() -> None:
    """Revived and free at the same time: nothing keeps it. The worst of what can happen to free memory counts."""
    seen = trip("6.19.11", "6.18.15", scenario(ALPHA, BETA, KHO_TEST, source={"liveupdate": False}))
    assert "Revived memory reservation 'alpha' from KHO" in seen.log
    assert verdict(seen, "reserve_mem/alpha") == verdict(seen, "reserve_mem/beta") == "CORRUPT"
    assert verdict(seen, "kho_test") == "LOST"


def test_6_19_never_finalised_and_another_string() -> None:
    seen = trip("6.19.11", "7.3.4", scenario(ALPHA, source={"liveupdate": False}))
    assert verdict(seen, "reserve_mem/alpha") == "LOST"


@pytest.mark.parametrize("release", ["7.1.13", "7.3.4"])
def test_nothing_to_finalise_from_7_1_on(release: str) -> None:
    seen = trip(release, release, scenario(ALPHA, source={"liveupdate": False}))
    assert verdict(seen, "reserve_mem/alpha") == "RESTORED"


# --- memfd: seals, position, size, holes ----

SEALS = {  # how it was made -> (F_GET_SEALS on the source, on a 6.19 target, on 7.1 and 7.3)
    "MFD_ALLOW_SEALING": ({"allow_sealing": True}, "0x0", "0x1", "0x0"),
    "no flag": ({}, "0x1", "0x1", "0x1"),
    "SHRINK|GROW": ({"seals": ("shrink", "grow")}, "0x6", "0x1", "0x6"),
    "WRITE": ({"seals": ("write",)}, "0x8", "0x1", "0x8"),
    "FUTURE_WRITE": ({"seals": ("future-write",)}, "0x10", "0x1", "0x10"),
    "EXEC": ({"seals": ("exec",)}, "0x3e", "0x1", "0x3e"),
    "all": ({"seals": ("seal", "shrink", "grow", "write", "future-write", "exec")}, "0x3f", "0x1", "0x3f"),
    "MFD_NOEXEC_SEAL": ({"noexec_seal": True}, "0x20", "0x1", "0x3e"),
}


@pytest.mark.parametrize("made", SEALS)
@pytest.mark.parametrize("release", WITH_LUO)
def test_seals(made: str, release: str) -> None:
    options, before, after_6_19, after = SEALS[made]
    file = memfd(**options)
    assert f"{file.seal_mask:#x}" == before
    want = after_6_19 if release == "6.19.11" else after
    seen = trip(release, release, scenario(session(file)))
    assert prop(seen, MEMFD, "seals") == want
    assert verdict(seen, MEMFD) == ("RESTORED" if want == before else "DEGRADED")


@pytest.mark.parametrize("release", WITH_LUO)
@pytest.mark.parametrize(("size", "position"), [(20480, p) for p in (0, 1, 4096, 20480, 22288)] + [(0, 100), (5000, 0)])
def test_position_and_size(release: str, size: int, position: int) -> None:
    seen = trip(release, release, scenario(session(memfd(size=size, position=position))))
    assert verdict(seen, MEMFD) == "RESTORED"
    assert prop(seen, MEMFD, "position") == str(position)
    assert prop(seen, MEMFD, "size") == str(size)


@pytest.mark.parametrize("release", WITH_LUO)
def test_position_of_2_63_becomes_0(release: str) -> None:
    seen = trip(release, release, scenario(session(memfd(position=1 << 63))))
    assert prop(seen, MEMFD, "position") == "0"


@pytest.mark.parametrize("release", WITH_LUO)
@pytest.mark.parametrize("holes", [((4096, 8192),), ((0, 32768),)])
def test_holes_come_back_filled(release: str, holes: tuple[tuple[int, int], ...]) -> None:
    """Dense zeros after retrieve: the contents are equal and the holes are gone, which the format says."""
    seen = trip(release, release, scenario(session(memfd(holes=holes))))
    assert verdict(seen, MEMFD) == "RESTORED"
    assert prop(seen, MEMFD, "holes") == "none"
    assert prop(seen, MEMFD, "close-on-exec") == "set"


@pytest.mark.parametrize("release", WITH_LUO)
def test_size_larger_than_the_folios_reads_as_zeros(release: str) -> None:
    def grow(written: Written) -> None:
        written.put(descriptor(written) + member(release, "size"), 40 << 10)
        written.put(descriptor(written) + member(release, "nr_folios"), 8)

    # the last two pages are a hole for the comparison: zeros
    seen = trip(release, release, scenario(session(memfd(size=40 << 10, holes=((32 << 10, 8 << 10),)))), edit=grow)
    assert verdict(seen, MEMFD) == "RESTORED"


@pytest.mark.parametrize("release", ["7.1.13", "7.3.4"])
def test_flags_are_ignored_and_unknown_seals_are_not(release: str) -> None:
    def flags(written: Written) -> None:
        written.put(descriptor(written) + member(release, "flags"), 1, 4)

    def seals(written: Written) -> None:
        written.put(descriptor(written) + member(release, "seals"), 0x40, 4)

    plan = scenario(session(memfd()))
    assert verdict(trip(release, release, plan, edit=flags), MEMFD) == "RESTORED"
    assert said(trip(release, release, plan, edit=seals), MEMFD) == "REFUSED RETRIEVE_FD EOPNOTSUPP"
    assert verdict(trip(release, release, plan, edit=seals), SESSION) == "RESTORED"


@pytest.mark.parametrize("release", WITH_LUO)
@pytest.mark.parametrize("number", [0, 3])
def test_a_folio_that_the_map_does_not_know(release: str, number: int) -> None:
    """EIO; on 6.19 only if it is the first, else the file is a hole from there on and RETRIEVE_FD succeeds."""

    def unknown(written: Written) -> None:
        at = folio(written, number)
        written.put(at, written.word(at) & ~((1 << 52) - 1) | 0x39999)

    seen = trip(release, release, scenario(session(memfd())), edit=unknown)
    if release == "6.19.11" and number:
        assert verdict(seen, MEMFD) == "CORRUPT"
        assert any("unable to restore folio" in line for line in seen.log)
    else:
        assert said(seen, MEMFD) == "REFUSED RETRIEVE_FD EIO"
        assert Consequence.NOT_RETRYABLE in consequences(seen, MEMFD)
    assert verdict(seen, SESSION) == "RESTORED"


# --- calls: limits ----


@pytest.mark.parametrize("release", ["6.19.11", "7.1.13"])
def test_129th_file_and_820th_session(release: str) -> None:
    files = (memfd(1, 4096, 0x31000000, count=128), memfd(0x1000, 4096, 0x32000000))
    seen = trip(release, release, scenario(session(*files)))
    assert verdict(seen, "memfd/qual/0x1..0x80") == "RESTORED"
    assert said(seen, "memfd/qual/0x1000") == "UNSUPPORTED source ENOSPC"
    seen = trip(release, release, scenario(session(name="s", count=819), session(name="last")))
    assert verdict(seen, "session/s-0..818") == "RESTORED"
    assert said(seen, "session/last") == "UNSUPPORTED source ENOMEM"


def test_7_3_takes_many_of_both() -> None:
    for count in (63, 64, 300):
        seen = trip("7.3.4", "7.3.4", scenario(session(memfd(1, 4096, 0x31000000, count=count))))
        assert verdict(seen, f"memfd/qual/0x1..{count:#x}") == "RESTORED"
    for count in (51, 52, 2000):
        seen = trip("7.3.4", "7.3.4", scenario(session(name="s", count=count)))
        assert verdict(seen, f"session/s-0..{count - 1}") == "RESTORED"


@pytest.mark.parametrize("release", WITH_LUO)
def test_name_of_63_characters(release: str) -> None:
    seen = trip(release, release, scenario(session(name="n" * 63)))
    assert verdict(seen, f"session/{'n' * 63}") == "RESTORED"


# --- readers and bad data ----


def changed(needle: bytes, offset: int, value: int | bytes) -> Edit:
    return lambda written: written.put(written.find(needle) + offset, value)


@pytest.mark.parametrize("release", WITH_LUO)
def test_file_of_an_unknown_kind(release: str) -> None:
    seen = trip(release, release, scenario(session(memfd())), edit=changed(b"memfd-v", 7, b"9"))
    if release == "6.19.11":
        assert said(seen, SESSION) == "RESTORED RETRIEVE_SESSION"
        assert said(seen, MEMFD) == "REFUSED RETRIEVE_FD ENOENT"
    else:
        assert said(seen, SESSION) == said(seen, MEMFD) == "REFUSED open EIO"


@pytest.mark.parametrize("release", SEEN)
def test_kho_string_that_nobody_knows(release: str) -> None:
    seen = trip(release, release, scenario(ALPHA, KHO_TEST), edit=changed(b"kho-v", 5, b"9"))
    assert verdict(seen, "reserve_mem/alpha") == verdict(seen, "kho_test") == "LOST"
    assert "KHO: disabling KHO revival" in seen.log


@pytest.mark.parametrize("release", SEEN)
def test_map_address_of_0(release: str) -> None:
    def zero(written: Written) -> None:
        plan = scenario(ALPHA)
        written.put(written.find(plan.placement.bookkeeping.to_bytes(8, "little")), 0)

    seen = trip(release, release, scenario(ALPHA), edit=zero)
    if release == "6.18.15":
        assert "Revived memory reservation 'alpha' from KHO" in seen.log
        assert verdict(seen, "reserve_mem/alpha") == "CORRUPT"
    else:
        assert "KHO: disabling KHO revival" in seen.log
        assert verdict(seen, "reserve_mem/alpha") == "LOST"


def without_size(release: str) -> tuple[Schema, Schema]:
    form = schema().written(schema().release(release), "kho")
    assert form is not None
    assert form.fdt is not None
    child = form.fdt.children[0]
    kept = child.model_copy(update={"properties": tuple(p for p in child.properties if p.role != "size")})
    return release_writes(form.id, fdt=form.fdt.model_copy(update={"children": (kept,)}))


@pytest.mark.parametrize("release", ["7.1.13", "7.3.4"])
def test_luo_without_blob_size_panics(release: str) -> None:
    seen = trip(release, release, scenario(session(memfd())), schemas=without_size(release))
    assert verdict(seen, MEMFD) == "PANIC"
    assert "KHO: broken KHO subnode 'LUO': missing or invalid blob-size" in seen.log


@pytest.mark.parametrize("release", ["7.1.13", "7.3.4"])
def test_blob_size_too_small(release: str) -> None:
    """7.1 ignores it, 7.3: "LUO state is too small (24 < 32)", panic."""
    at = b"LUO\0\0\0\0\3\0\0\0\x08"  # node name, FDT_PROP, length; then the name's offset and the payload
    seen = trip(release, release, scenario(session(memfd())), edit=changed(at, len(at) + 4, 24))
    if release == "7.1.13":
        assert verdict(seen, MEMFD) == "RESTORED"
    else:
        assert verdict(seen, MEMFD) == "PANIC"
        assert "LUO state is too small (24 < 32)" in seen.detail


@pytest.mark.parametrize("release", ["6.19.11", "7.1.13"])
def test_session_count_of_820_in_an_array(release: str) -> None:
    """The rest is zeros: "Failed to insert session [] -17", every open EIO."""
    seen = trip(release, release, scenario(session(memfd())), edit=changed(b"qual\0\0\0\0", -8, 820))
    assert said(seen, SESSION) == said(seen, MEMFD) == "REFUSED open EIO"
    assert LEAKED in consequences(seen, MEMFD)


@pytest.mark.parametrize("release", ["6.19.11", "7.1.13"])
def test_file_count_of_129_with_one_real(release: str) -> None:
    seen = trip(release, release, scenario(session(memfd())), edit=changed(b"qual\0\0\0\0", 72, 129))
    assert "luo: No registered handler for compatible ''" in seen.log
    assert said(seen, MEMFD) == ("RESTORED RETRIEVE_FD" if release == "6.19.11" else "REFUSED open EIO")


@pytest.mark.parametrize("release", ["6.19.11", "7.1.13"])
def test_session_count_of_0_in_an_array(release: str) -> None:
    seen = trip(release, release, scenario(session(memfd())), edit=changed(b"qual\0\0\0\0", -8, 0))
    assert said(seen, SESSION) == "LOST RETRIEVE_SESSION ENOENT"


@pytest.mark.parametrize(
    ("offset", "value", "why"), [(-8, 0, "holds 0 entries"), (-8, 52, "holds 52 entries"), (-16, None, "does not end")]
)
def test_bad_session_block_panics_7_3(offset: int, value: int | None, why: str) -> None:
    """Count 0, count 52, and next to itself."""

    def break_it(written: Written) -> None:
        block = written.find(b"qual\0\0\0\0") - 16
        written.put(block + 16 + offset, block if value is None else value)

    seen = trip("7.3.4", "7.3.4", scenario(ALPHA, session(memfd())), edit=break_it)
    assert verdict(seen, "reserve_mem/alpha") == verdict(seen, MEMFD) == "PANIC"
    assert why in seen.detail


@pytest.mark.parametrize(
    ("needle", "offset", "value"), [(b"memfd-v2", -8, 0), (b"memfd-v2", -8, 64), (b"qual\0\0\0\0", 72, 2)]
)
def test_bad_file_block_fails_every_open_of_7_3(needle: bytes, offset: int, value: int) -> None:
    """Count 0, count 64, and two files announced where there is one."""
    seen = trip("7.3.4", "7.3.4", scenario(ALPHA, session(memfd())), edit=changed(needle, offset, value))
    assert said(seen, SESSION) == said(seen, MEMFD) == "REFUSED open EIO"
    assert verdict(seen, "reserve_mem/alpha") == "RESTORED"


# --- reserve_mem when the target asks for something else --------------------

ASKED = {
    "8M:4K:alpha": ({"target_size": 8 << 20}, "wrong size (0x400000 != 0x800000)"),
    "2M:4K:alpha": ({"target_size": 2 << 20}, "wrong size (0x400000 != 0x200000)"),
    "4M:16M:alpha": ({"target_align": 16 << 20}, "wrong alignment (0x1000000, 0x3e400000)"),
    "no alpha": ({"target_asks": False}, ""),
}


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("release", SEEN)
def test_reserve_mem_that_the_target_asks_for_otherwise(release: str, asked: str) -> None:
    """Allocated afresh; the old 4 MiB stay reserved and unreachable. A region that is not asked for gives no line."""
    options, line = ASKED[asked]
    alpha = ALPHA.model_copy(update={"size": 4 << 20, "at": 0x3E400000, "fill": "edges", **options})
    seen = trip(release, release, scenario(alpha, BETA))
    assert verdict(seen, "reserve_mem/alpha") == "LOST"
    assert LEAKED in consequences(seen, "reserve_mem/alpha")
    assert (Consequence.WARNED in consequences(seen, "reserve_mem/alpha")) == bool(line)
    assert any("alpha" in text for text in seen.log) == bool(line)
    assert not line or any(line in text for text in seen.log)
    assert verdict(seen, "reserve_mem/beta") == "RESTORED"


# --- across releases ----


def test_6_18_to_6_19() -> None:
    seen = trip("6.18.15", "6.19.11", scenario(ALPHA, BETA, KHO_TEST))
    assert {o.verdict.value for o in seen.objects} == {"RESTORED"}


def test_6_19_to_6_18_leaks_the_session() -> None:
    seen = trip("6.19.11", "6.18.15", scenario(ALPHA, KHO_TEST, session(memfd())))
    assert verdict(seen, "reserve_mem/alpha") == verdict(seen, "kho_test") == "RESTORED"
    assert said(seen, MEMFD) == "LOST open"
    assert {LEAKED} == consequences(seen, MEMFD)


@pytest.mark.parametrize(("source", "target"), [("7.1.13", "7.3.4"), ("7.3.4", "7.1.13"), ("6.18.15", "7.3.4")])
def test_incompatible_is_as_cold(source: str, target: str) -> None:
    seen = trip(source, target, scenario(ALPHA, KHO_TEST))
    assert {o.verdict.value for o in seen.objects} == {"LOST"}
    assert LEAKED not in seen.consequences


def test_nomemfd() -> None:
    """Every open EIO and the memory gone; regions and kho_test come back."""
    seen = trip("7.1.13", "7.1.13-nomemfd", scenario(ALPHA, KHO_TEST, session(memfd())))
    assert verdict(seen, "reserve_mem/alpha") == verdict(seen, "kho_test") == "RESTORED"
    assert said(seen, MEMFD) == "REFUSED open EIO"
    assert {LEAKED, Consequence.NOT_RETRYABLE, Consequence.BLAST_RADIUS} <= consequences(seen, MEMFD)


def test_nomemfd_with_an_empty_session() -> None:
    assert said(trip("7.1.13", "7.1.13-nomemfd", scenario(session())), SESSION) == "RESTORED RETRIEVE_SESSION"


def test_nomemfd_with_an_empty_session_before_one_with_a_memfd() -> None:
    seen = trip("7.1.13", "7.1.13-nomemfd", scenario(session(name="first"), session(memfd())))
    assert said(seen, "session/first") == said(seen, SESSION) == "REFUSED open EIO"


@pytest.mark.parametrize("release", ["7.1.13", "7.3.4"])
def test_exec_from(release: str) -> None:
    """ "exec from: 7.1.13 (count 1)"."""
    seen = trip(release, release, scenario(METADATA))
    assert prop(seen, "kexec-metadata", "previous-release") == release
    assert prop(seen, "kexec-metadata", "kexec-count") == "1"


@pytest.mark.parametrize("release", ["7.1.13", "7.3.4"])
def test_every_kexec_counts(release: str) -> None:
    """kexec_count = what was handed over + 1."""
    seen = trip(release, release, scenario(METADATA.model_copy(update={"count": 3})))
    assert verdict(seen, "kexec-metadata") == "RESTORED"
    assert prop(seen, "kexec-metadata", "kexec-count") == "3"


@pytest.mark.parametrize("release", ["6.19.11", "7.1.13", "7.3.4"])
def test_a_file_of_huge_pages_is_refused_and_its_neighbours_are_not(release: str) -> None:
    seen = trip(release, release, library()["memfd-hugetlb"])
    assert said(seen, "memfd/qual/0x2") == "UNSUPPORTED source ENOENT"
    assert {said(seen, f"memfd/qual/{token}").split()[0] for token in ("0x1", "0x3")} == {"RESTORED"}
