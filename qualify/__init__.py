# SPDX-License-Identifier: Apache-2.0
"""Qualify kernel live updates: what happens to preserved state when one kernel kexecs into another."""

__all__ = ["__version__"]

__version__ = "0.1.0"
