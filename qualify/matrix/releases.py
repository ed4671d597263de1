# SPDX-License-Identifier: Apache-2.0
"""Which releases a matrix means."""

from __future__ import annotations

from collections.abc import Sequence

from qualify.matrix.model import ReleaseSelection
from qualify.schema import Release

__all__ = ["newest_of_series", "select_releases"]


def select_releases(selection: ReleaseSelection, releases: Sequence[Release]) -> tuple[Release, ...]:
    """The chosen releases in the order of the schema. Labels that do not exist choose nothing (the caller checks)."""
    left_out = set(selection.exclude)
    releases = [r for r in releases if not left_out.intersection((r.label, *r.aliases))]
    if selection.all:
        return tuple(releases)
    if selection.series is not None:
        return tuple(r for r in releases if r.series == selection.series)
    if selection.window is not None:
        return newest_of_series(releases)[-selection.window.last :]
    wanted = set(selection.labels)
    return tuple(r for r in releases if wanted.intersection((r.label, *r.aliases)))


def newest_of_series(releases: Sequence[Release]) -> tuple[Release, ...]:
    """The newest point release of every x.y series, oldest first. Of equals the schema's first: variants follow it."""
    newest: dict[str, Release] = {}
    for release in releases:
        known = newest.get(release.series)
        if known is None or release.version_key > known.version_key:
            newest[release.series] = release
    return tuple(sorted(newest.values(), key=lambda r: r.version_key))
