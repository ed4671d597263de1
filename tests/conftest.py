# SPDX-License-Identifier: Apache-2.0
"""How long property tests run: short by default, ten times as many examples with QUALIFY_THOROUGH set."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# no deadline: on a busy machine it would fail tests that are right; what must be bounded is counted instead
_COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large]}
settings.register_profile("quick", max_examples=60, derandomize=True, **_COMMON)  # type: ignore[arg-type]
settings.register_profile("thorough", max_examples=600, **_COMMON)  # type: ignore[arg-type]
settings.load_profile("thorough" if os.environ.get("QUALIFY_THOROUGH") else "quick")
