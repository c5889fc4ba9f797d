"""MLflow: a folder that `mlflow ui` reads, with an experiment per suite and a run per cell. No server is asked."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .tracker import Tracker, needed, settings_of

RECORD = "dlbench.record"
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_ALLOW_FILE_STORE": "true"}
LONGEST = 500
"""Characters of a parameter's value that MLflow takes in every version."""


class MLflow(Tracker):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        os.environ.update(QUIET)  # before it is imported, which is when it reports itself
        self._client = needed("mlflow", "mlflow").MlflowClient(tracking_uri=self.folder.as_uri())
        self._entities = needed("mlflow.entities", "mlflow")

    def begin(self, cell: Mapping[str, Any]) -> str:
        experiment = self._experiment(cell["suite"])
        for old in self._client.search_runs([experiment], f"tags.`{RECORD}` = '{cell['name']}'"):
            self._client.delete_run(old.info.run_id)
        run = self._client.create_run(experiment, run_name=cell["name"], tags={RECORD: cell["name"]}).info.run_id
        parameters = [self._entities.Param(key, str(value)[:LONGEST]) for key, value in settings_of(cell).items()]
        self._client.log_batch(run, params=parameters)
        return str(run)

    def _experiment(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        return str(found.experiment_id if found else self._client.create_experiment(name))

    def write(self, run: str, step: int, values: Mapping[str, float]) -> None:
        now = int(1000 * time.time())
        self._client.log_batch(run, [self._entities.Metric(key, value, now, step) for key, value in values.items()])

    def end(self, run: str, record: Any, results: Mapping[str, float]) -> None:
        good = record.status == "ok"
        try:
            self.write(run, record.get("steps") or 0, {f"end/{name}": value for name, value in results.items()})
            for key, value in (("status", record.status), ("reason", record["reason"])):
                self._client.set_tag(run, f"dlbench.{key}", value)
        finally:
            self._client.set_terminated(run, "FINISHED" if good else "FAILED")
