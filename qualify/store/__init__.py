# SPDX-License-Identifier: Apache-2.0
"""Where evidence is kept: SQLite by default, any SQLAlchemy URL otherwise. History stays; the latest is a view."""

from qualify.store.artefacts import Artefact, ArtefactStore
from qualify.store.codec import dump_log, dump_outcome, dump_prediction, load_log, load_prediction, ranked
from qualify.store.database import Store, open_store, upgrade_store
from qualify.store.exchange import export_store, import_store, staged_export
from qualify.store.filling import filling
from qualify.store.location import default_location
from qualify.store.lock import run_lock
from qualify.store.merge import Merged, merge_store, merge_stores
from qualify.store.prune import Pruned, prune_store
from qualify.store.reader import (
    StoredObject,
    StoredResult,
    load_artefacts,
    load_cells,
    load_last_done,
    load_latest,
    load_logs,
    load_objects,
    load_predictions,
    load_reusable,
)
from qualify.store.records import (
    CellKeys,
    Document,
    NewRun,
    ReleaseKey,
    ResultRecord,
    ScenarioKey,
    StoredObjects,
)
from qualify.store.writer import RunWriter

__all__ = [
    "Artefact",
    "ArtefactStore",
    "CellKeys",
    "Document",
    "Merged",
    "NewRun",
    "Pruned",
    "ReleaseKey",
    "ResultRecord",
    "RunWriter",
    "ScenarioKey",
    "Store",
    "StoredObject",
    "StoredObjects",
    "StoredResult",
    "default_location",
    "dump_log",
    "dump_outcome",
    "dump_prediction",
    "export_store",
    "filling",
    "import_store",
    "load_artefacts",
    "load_cells",
    "load_last_done",
    "load_latest",
    "load_log",
    "load_logs",
    "load_objects",
    "load_prediction",
    "load_predictions",
    "load_reusable",
    "merge_store",
    "merge_stores",
    "open_store",
    "prune_store",
    "ranked",
    "run_lock",
    "staged_export",
    "upgrade_store",
]
