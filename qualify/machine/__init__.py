# SPDX-License-Identifier: Apache-2.0
"""What backends share: simulated memory and simulated kernels."""

from qualify.machine.kernel import Kernel
from qualify.machine.memory import PhysicalMemory
from qualify.machine.roundtrip import Frozen, freeze, is_windowed, round_trip, thaw

__all__ = ["Frozen", "Kernel", "PhysicalMemory", "freeze", "is_windowed", "round_trip", "thaw"]
