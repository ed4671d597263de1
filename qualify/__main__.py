# SPDX-License-Identifier: Apache-2.0
"""`python -m qualify`, and what the console script calls. Can tell of an interrupt before it imports anything large."""

from __future__ import annotations

import gc
import os
import signal
import sys
from types import FrameType

__all__ = ["main"]

_INTERRUPTED = 130


def main() -> None:
    """Load the application, which takes most of a second, and run it."""
    waiting = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if waiting:
        signal.signal(signal.SIGINT, _leave)
    gc.disable()  # what modules consist of stays; looking through it again and again takes a tenth of the time
    from qualify.cli.main import ready

    command = ready()

    gc.freeze()
    gc.enable()
    if waiting:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    command()


def _leave(_number: int, _frame: FrameType | None) -> None:
    # At once: an exception would go through half-made modules, and nothing has begun that needs an end.
    sys.stderr.write("qualify: interrupted\n")
    sys.stderr.flush()
    os._exit(_INTERRUPTED)


if __name__ == "__main__":
    main()
