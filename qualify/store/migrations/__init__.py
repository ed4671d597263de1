# SPDX-License-Identifier: Apache-2.0
"""Alembic migrations; `qualify.store.revisions` runs them."""
