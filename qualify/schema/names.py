# SPDX-License-Identifier: Apache-2.0
"""Names of releases, and what to say about one that there is not."""

from __future__ import annotations

import re
from collections.abc import Sequence

from qualify.schema.release import Release
from qualify.yamlfile import suggest

__all__ = ["suggest_release"]

_SERIES = re.compile(r"v?(\d+\.\d+)(?!\d)")
_LITERAL = "labels and aliases are literal names, a version number never selects a format ('qualify schema list')"


def suggest_release(name: str, releases: Sequence[Release]) -> str:
    """Those of the same series first: a label that merely looks alike may lie beyond a change of formats."""
    match = _SERIES.match(name)
    akin = [r for r in releases if match is not None and r.series == match[1]]
    if not akin:
        hint = suggest(name, [alias for r in releases for alias in (r.label, *r.aliases)])
    else:
        hint = f"the {akin[0].series} series has {' and '.join(map(_known_as, akin))}"
    return hint if match is None else f"{hint}; {_LITERAL}"


def _known_as(release: Release) -> str:
    return release.label + (f" (also {', '.join(release.aliases)})" if release.aliases else "")
