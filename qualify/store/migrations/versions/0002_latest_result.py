# SPDX-License-Identifier: Apache-2.0
"""The view of what is known now: for every cell, its newest result."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"

VIEW = """
CREATE VIEW latest_result AS
SELECT c.source, c.target, c.scenario, c.backend, r.id, r.run_id, r.cell_id, r.source_id, r.target_id, r.scenario_id,
       r.input_digest, r.status, r.verdict, r.evidence, r.detail, r.consequences, r.timings, r.counters,
       r.predicted_worst, r.predicted, r.agrees, r.machine, r.measured, r.created, r.shared_from,
       r.outcome_id, r.prediction_id, r.log_id
FROM cell c
JOIN result r ON r.id = (
    SELECT x.id FROM result x WHERE x.cell_id = c.id ORDER BY x.created DESC, x.id DESC LIMIT 1
)
"""


def upgrade() -> None:
    op.execute(VIEW)


def downgrade() -> None:
    op.execute("DROP VIEW latest_result")
