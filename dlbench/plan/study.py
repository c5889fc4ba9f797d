"""A study of Optuna's in a file: which values trials get. Optuna, an extra, is imported when a study is opened."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from ..contract.recipe import Settings
from ..errors import DlbenchError
from .tuning import GRID, Range, Tuning


class Study:
    """Trials by number. What the file has, stays; a trial that was asked for and not told, because the process was
    killed, is taken up again. Each number has a sampler with a seed of its own, so that a study that was interrupted
    goes on as if it hadn't been.

    The file is Optuna's journal: a line for each step, synced before it counts."""

    def __init__(self, path: Path, tuning: Tuning) -> None:
        """Opens the file, or begins it. Raises DlbenchError where Optuna isn't installed, or can't read the file."""
        try:
            import optuna
            from optuna.storages.journal import JournalFileBackend
        except ImportError:
            raise DlbenchError("tuning needs Optuna: pip install 'dlbench[tune]'") from None
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._optuna, self.tuning = optuna, tuning
        path.parent.mkdir(parents=True, exist_ok=True)
        mend(path)
        try:
            storage = optuna.storages.JournalStorage(JournalFileBackend(str(path)))
            self._study = optuna.create_study(
                storage=storage, study_name=path.stem, direction="maximize", load_if_exists=True
            )
        except (ValueError, KeyError, TypeError):
            raise DlbenchError(f"{path} isn't a study of Optuna's: move it away; records that are done count") from None

    def settings(self, number: int) -> Settings:
        """The values of a trial; numbers are asked for in order."""
        self._study.sampler = self._sampler(number)
        trials = self._study.get_trials(deepcopy=False)
        if number < len(trials) and len(trials[number].params) == len(self.tuning.over):
            drawn = trials[number].params
        else:
            known = number < len(trials)  # killed before all values were drawn
            trial = self._optuna.Trial(self._study, trials[number]._trial_id) if known else self._study.ask()
            drawn = {r.key: self._draw(trial, r) for r in self.tuning.over}
        return {r.key: self._read(r, drawn[r.key]) for r in self.tuning.over}

    def tell(self, number: int, worth: float) -> None:
        """What a trial is worth: higher is better, minus infinity for a failure. A second word changes nothing."""
        with contextlib.suppress(RuntimeError):  # the grid's sampler wants to stop a loop that isn't there
            self._study.tell(number, worth, skip_if_finished=True)

    def _sampler(self, number: int) -> Any:
        if self.tuning.sampler == GRID:
            points = {r.key: [*(range(len(r.points)) if r.ordered else r.points)] for r in self.tuning.over}
            return self._optuna.samplers.GridSampler(points, seed=0)
        return self._optuna.samplers.TPESampler(seed=number)

    @staticmethod
    def _draw(trial: Any, r: Range) -> Any:
        """Ordered points are drawn by their place, so that neighbours stay neighbours."""
        if not r.ordered:
            return trial.suggest_categorical(r.key, r.points)
        if r.points:
            return trial.suggest_int(r.key, 0, len(r.points) - 1)
        return trial.suggest_float(r.key, r.low, r.high, log=r.log)

    @staticmethod
    def _read(r: Range, drawn: Any) -> Any:
        if not r.ordered:
            return drawn
        return r.points[drawn] if r.points else r.value(drawn)


def mend(path: Path) -> None:
    """Cut off a last line that was never finished: what is appended to it couldn't be read."""
    if path.exists() and not (content := path.read_bytes()).endswith(b"\n") and content:
        with path.open("r+b") as file:
            file.truncate(content.rfind(b"\n") + 1)
