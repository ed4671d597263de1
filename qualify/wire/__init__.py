# SPDX-License-Identifier: Apache-2.0
"""Encoders and decoders for the bytes that kernels hand over: pure functions, no I/O."""
