# SPDX-License-Identifier: Apache-2.0
"""One sentence per object, for a release engineer who was woken up: what happened, where it was seen, what it means."""

from __future__ import annotations

from collections.abc import Iterable

from qualify.model import Interface, ObjectObservation, PropertyObservation, PropertyState, Reply, Verdict

__all__ = ["why"]

_ASKED: dict[Interface, str] = {
    Interface.SOURCE: "the source kernel",
    Interface.BOOT: "the booting target",
    Interface.DEVICE_OPEN: "open of /dev/liveupdate",
    Interface.RETRIEVE_SESSION: "RETRIEVE_SESSION",
    Interface.RETRIEVE_FD: "RETRIEVE_FD",
    Interface.RESERVE_MEM: "reserve_mem= on the target",
    Interface.KEXEC_METADATA: "the target's kexec-metadata reader",
    Interface.KHO_TEST: "kho_test on the target",
    Interface.FLB: "the target's FLB reader",
}

_LONG = 24


def why(observation: ObjectObservation, verdict: Verdict, panic: str) -> str:
    """Say why `observation` earned `verdict`."""
    asked = _ASKED[observation.interface]
    errno = f" with {observation.errno}" if observation.errno else ""
    match verdict:
        case Verdict.UNSUPPORTED:
            if observation.interface is Interface.SOURCE and observation.errno:
                return f"The source said no{errno} before the jump, so nothing was handed over and nothing is lost."
            return "The source has nothing of this kind to hand over."
        case Verdict.PANIC:
            return _panic(observation, panic)
        case Verdict.REFUSED:
            return f"The handover arrived, but {asked} refused it{errno}; a cold boot would have answered otherwise."
        case Verdict.LOST:
            return f"Gone without a word: {asked} answers{errno} exactly as after a cold boot."
        case Verdict.CORRUPT:
            wrong = _differences(p for p in _different(observation) if p.critical)
            return f"{_capital(asked)} said yes and gave wrong contents ({wrong}); nobody was told."
        case Verdict.DEGRADED:
            lesser = _differences(_different(observation))
            return f"The contents came back, but not everything the owner had set: {lesser}."
        case Verdict.RESTORED:
            return _restored(observation)


def _panic(observation: ObjectObservation, panic: str) -> str:
    because = f": {panic.rstrip('.')}" if panic else ""
    if observation.reply is Reply.CRASHED:
        return f"The target crashed or hung on what it was handed{because}."
    return f"The target crashed or hung after this had been handed over, whatever became of it before{because}."


def _restored(observation: ObjectObservation) -> str:
    if not observation.properties:
        return "Came back; it has no properties to compare."
    dropped = [p.name for p in observation.properties if p.state is PropertyState.NOT_CARRIED]
    if not dropped:
        return "Came back with every property equal."
    return f"Came back with every property that its format carries; by design it does not carry {', '.join(dropped)}."


def _different(observation: ObjectObservation) -> list[PropertyObservation]:
    return [p for p in observation.properties if p.state is PropertyState.DIFFERENT]


def _differences(properties: Iterable[PropertyObservation]) -> str:
    return "; ".join(f"{p.name} was {_short(p.expected)}, is {_short(p.observed)}" for p in properties)


def _short(value: str) -> str:
    """The start of a digest tells as much as all of it, to somebody who reads at night."""
    return value if 0 < len(value) <= _LONG else f"{value[: _LONG // 2]}…" if value else "empty"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:] if text.startswith("the ") else text
