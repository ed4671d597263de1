# SPDX-License-Identifier: Apache-2.0
"""Elements of arrays take their width and byte order from the schema."""

from __future__ import annotations

import numpy as np
import pytest

from qualify.machine.words import word_of
from qualify.schema import Encoding, FdtProperty


@pytest.mark.parametrize(
    ("endian", "native", "expected"),
    [("native", "little", 1), ("native", "big", 1 << 56), ("big", "little", 1 << 56), ("big", "big", 1 << 56)],
)
def test_byte_order_is_that_of_the_property(endian: str, native: str, expected: int) -> None:
    plain = {"name": "folios_info", "type": "bytes", "endian": endian, "array": "u64"}
    prop = FdtProperty.model_validate(plain | {"encoding": Encoding.ADDRESS_OR_ORDER})
    payload = (1).to_bytes(8, "little")
    assert np.frombuffer(payload, word_of(prop, native)).tolist() == [expected]
