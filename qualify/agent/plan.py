# SPDX-License-Identifier: Apache-2.0
"""The plan: what the guest agent is to do, and its text (guest/plan.c reads it). Sizes and offsets are bytes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import quote

from qualify.errors import HarnessError

__all__ = [
    "VERSION",
    "Fill",
    "Finalise",
    "Load",
    "LoadKind",
    "Plan",
    "PlanFile",
    "PlanRegion",
    "PlanSession",
    "Stage",
    "render",
]

VERSION = 1

_U32, _U64, _S64 = (1 << 32) - 1, (1 << 64) - 1, (1 << 63) - 1
_NAME = 64  # bytes of the name field of the session ioctls
_COMMAND_LINE = 2047  # COMMAND_LINE_SIZE of x86 less the zero; other architectures take no less
_LARGEST_ORDER = 20
_LARGEST_HUGE_PAGE = 1 << 40
_MOST_TEXT = 16 << 20  # guest/main.c reads no more


class Stage(StrEnum):
    """`qualify.stage=` on the kernel command line."""

    SOURCE = "source"
    TARGET = "target"
    PROBE = "probe"


class Finalise(StrEnum):
    NEVER = "never"
    BEFORE_LOAD = "before-load"
    AFTER_LOAD = "after-load"


class LoadKind(StrEnum):
    NORMAL = "normal"
    CRASH = "crash"  # KEXEC_FILE_ON_CRASH; the agent's exit is the crash


class Fill(StrEnum):
    FULL = "full"
    EDGES = "edges"  # only the first and the last 64 KiB are written and compared


@dataclass(frozen=True, slots=True)
class PlanSession:
    id: int
    name: str


@dataclass(frozen=True, slots=True)
class PlanFile:
    """A memfd. `create`: flags of memfd_create; `seals`: mask for F_ADD_SEALS; `hugetlb`: bytes of a huge page or 0."""

    session: int
    token: int
    size: int
    seed: int
    position: int = 0
    create: int = 0
    seals: int = 0
    holes: tuple[tuple[int, int], ...] = ()  # (offset, size), ascending
    order: int = 0
    hugetlb: int = 0


@dataclass(frozen=True, slots=True)
class PlanRegion:
    """A reserve_mem region by its name on the command line."""

    id: int
    name: str
    size: int
    seed: int
    fill: Fill = Fill.FULL


@dataclass(frozen=True, slots=True)
class Load:
    """Paths are those in the initramfs. Without `initrd` the target gets none."""

    image: str
    cmdline: str
    initrd: str = ""
    kind: LoadKind = LoadKind.NORMAL


@dataclass(frozen=True, slots=True)
class Plan:
    sessions: tuple[PlanSession, ...] = ()
    files: tuple[PlanFile, ...] = ()
    regions: tuple[PlanRegion, ...] = ()
    finalise: Finalise = Finalise.NEVER
    load: Load | None = None
    blobs: bool = False
    version: int = field(default=VERSION, init=False)


def render(plan: Plan) -> str:
    """The text. HarnessError names everything that it cannot say."""
    wrong = list(_mistakes(plan))
    if wrong:
        raise HarnessError("the agent cannot be given this plan: " + "; ".join(wrong))
    text = "".join(line + "\n" for line in _lines(plan))
    if len(text) > _MOST_TEXT:
        raise HarnessError(f"the agent cannot be given this plan: {len(text)} bytes, of at most {_MOST_TEXT}")
    return text


def _lines(plan: Plan) -> Iterator[str]:
    yield f"plan version={plan.version}"
    for session in plan.sessions:
        yield f"session id={session.id} name={_encode(session.name)}"
    for file in plan.files:
        holes = f" holes={','.join(f'{start}+{size}' for start, size in file.holes)}" if file.holes else ""
        yield (
            f"memfd session={file.session} token={file.token:#x} size={file.size} position={file.position} "
            f"create={file.create:#x} seals={file.seals:#x} seed={file.seed:#x}{holes} order={file.order} "
            f"hugetlb={file.hugetlb}"
        )
    for region in plan.regions:
        yield (
            f"region id={region.id} name={_encode(region.name)} size={region.size} fill={region.fill} "
            f"seed={region.seed:#x}"
        )
    yield f"finalise when={plan.finalise}"
    if plan.load:
        initrd = f" initrd={_encode(plan.load.initrd)}" if plan.load.initrd else ""
        yield (
            f"load image={_encode(plan.load.image)}{initrd} cmdline={_encode(plan.load.cmdline)} kind={plan.load.kind}"
        )
    if plan.blobs:
        yield "want blobs=1"


def _encode(text: str) -> str:
    return quote(text, safe="/:,+.-_")


def _mistakes(plan: Plan) -> Iterator[str]:
    ids = Counter(session.id for session in plan.sessions)
    for session in plan.sessions:
        yield from _number(f"session {session.id}: id", session.id, _U32)
        yield from _text(f"session {session.id}: name", session.name, _NAME)
        if ids[session.id] > 1:
            yield f"session {session.id}: another has this id"
    for file in plan.files:
        yield from _file_mistakes(file, ids)
    for region in plan.regions:
        yield from _number(f"region {region.id}: id", region.id, _U32)
        yield from _text(f"region {region.id}: name", region.name, _NAME)
        yield from _number(f"region {region.id}: size", region.size, _S64)
        yield from _number(f"region {region.id}: seed", region.seed, _U64)
    if plan.load:
        yield from _text("load: image", plan.load.image, 4095)
        yield from _text("load: initrd", plan.load.initrd, 4095, empty=True)
        yield from _text("load: cmdline", plan.load.cmdline, _COMMAND_LINE, empty=True)


def _file_mistakes(file: PlanFile, sessions: Mapping[int, int]) -> Iterator[str]:
    name = f"file {file.token:#x} of session {file.session}"
    if file.session not in sessions:
        yield f"{name}: there is no such session"
    limits = {
        "token": _U64,
        "size": _S64,
        "position": _S64,
        "create": _U32,
        "seals": _U32,
        "seed": _U64,
        "order": _LARGEST_ORDER,
        "hugetlb": _LARGEST_HUGE_PAGE,
    }
    for key, most in limits.items():
        yield from _number(f"{name}: {key}", getattr(file, key), most)
    if file.hugetlb & (file.hugetlb - 1):
        yield f"{name}: hugetlb is {file.hugetlb}, no power of two"
    end = 0
    for start, size in file.holes:
        if start < end or size <= 0 or start + size > file.size:
            yield f"{name}: hole {start}+{size} is empty, out of order, or beyond the end"
        end = start + size


def _number(what: str, value: int, most: int) -> Iterator[str]:
    if not 0 <= value <= most:
        yield f"{what} is {value}, not within 0 to {most}"


def _text(what: str, value: str, most: int, *, empty: bool = False) -> Iterator[str]:
    if not value and not empty:
        yield f"{what} is empty"
    if "\0" in value:
        yield f"{what} holds a zero"
    if len(value.encode()) > most:
        yield f"{what} is {len(value.encode())} bytes long, of at most {most}"
