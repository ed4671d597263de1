# SPDX-License-Identifier: Apache-2.0
"""A limit on the memory that a piece of code takes at its worst moment."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["bounded"]


@contextmanager
def bounded(limit: int) -> Iterator[None]:
    """AssertionError when what is allocated inside ever exceeds `limit` bytes, also when an error ends it.

    numpy's arrays count.
    """
    tracemalloc.start()
    try:
        yield
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < limit, f"{peak >> 10} KiB, {limit >> 10} KiB are allowed"
