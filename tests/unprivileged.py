# SPDX-License-Identifier: Apache-2.0
"""Steps to which file permissions apply, also where the tests run as root."""

from __future__ import annotations

import ctypes
import os
import pickle
from collections.abc import Callable
from typing import TypeVar

__all__ = ["without_rights"]

T = TypeVar("T")

_CAPABILITY_VERSION = 0x20080522


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Data(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def without_rights(step: Callable[[], T]) -> T:
    """What `step` gives in a process of its own without capabilities; it must be something to pickle."""
    receiving, sending = os.pipe()
    child = os.fork()
    if not child:
        try:
            none = (_Data * 2)()
            if ctypes.CDLL(None).capset(ctypes.byref(_Header(_CAPABILITY_VERSION, 0)), none):
                raise OSError("capset failed")
            answer: tuple[bool, object] = (True, step())
        except BaseException as error:
            answer = (False, repr(error))
        with os.fdopen(sending, "wb") as pipe:
            pipe.write(pickle.dumps(answer))
        os._exit(0)
    os.close(sending)
    with os.fdopen(receiving, "rb") as pipe:
        good, value = pickle.loads(pipe.read())
    os.waitpid(child, 0)
    assert good, value
    return value  # type: ignore[no-any-return]
