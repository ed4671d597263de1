# SPDX-License-Identifier: Apache-2.0
"""Small helpers of those who observe."""

from __future__ import annotations

from qualify.model import Interface, ObjectObservation, Reply

__all__ = ["not_offered"]


def not_offered(object_id: str, component: str, errno: str, note: str) -> ObjectObservation:
    """The source has nothing of the kind, or said no before the jump."""
    return ObjectObservation(object_id, component, Interface.SOURCE, Reply.NOT_OFFERED, errno, notes=(note,))
