# SPDX-License-Identifier: Apache-2.0
"""The command line: one module per group of commands, each with `register(app)`. The only layer that prints."""
