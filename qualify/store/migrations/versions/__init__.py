# SPDX-License-Identifier: Apache-2.0
"""One module per revision, oldest first."""
