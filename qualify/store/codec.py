# SPDX-License-Identifier: Apache-2.0
"""Outcomes, predictions and logs to and from what the tables hold. Equal contents give equal digests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any

from qualify.model import Alternative, Consequence, ObjectPrediction, Outcome, Prediction, Reason, Verdict
from qualify.store.records import Document, StoredObjects

__all__ = ["dump_log", "dump_outcome", "dump_prediction", "load_log", "load_prediction", "ranked"]


def ranked(verdicts: Iterable[Verdict]) -> list[str]:
    """Verdicts as stored: each once, worst first."""
    return [v.value for v in sorted(set(verdicts), key=lambda v: v.severity, reverse=True)]


def dump_outcome(outcome: Outcome, prediction: Prediction | None) -> StoredObjects:
    """The objects of an outcome as rows, each with the verdicts that were predicted for it."""
    predicted = {o.object_id: ranked(o.verdicts) for o in prediction.objects} if prediction is not None else {}
    objects: list[dict[str, Any]] = []
    properties: list[dict[str, Any]] = []
    for position, judged in enumerate(outcome.objects):
        seen = judged.observation
        objects.append(
            {
                "position": position,
                "object_id": seen.object_id,
                "component": seen.component,
                "verdict": judged.verdict.value,
                "interface": seen.interface.value,
                "reply": seen.reply.value,
                "errno": seen.errno,
                "why": judged.why,
                "consequences": _values(seen.consequences),
                "notes": list(seen.notes),
                "predicted": predicted.get(seen.object_id, []),
            }
        )
        properties.extend(
            {
                "object_position": position,
                "position": n,
                "name": prop.name,
                "state": prop.state.value,
                "expected": prop.expected,
                "observed": prop.observed,
                "critical": prop.critical,
            }
            for n, prop in enumerate(seen.properties)
        )
    return StoredObjects(_document([objects, properties]).digest, objects, properties)


def dump_prediction(prediction: Prediction) -> Document:
    """As JSON. Reasons are listed once and named by index: many objects have the same ones."""
    reasons: dict[Reason, int] = {}

    def indices(chosen: Sequence[Reason]) -> list[int]:
        return [reasons.setdefault(reason, len(reasons)) for reason in chosen]

    own = indices(prediction.reasons)
    objects = [
        [o.object_id, o.component, _alternatives(o.alternatives), indices(o.reasons)] for o in prediction.objects
    ]
    return _document(
        {
            "alternatives": _alternatives(prediction.alternatives),
            "objects": objects,
            "reasons": own,
            "texts": [[r.rule, r.component, r.message, r.advice] for r in reasons],
        }
    )


def load_prediction(body: str) -> Prediction:
    """What `dump_prediction` wrote."""
    plain = json.loads(body)
    texts = [Reason(*text) for text in plain["texts"]]
    return Prediction(
        tuple(map(_alternative, plain["alternatives"])),
        tuple(
            ObjectPrediction(object_id, component, tuple(map(_alternative, chosen)), tuple(texts[i] for i in reasons))
            for object_id, component, chosen, reasons in plain["objects"]
        ),
        tuple(texts[i] for i in plain["reasons"]),
    )


def dump_log(lines: Sequence[str]) -> Document | None:
    """A log as JSON; None when there is none."""
    return _document(list(lines)) if lines else None


def load_log(body: str) -> tuple[str, ...]:
    """What `dump_log` wrote."""
    return tuple(json.loads(body))


def _alternatives(alternatives: Iterable[Alternative]) -> list[list[Any]]:
    return [[a.verdict.value, a.condition, _values(a.consequences)] for a in alternatives]


def _alternative(plain: list[Any]) -> Alternative:
    verdict, condition, consequences = plain
    return Alternative(Verdict(verdict), condition, frozenset(map(Consequence, consequences)))


def _values(consequences: Iterable[Consequence]) -> list[str]:
    return sorted(c.value for c in consequences)


def _document(plain: Any) -> Document:
    body = json.dumps(plain, separators=(",", ":"), ensure_ascii=False)
    return Document(hashlib.sha256(body.encode("utf-8", "surrogatepass")).hexdigest(), body)
