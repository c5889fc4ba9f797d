"""TensorBoard: an event file per cell, in a folder of the record's name. Torch isn't needed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .tracker import Tracker, needed, settings_of

EVENTS = "events.out.tfevents.*"


class TensorBoard(Tracker):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._files = needed("tensorboard.summary.writer.event_file_writer", "tensorboard")
        self._event = needed("tensorboard.compat.proto.event_pb2", "tensorboard").Event
        self._summary = needed("tensorboard.compat.proto.summary_pb2", "tensorboard").Summary
        self._hparams = needed("tensorboard.plugins.hparams.summary_v2", "tensorboard").hparams_pb
        self._text = needed("tensorboard.plugins.text.metadata", "tensorboard")
        self._tensor = needed("tensorboard.util.tensor_util", "tensorboard").make_tensor_proto

    def begin(self, cell: Mapping[str, Any]) -> Any:
        place = self.folder / cell["name"]
        for old in place.glob(EVENTS):  # two files of one folder would be drawn as one curve
            old.unlink()
        run = self._files.EventFileWriter(str(place))
        self._add(run, 0, self._hparams(settings_of(cell), trial_id=cell["name"]))
        return run

    def write(self, run: Any, step: int, values: Mapping[str, float]) -> None:
        value = self._summary.Value
        self._add(run, step, self._summary(value=[value(tag=tag, simple_value=v) for tag, v in values.items()]))
        run.flush()

    def end(self, run: Any, record: Any, results: Mapping[str, float]) -> None:
        try:
            self.write(run, record.get("steps") or 0, {f"end/{name}": value for name, value in results.items()})
            said = f"{record.status}: {record['reason']}" if record["reason"] else record.status
            metadata = self._text.create_summary_metadata(display_name="status", description="")
            text = self._summary.Value(tag="status", metadata=metadata, tensor=self._tensor([said.encode()]))
            self._add(run, 0, self._summary(value=[text]))
        finally:
            run.close()

    def _add(self, run: Any, step: int, summary: Any) -> None:
        run.add_event(self._event(wall_time=time.time(), step=step, summary=summary))
