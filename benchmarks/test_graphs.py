"""Graphs beside plain PyTorch Geometric and Deep Graph Library: batches of molecules, an epoch on ZINC, GCN on Cora.

Needs the data root (DLBENCH_DATA) with ZINC and Cora.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import fmean, median
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlbench.contract.learner import Batch
from dlbench.data import Data
from dlbench.data.root import default_cache, default_root
from dlbench.plan.catalog import discover
from turns import cpu_s, in_turns

BATCH, COUNT, WIDTH = 128, 10 * 128, 64
SEEDS, EPOCHS = 10, 200
pytestmark = pytest.mark.skipif(
    not (default_root() / "graph/molecules/zinc").is_dir(), reason="ZINC isn't in the data root"
)


@pytest.fixture(scope="module")
def zinc() -> Any:
    spec = discover().task("zinc")
    return spec.open(Data(root=default_root(), cache=default_cache()), {})


@pytest.fixture(scope="module")
def molecules(zinc: Any) -> list[Any]:
    """The same molecules as objects of PyG, atom and bond types as integers."""
    from torch_geometric.data import Data as Molecule

    made = []
    for index in zinc.splits["train"][:COUNT]:
        graphs = zinc.graphs.gather(index[None]).graphs
        made.append(
            Molecule(x=graphs.nodes.argmax(1), edge_index=graphs.edges, edge_attr=graphs.edge_features.argmax(1),
                     y=zinc.targets[index][None])
        )  # fmt: skip
    return made


def passes(zinc: Any) -> Callable[[], list[Batch]]:
    """One pass over the first molecules, in random order."""
    first = type(zinc)(**{**vars(zinc), "splits": {**zinc.splits, "train": zinc.splits["train"][:COUNT]}})
    generator = torch.Generator().manual_seed(0)
    return lambda: list(first.batches("train", BATCH, generator))


@pytest.mark.benchmark(timer=time.process_time)
def test_collating_molecules(benchmark: Any, zinc: Any, molecules: list[Any]) -> None:
    from torch_geometric.loader import DataLoader

    from dlbench_dgl.compat import load_dgl

    dgl = load_dgl()

    loader, ours = DataLoader(molecules, batch_size=BATCH, shuffle=True), passes(zinc)
    theirs = []
    for molecule in molecules:
        graph = dgl.graph(tuple(molecule.edge_index), num_nodes=len(molecule.x))
        graph.ndata["x"], graph.edata["e"] = molecule.x, molecule.edge_attr
        theirs.append(graph)
    targets = torch.cat([molecule.y for molecule in molecules])

    def dgl_pass() -> None:
        for index in torch.randperm(COUNT).split(BATCH):
            dgl.batch([theirs[i] for i in index.tolist()])
            targets[index]

    readings = in_turns(
        {"pyg": lambda: cpu_s(lambda: list(loader)), "dgl": lambda: cpu_s(dgl_pass), "ours": lambda: cpu_s(ours)}, 15
    )
    benchmark.pedantic(ours, rounds=15)
    ratios = {name: median(a / b for a, b in zip(readings[name], readings["ours"], strict=True)) for name in readings}
    benchmark.extra_info |= {
        "ms_per_batch": round(1e3 * median(readings["ours"]) * BATCH / COUNT, 3),
        "faster_than_pyg": round(ratios["pyg"], 2), "faster_than_dgl": round(ratios["dgl"], 2),
    }  # fmt: skip
    assert ratios["pyg"] >= 7, benchmark.extra_info
    assert ratios["dgl"] >= 2, benchmark.extra_info


class PlainGCN(nn.Module):
    """What a script on PyG's layers builds: `depth` layers with batch norm and residuals, a mean, an MLP."""

    def __init__(self, width: int, depth: int = 4) -> None:
        super().__init__()
        from torch_geometric.nn import GCNConv

        self.embed = nn.Embedding(28, width)
        self.layers = nn.ModuleList(GCNConv(width, width) for _ in range(depth))
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) for _ in range(depth))
        self.head = nn.Sequential(
            nn.Linear(width, width // 2), nn.ReLU(), nn.Linear(width // 2, width // 4), nn.ReLU(),
            nn.Linear(width // 4, 1),
        )  # fmt: skip

    def forward(self, molecules: Any) -> Tensor:
        from torch_geometric.nn import global_mean_pool

        x = self.embed(molecules.x)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = x + norm(layer(x, molecules.edge_index)).relu()
        return self.head(global_mean_pool(x, molecules.batch)).squeeze(1)


@pytest.mark.benchmark(timer=time.process_time)
def test_an_epoch_on_zinc(benchmark: Any, zinc: Any, molecules: list[Any]) -> None:
    """Batches and training steps: `gcn[norm=symmetric]` under dlbench's loop, the plain network under a plain one."""
    from torch_geometric.loader import DataLoader

    from dlbench.contract.optimizers import PartOptimizers
    from dlbench.contract.recipe import resolve
    from dlbench.contract.runtime import Runtime
    from dlbench.train.cell import as_learner
    from dlbench.train.execution import Execution
    from dlbench.train.training import Stepper

    catalog, execution = discover(), Execution(Runtime())
    learner = as_learner(catalog.model("gcn").build(zinc.signature, width=WIDTH, norm="symmetric"), zinc)
    optimizers = PartOptimizers(
        learner, resolve([("test", {"lr": 1e-3})]).recipe, catalog, [], scale_for=execution.scale_for
    )
    step, batches = Stepper(learner, optimizers, [], execution, torch.Generator()), passes(zinc)
    plain, loader = PlainGCN(WIDTH), DataLoader(molecules, batch_size=BATCH, shuffle=True)
    optimizer = torch.optim.Adam(plain.parameters(), lr=1e-3)

    def ours() -> None:
        for batch in batches():
            step(batch)

    def theirs() -> None:
        for molecule in loader:
            optimizer.zero_grad()
            F.l1_loss(plain(molecule), molecule.y).backward()
            optimizer.step()

    readings = in_turns({"pyg": lambda: cpu_s(theirs), "ours": lambda: cpu_s(ours)}, rounds=11)
    benchmark.pedantic(ours, rounds=5)
    faster = median(a / b for a, b in zip(readings["pyg"], readings["ours"], strict=True))
    benchmark.extra_info |= {
        "ms_per_step": round(1e3 * median(readings["ours"]) * BATCH / COUNT, 2), "times_faster": round(faster, 2),
    }  # fmt: skip
    assert faster >= 1.5, benchmark.extra_info


def plain_cora(seed: int) -> tuple[float, float]:
    """Kipf & Welling's recipe as a PyG script has it: seconds of training steps, and the test accuracy of the state
    with the lowest validation loss."""
    from torch_geometric.data import Data as Graph
    from torch_geometric.nn import GCNConv

    task = discover().task("cora").open(Data(root=default_root(), cache=default_cache()), {"features": "dense"})
    graph = Graph(x=task.graph.nodes, edge_index=task.graph.edges, y=task.labels)
    torch.manual_seed(seed)
    layers = nn.ModuleList([GCNConv(graph.num_features, 16, cached=True), GCNConv(16, task.num_classes, cached=True)])
    optimizer = torch.optim.Adam(
        [{"params": layers[0].parameters(), "weight_decay": 5e-4}, {"params": layers[1].parameters()}], lr=0.01
    )

    def forward(training: bool) -> Tensor:
        x = layers[0](F.dropout(graph.x, training=training), graph.edge_index).relu()
        return layers[1](F.dropout(x, training=training), graph.edge_index)

    seconds, best, accuracy = 0.0, float("inf"), 0.0
    train, val, test = (task.splits[name] for name in ("train", "val", "test"))
    for _ in range(EPOCHS):
        start = time.perf_counter()
        optimizer.zero_grad()
        F.cross_entropy(forward(True)[train], graph.y[train]).backward()
        optimizer.step()
        seconds += time.perf_counter() - start
        with torch.no_grad():
            outputs = forward(False)
        loss = float(F.cross_entropy(outputs[val], graph.y[val]))
        if loss < best:
            best, accuracy = loss, float((outputs[test].argmax(1) == graph.y[test]).float().mean())
    return seconds, accuracy


def dlbench_cora(seed: int, folder: Path) -> tuple[float, float]:
    """The same from a run of the command line, out of its record."""
    command = [sys.executable, "-c", "from dlbench.cli import main; main()", "run", "-t", "cora", "-m", "gcn"]
    where = ["--seeds", f"{seed},", "--no-profile", "--results", str(folder / str(seed))]
    subprocess.run([*command, *where], check=True, stdout=subprocess.DEVNULL)
    (file,) = (folder / str(seed) / "records").glob("*.json")
    record = json.loads(file.read_text())
    phases = record["phases"]
    return phases["first_step_s"] + phases["train_s"], record["metrics"]["test"]["accuracy"]


@pytest.mark.benchmark(timer=time.process_time)
def test_ten_seeds_of_gcn_on_cora(benchmark: Any, tmp_path: Path) -> None:
    """Wall seconds of training in turns, seed by seed. Profiles and evaluation aren't in either."""
    pairs = [(plain_cora(seed), dlbench_cora(seed, tmp_path)) for seed in range(SEEDS)]
    script, ours = zip(*pairs, strict=True)
    faster = sum(s for s, _ in script) / sum(s for s, _ in ours)
    gap = 100 * (fmean(a for _, a in ours) - fmean(a for _, a in script))
    benchmark.pedantic(lambda: None)
    benchmark.extra_info |= {
        "script_s": round(sum(s for s, _ in script), 1), "ours_s": round(sum(s for s, _ in ours), 2),
        "times_faster": round(faster, 1), "accuracy": round(100 * fmean(a for _, a in ours), 2), "gap": round(gap, 2),
    }  # fmt: skip
    assert faster >= 15, benchmark.extra_info
    assert abs(gap) <= 0.5, benchmark.extra_info
