# SPDX-License-Identifier: Apache-2.0
"""Benchmarks: ratios against a reference measured in the same run. `make bench` runs them all."""
