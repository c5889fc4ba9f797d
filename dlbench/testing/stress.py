"""A plugin whose models end in every way that a cell can, for `check_executor`. Its file is given with `-p`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dlbench import Classes, Metric, ModelSpec, Signature, TaskSpec, Vector

REMOTE = b"dlbench.execute.remote"


class Halves:
    """Points of the unit square, whose class is the half that they lie in."""

    signature = Signature(input=Vector(features=2), output=Classes(num_classes=2))

    def __init__(self, device: str) -> None:
        import torch

        points: Any = torch.rand(192, 2, generator=torch.Generator().manual_seed(1)).to(device)
        parts = zip(("train", "val", "test"), points.split(64), strict=True)
        self.splits = {split: (part, (part[:, 0] > 0.5).long()) for split, part in parts}

    def batches(self, split: str, batch_size: int, generator: Any) -> Any:
        from dlbench import Batch

        points, labels = self.splits[split]
        return [Batch(p, y, size=len(p)) for p, y in zip(points.split(16), labels.split(16), strict=True)]

    def loss(self, outputs: Any, batch: Any) -> Any:
        from torch.nn.functional import cross_entropy

        return cross_entropy(outputs, batch.targets)

    def judge(self, learner: Any, split: str) -> dict[str, float]:
        right = sum((learner.predict(b).argmax(1) == b.targets).sum().item() for b in self.batches(split, 16, None))
        return {"accuracy": right / 64}


def build(signature: Any, *, how: str = "speaks", folder: str = ".") -> Any:
    """A linear network that calls `how` before each of its answers."""
    from torch import nn

    class Net(nn.Linear):
        def forward(self, x: Any) -> Any:
            WAYS[how](Path(folder))
            return super().forward(x)

    return Net(2, 2)


def _speaks(folder: Path) -> None:
    print("the network speaks", flush=True)


def _raises(folder: Path) -> None:
    raise ValueError("the network raises")


def _leaves(folder: Path) -> None:
    import os

    os._exit(7)


def _beats(folder: Path) -> None:
    import time

    while True:
        (folder / "beat").write_text(str(time.time()))
        time.sleep(0.2)


def _allocates(folder: Path) -> None:
    import torch

    torch.ones(1 << 30)


def _kills_its_worker(folder: Path) -> None:
    """What the engine started for this job, which is the parent of the process of dlbench above the fork server."""
    import os
    import signal
    import time

    remote = int(Path(f"/proc/{os.getppid()}/stat").read_text().rpartition(")")[2].split()[1])
    if REMOTE not in Path(f"/proc/{remote}/cmdline").read_bytes():
        raise ValueError("there is no worker")
    worker = int(Path(f"/proc/{remote}/stat").read_text().rpartition(")")[2].split()[1])
    with (folder / "killed").open("a") as file:
        file.write(f"{worker}\n")
    os.kill(worker, signal.SIGKILL)
    time.sleep(60)


WAYS = {
    "speaks": _speaks, "raises": _raises, "leaves": _leaves, "beats": _beats, "allocates": _allocates,
    "kills_its_worker": _kills_its_worker,
}  # fmt: skip


def dlbench_models() -> Any:
    yield ModelSpec(name="stress", build=build, accepts=[(Vector, Classes)])


def dlbench_tasks() -> Any:
    yield TaskSpec(
        name="halves", input_kind=Vector, output_kind=Classes, load=lambda data: Halves(data.device), unit="points",
        metric=Metric(name="accuracy"), floor=None, recipe={"lr": 0.01, "batch_size": 16, "budget.epochs": 2},
    )  # fmt: skip
