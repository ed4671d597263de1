# SPDX-License-Identifier: Apache-2.0
"""Alembic's entry: migrates the connection that `qualify.store.revisions` hands over."""

from __future__ import annotations

from alembic import context

from qualify.store.models import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
with context.begin_transaction():
    context.run_migrations()
