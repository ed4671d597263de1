# SPDX-License-Identifier: Apache-2.0
"""Plans: their text, what cannot be said, and the C parser, which takes what is rendered and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qualify.agent import Fill, Finalise, Load, LoadKind, Plan, PlanFile, PlanRegion, PlanSession, render
from qualify.errors import HarnessError
from tests.agent.selftest import run

PLAN = Plan(
    sessions=(PlanSession(0, "qual"), PlanSession(7, "ä % =")),
    files=(
        PlanFile(0, 0x1A, 4 << 20, 0x1234ABCD, create=2, seals=6, holes=((0, 4096), (32768, 65536))),
        PlanFile(7, (1 << 64) - 1, 0, 0, position=5, order=9, hugetlb=2 << 20),
    ),
    regions=(PlanRegion(0, "alpha", 4 << 20, 9), PlanRegion(1, "beta", 1 << 30, 10, Fill.EDGES)),
    finalise=Finalise.BEFORE_LOAD,
    load=Load("/target/bzImage", "console=ttyS0 a=%", initrd="/target/initrd", kind=LoadKind.CRASH),
    blobs=True,
)
GOLDEN = """\
plan version=1
session id=0 name=qual
session id=7 name=%C3%A4%20%25%20%3D
memfd session=0 token=0x1a size=4194304 position=0 create=0x2 seals=0x6 seed=0x1234abcd holes=0+4096,32768+65536 \
order=0 hugetlb=0
memfd session=7 token=0xffffffffffffffff size=0 position=5 create=0x0 seals=0x0 seed=0x0 order=9 hugetlb=2097152
region id=0 name=alpha size=4194304 fill=full seed=0x9
region id=1 name=beta size=1073741824 fill=edges seed=0xa
finalise when=before-load
load image=/target/bzImage initrd=/target/initrd cmdline=console%3DttyS0%20a%3D%25 kind=crash
want blobs=1
"""


def parse(*texts: str | bytes, mode: str = "check") -> list[str]:
    data = [t.encode() if isinstance(t, str) else t for t in texts]
    return run("plan", mode, inputs=data).decode(errors="replace").splitlines()


def test_golden_text() -> None:
    assert render(PLAN) == GOLDEN


def test_least_plan() -> None:
    assert render(Plan()) == "plan version=1\nfinalise when=never\n"
    assert parse(render(Plan())) == ["ok"]


def test_the_agent_reads_what_is_meant() -> None:
    assert parse(GOLDEN, mode="show") == [
        "session 0 [qual]",
        "session 7 [ä % =]",
        "file 0 26 4194304 0 305441741 2 6 0 0 0+4096 32768+65536",
        "file 7 18446744073709551615 0 5 0 0 0 9 2097152",
        "region 0 [alpha] 4194304 9 0",
        "region 1 [beta] 1073741824 10 1",
        "load [/target/bzImage] [/target/initrd] [console=ttyS0 a=%] 1",
        "finalise 1 blobs 1",
    ]


U32, U64, S64 = st.integers(0, (1 << 32) - 1), st.integers(0, (1 << 64) - 1), st.integers(0, (1 << 63) - 1)
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=16)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    ids = draw(st.lists(U32, unique=True, min_size=1, max_size=5))
    sessions = tuple(PlanSession(i, draw(TEXT.filter(bool))) for i in ids)
    files = []
    for _ in range(draw(st.integers(0, 5))):
        size, ends = draw(S64), 0
        holes = []
        for _ in range(draw(st.integers(0, 3))):
            if ends < size:
                start = draw(st.integers(ends, size - 1))
                holes.append((start, draw(st.integers(1, size - start))))
                ends = sum(holes[-1])
        huge = draw(st.sampled_from([0, 2 << 20, 1 << 30]))
        files.append(
            PlanFile(
                draw(st.sampled_from(ids)), draw(U64), size, draw(U64), draw(S64), draw(U32), draw(U32), tuple(holes),
                draw(st.integers(0, 20)), huge,
            )
        )  # fmt: skip
    regions = tuple(
        PlanRegion(draw(U32), draw(TEXT.filter(bool)), draw(S64), draw(U64), draw(st.sampled_from(Fill)))
        for _ in range(draw(st.integers(0, 3)))
    )
    load = Load("/" + draw(TEXT), draw(TEXT), draw(TEXT), draw(st.sampled_from(LoadKind)))
    return Plan(
        sessions, tuple(files), regions, draw(st.sampled_from(Finalise)), draw(st.sampled_from([None, load])),
        draw(st.booleans()),
    )  # fmt: skip


@given(plans())
def test_whatever_renders_is_read(plan: Plan) -> None:
    assert parse(render(plan)) == ["ok"]


@given(st.data())
def test_hostile_plans_are_survived(data: st.DataObject) -> None:
    texts = []
    for _ in range(30):
        text = bytearray(GOLDEN.encode())
        for _ in range(data.draw(st.integers(1, 4))):
            at = data.draw(st.integers(0, len(text) - 1))
            piece = data.draw(st.sampled_from([b"", b"\n", b" ", b"=", b"%", b"\0", b"0x", b"9" * 30, b"\xff", b"+,"]))
            text[at : at + data.draw(st.integers(0, 9))] = piece
            text = text or bytearray(b"\n")
        texts.append(bytes(text))
    answers = parse(*texts)
    assert len(answers) == 30
    assert all(a == "ok" or a.startswith("no: plan line ") for a in answers)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "plan line 1: the plan is empty or its last line is cut"),
        ("plan version=1", "plan line 1: the plan is empty or its last line is cut"),
        ("plan version=2\n", "plan line 1: only version=1 is known"),
        ("plan\n", "plan line 1: no 'version'"),
        ("want blobs=1\n", "plan line 1: 'plan version=1' is wanted"),
        ("plan version=1\nplan version=1\n", "plan line 2: 'plan' is for the first line"),
        ("plan version=1\n\n", "plan line 2: unknown verb ''"),
        ("plan version=1\ndance when=now\n", "plan line 2: unknown verb 'dance'"),
        ("plan version=1\nwant blobs=1 more=1\n", "plan line 2: 'want' does not know the key 'more'"),
        ("plan version=1\nwant blobs=2\n", "plan line 2: blobs=2: a number up to 1 is wanted"),
        ("plan version=1\nwant blobs=1\nwant blobs=1\n", "plan line 3: said before"),
        ("plan version=1\nwant blobs=1 blobs=1\n", "plan line 2: 'blobs' twice"),
        ("plan version=1\nwant  blobs=1\n", "plan line 2: '' is not key=value"),
        ("plan version=1\nwant blobs=%3\n", "plan line 2: 'blobs': bad %-encoding"),
        ("plan version=1\nwant blobs=%00\n", "plan line 2: 'blobs': bad %-encoding"),
        ("plan version=1\nfinalise when=soon\n", "plan line 2: when=soon is not known"),
        ("plan version=1\nsession id=-1 name=a\n", "plan line 2: id=-1: a number up to 4294967295 is wanted"),
        ("plan version=1\nsession id=1\n", "plan line 2: no 'name'"),
        (f"plan version=1\nsession id=1 name={'n' * 65}\n", "plan line 2: a name of more than 64 bytes"),
        ("plan version=1\nsession id=1 name=a\nsession id=1 name=b\n", "plan line 3: session id 1 twice"),
        ("plan version=1\nmemfd session=0 token=1 size=1 seed=1\n", "plan line 2: no session 0 above"),
        ("plan version=1\nsession id=0 name=a\nmemfd session=0 token=18446744073709551616 size=1 seed=1\n",
         "plan line 3: token=18446744073709551616: a number up to 18446744073709551615 is wanted"),
        ("plan version=1\nsession id=0 name=a\nmemfd session=0 token=1 size=9 seed=1 holes=4+9\n",
         "plan line 3: holes: start+size,... within the size, ascending, is wanted"),
        ("plan version=1\nsession id=0 name=a\nmemfd session=0 token=1 size=9 seed=1 holes=4+2,5+1\n",
         "plan line 3: holes: start+size,... within the size, ascending, is wanted"),
    ],
)  # fmt: skip
def test_what_the_agent_refuses(text: str, why: str) -> None:
    assert parse(text) == [f"no: {why}"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"sessions": (PlanSession(0, ""), PlanSession(7, "x"))}, "session 0: name is empty"),
        ({"sessions": (PlanSession(0, "ä" * 33), PlanSession(7, "x"))}, "66 bytes long, of at most 64"),
        ({"sessions": (PlanSession(7, "a"), PlanSession(7, "b"), PlanSession(0, "c"))}, "another has this id"),
        ({"sessions": (PlanSession(7, "a"),)}, "file 0x1a of session 0: there is no such session"),
        ({"files": (PlanFile(0, 1, -1, 0),)}, "size is -1"),
        ({"files": (PlanFile(0, 1, 1, 1 << 64),)}, "seed is"),
        ({"files": (PlanFile(0, 1, 4096, 1, hugetlb=3),)}, "no power of two"),
        ({"files": (PlanFile(0, 1, 4096, 1, holes=((4096, 1),)),)}, "hole 4096+1"),
        ({"files": (PlanFile(0, 1, 4096, 1, holes=((8, 8), (0, 8))),)}, "hole 0+8"),
        ({"regions": (PlanRegion(0, "a\0", 1, 1),)}, "holds a zero"),
        ({"load": Load("", "")}, "load: image is empty"),
        ({"load": Load("/x", "y" * 2048)}, "cmdline is 2048 bytes long"),
    ],
)
def test_what_cannot_be_said(change: dict[str, object], told: str) -> None:
    with pytest.raises(HarnessError, match="cannot be given this plan") as caught:
        render(replace(PLAN, **change))  # type: ignore[arg-type]
    assert told in str(caught.value)
