"""Changes batches on the pretend device by every augmentation, under `driver.python`; prints JSON: for each what made
the host wait in its second batch, where its results lie, and whether they are those of the CPU."""

from __future__ import annotations

import json
from typing import Any

import pretend
import torch_geometric  # noqa: F401  its import asks for real devices

pretend.install()  # before dlbench looks at torch

import torch  # noqa: E402

from dlbench import Batch  # noqa: E402
from dlbench_augment import dlbench_regularizers  # noqa: E402


def tried(build: Any) -> dict[str, Any]:
    images = torch.randn(8, 3, 12, 10, generator=torch.Generator().manual_seed(0))
    targets = torch.arange(8) % 5
    on_cpu, on_gpu = build(), build()
    for regularizer in (on_cpu, on_gpu):
        regularizer.num_classes = 5
    expected = on_cpu.on_batch(Batch(images, targets), torch.Generator().manual_seed(1))
    with pretend.Device():
        batch = Batch(images.to("cuda:0"), targets.to("cuda:0"))
        found = on_gpu.on_batch(batch, torch.Generator().manual_seed(1))
        before = pretend.SYNCS.copy()
        on_gpu.on_batch(batch, torch.Generator().manual_seed(2))
        waits = pretend.SYNCS - before
        pairs = [(found.inputs, expected.inputs), (found.targets, expected.targets)]
        alike = [torch.allclose(a.cpu().float(), b.float(), atol=1e-5) for a, b in pairs]
        return {"waits": dict(waits), "device": str(found.inputs.device), "alike": all(alike)}


if __name__ == "__main__":
    print(json.dumps({spec.name: tried(spec.build) for spec in dlbench_regularizers()}))
