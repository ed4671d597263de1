# SPDX-License-Identifier: Apache-2.0
"""Arrays of address-or-order words, as the schema describes the property that holds them or leads to them."""

from __future__ import annotations

from typing import Any

import numpy as np

from qualify.schema import Encoding, FdtProperty

__all__ = ["word_of"]

_SIZES = {"u64": 8}


def word_of(prop: FdtProperty, native: str) -> np.dtype[Any]:
    """The type of an element of the property's array. `native` is the byte order of the machine: little or big."""
    assert prop.array is not None, f"'{prop.name}' holds no array"
    assert prop.encoding is Encoding.ADDRESS_OR_ORDER
    order = native if prop.endian == "native" else prop.endian
    return np.dtype(f"{'>' if order == 'big' else '<'}u{_SIZES[prop.array]}")
