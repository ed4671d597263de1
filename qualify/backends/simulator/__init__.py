# SPDX-License-Identifier: Apache-2.0
"""The simulator: one release's formats run against another's in a simulated memory."""

from qualify.backends.simulator.backend import SimulatorBackend

__all__ = ["SimulatorBackend"]
