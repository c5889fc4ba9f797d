"""Tasks and models of each kind for cells on several devices. Batches don't divide evenly, and the last holds one
example where the model can learn from one. `kept` leaves the weights of every process in the folder $TOGETHER, `judged`
those that were judged last."""

from __future__ import annotations

import os
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlbench import (
    Batch,
    Classes,
    Graph,
    GraphBatch,
    GraphClasses,
    Image,
    Learner,
    Metric,
    ModelSpec,
    NextToken,
    NodeClasses,
    Regularizer,
    RegularizerSpec,
    Sample,
    Signature,
    TaskSpec,
    TokenBatch,
    Tokens,
    Vector,
)  # fmt: skip
from dlbench.data.batches import GatheredBatches

LOSS = Metric(name="loss", unit="nats", higher_is_better=False)
RECIPE = {"batch_size": 12, "budget.steps": 20, "evaluate_every": 10, "lr": 0.05, "optimizer": "sgd[momentum=0.9]"}


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


class Drawn:
    """`count` examples; `gather(index)` makes a batch of them."""

    def __init__(self, signature: Signature, count: int, gather: Any, balanced: bool = False) -> None:
        self.signature, self.count, self.gather, self.balanced = signature, count, gather, balanced

    def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> GatheredBatches:
        return GatheredBatches(self.count, batch_size, generator, self.gather)

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        targets = batch.targets
        if batch.mask is not None:
            outputs, targets = outputs[batch.mask], targets[batch.mask]
        weight = torch.bincount(targets, minlength=outputs.shape[-1]) / len(targets) if self.balanced else None
        return F.cross_entropy(outputs, targets, weight=weight)

    def judge(self, learner: Any, split: str) -> dict[str, float]:
        if "sample" in self.signature.output.verbs:
            return {"loss": float(learner.sample(8, torch.Generator().manual_seed(0)).square().mean())}
        losses = [self.loss(learner.predict(batch), batch) for batch in self.batches(split, 16, None)]
        return {"loss": float(torch.stack(losses).mean())}


def points(data: Any, *, balanced: bool = False) -> Drawn:
    x = noise(37, 5)
    y = (x[:, 0] > 0).long() + (x[:, 1] > 1).long()
    signature = Signature(input=Vector(features=5), output=Classes(num_classes=3))
    return Drawn(signature, 37, lambda i: Batch(x[i], y[i], size=len(i)), balanced)


def pictures(data: Any) -> Drawn:
    x, signature = (
        noise(37, 2, 6, 6),
        Signature(input=Image(channels=2, height=6, width=6), output=Classes(num_classes=3)),
    )
    y = torch.arange(37) % 3
    return Drawn(signature, 37, lambda i: Batch(x[i] + y[i][:, None, None, None], y[i], size=len(i)))


def texts(data: Any) -> Drawn:
    """Texts of 1 to 7 tokens; some batches have parts without a target."""
    ids = torch.randint(1, 9, (37, 8), generator=torch.Generator().manual_seed(1))
    lengths = torch.arange(37) % 7 + 1

    def gather(index: Tensor) -> Batch:
        mask = torch.arange(7) < lengths[index][:, None]
        mask[0 : len(index) // 2] &= bool(index[0] % 2)
        if not mask.any():
            mask[-1, 0] = True
        inputs = TokenBatch(ids[index, :-1], lengths[index], sizes=lengths[index].tolist())
        return Batch(inputs, ids[index, 1:].masked_fill(~mask, -1), mask, int(mask.sum()))

    return Drawn(Signature(input=Tokens(vocab=9), output=NextToken(vocab=9)), 37, gather)


def graphs(data: Any, *, level: str = "graph") -> Drawn:
    """Rings of 3 to 8 nodes."""
    sizes = torch.arange(37) % 6 + 3
    nodes = [noise(int(n), 4) for n in sizes]

    def gather(index: Tensor) -> Batch:
        starts = sizes[index].cumsum(0) - sizes[index]
        ring = [torch.arange(int(n)) for n in sizes[index]]
        edges = torch.cat([torch.stack([r, (r + 1) % len(r)]) + s for r, s in zip(ring, starts, strict=True)], 1)
        found = torch.cat([nodes[i] for i in index])
        ids = torch.repeat_interleave(torch.arange(len(index)), sizes[index])
        batch = GraphBatch(found, edges, edges.T.float(), ids, len(index))
        targets = index % 3 if level == "graph" else (found[:, 0] > 0).long()
        return Batch(batch, targets, size=len(targets))

    output = GraphClasses(num_classes=3) if level == "graph" else NodeClasses(num_classes=2)
    return Drawn(Signature(input=Graph(node_features=4, edge_features=2), output=output), 37, gather)


def one_graph(data: Any) -> Drawn:
    made = graphs(data, level="node")
    signature = Signature(input=Graph(node_features=4, edge_features=2, single=True), output=made.signature.output)
    return Drawn(signature, 1, made.gather)


def clouds(data: Any) -> Drawn:
    x = noise(40, 2) + 3
    return Drawn(Signature(input=Vector(features=2), output=Sample()), 40, lambda i: Batch(x[i], size=len(i)))


def mlp(signature: Any) -> nn.Module:
    return nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, 3))


def wide(signature: Any) -> nn.Module:
    """Weights that take more memory than all that is computed of a batch."""
    return nn.Sequential(nn.Linear(5, 128), *(nn.Linear(128, 128) for _ in range(8)), nn.Linear(128, 3))


def dropping(signature: Any) -> nn.Module:
    return nn.Sequential(nn.Linear(5, 16), nn.Dropout(0.5), nn.Linear(16, 3))


class Counting(nn.Module):
    """Keeps the mean of what it saw, which is another one on each device."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(5, 3)
        self.register_buffer("seen", torch.zeros(5))

    def forward(self, x: Tensor) -> Tensor:
        self.seen = x.mean(0)
        return self.linear(x)


def cnn(signature: Any) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 6, 3), nn.BatchNorm2d(6), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3),
    )  # fmt: skip


class Gnn(nn.Module):
    def __init__(self, signature: Any) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 8), nn.Linear(8, 8)
        self.norm, self.last = nn.BatchNorm1d(8), nn.Linear(8, signature.output.num_classes)
        self.of_graphs = isinstance(signature.output, Classes)

    def forward(self, batch: GraphBatch) -> Tensor:
        x = batch.nodes
        for layer in (self.first, self.second):
            h = layer(x)
            x = torch.relu(self.norm(h.index_add(0, batch.edges[1], h[batch.edges[0]])))
        if self.of_graphs:
            x = x.new_zeros(batch.num_graphs, 8).index_add(0, batch.graph_ids, x)
        return self.last(x)


class Lm(nn.Module):
    def __init__(self, signature: Any) -> None:
        super().__init__()
        self.embedding, self.recurrent, self.last = nn.Embedding(9, 8), nn.GRU(8, 8, batch_first=True), nn.Linear(8, 9)

    def forward(self, batch: TokenBatch) -> Tensor:
        assert len(batch.sizes) == len(batch.ids)
        return self.last(self.recurrent(self.embedding(batch.ids))[0])


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.mix = nn.LayerNorm(9), nn.Linear(9, 9)
        self.gain = nn.Parameter(torch.tensor(0.5))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.gain * torch.tanh(self.mix(self.norm(x)))


class Tied(nn.Module):
    """Blocks that may be gathered one by one, an embedding that is the head too, and a number without rows."""

    def __init__(self) -> None:
        super().__init__()
        self.ends = nn.ModuleList([nn.Embedding(9, 9), nn.Linear(9, 9, bias=False), nn.Linear(9, 9)])
        self.ends[1].weight = self.ends[0].weight
        self.blocks = nn.ModuleList([Block() for _ in range(3)])

    def forward(self, batch: TokenBatch) -> Tensor:
        x = self.ends[0](batch.ids)
        for block in self.blocks:
            x = block(x)
        return self.ends[1](torch.relu(self.ends[2](x)))


class Reaching(nn.Module):
    """Uses the weights of a block without calling it."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(5, 3), nn.Linear(5, 3)])

    def forward(self, x: Tensor) -> Tensor:
        return self.layers[0](x) + F.linear(x, self.layers[1].weight)


class Outside(Learner):
    """Uses the weights of a network that it never calls."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Linear(5, 3)

    def predict(self, x: Tensor) -> Tensor:
        return F.linear(x, self.network.weight)

    def loss(self, batch: Batch) -> Tensor:
        return F.cross_entropy(self.predict(batch.inputs), batch.targets)


class Gan(Learner):
    """Its noise is made of the examples, so that any number of devices has the same."""

    def __init__(self, signature: Any) -> None:
        super().__init__()
        self.maker = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
        self.judge = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.LeakyReLU(), nn.Linear(8, 1))

    def parts(self) -> dict[str, Any]:
        return {"maker": self.maker.parameters(), "judge": self.judge.parameters()}

    def train_step(self, batch: Batch, optimizers: Any) -> Tensor:
        real, drawn = batch.inputs, torch.sin(7 * batch.inputs.flip(1))
        fake = self.maker(drawn)
        right, wrong = torch.ones(len(real), 1), torch.zeros(len(real), 1)
        score = F.binary_cross_entropy_with_logits
        judged = score(self.judge(real), right) + score(self.judge(fake.detach()), wrong)
        optimizers.minimize(judged, part="judge")
        return optimizers.minimize(lambda: score(self.judge(self.maker(drawn)), right), part="maker")

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        return self.maker(torch.randn(count, 2, generator=generator))


class Failing(nn.Module):
    """`how`, in the second process of two and from the third step on."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.linear, self.how, self.steps = nn.Linear(5, 3), how, 0

    def forward(self, x: Tensor) -> Tensor:
        import ctypes
        import time

        self.steps += 1
        if self.steps > 2 and torch.distributed.get_rank() == 1:
            if self.how == "dies":
                ctypes.string_at(0)
            if self.how == "hangs":
                time.sleep(10_000)
            raise RuntimeError("one process alone raises this")
        return self.linear(x)


def failing(how: str) -> Any:
    return lambda signature: Failing(how)


class Kept(Regularizer):
    def start(self, learner: Learner, signature: Signature, optimizers: Any) -> None:
        self.file = f"{os.environ['TOGETHER']}/{signature.input.label()}-{signature.output.label()}-{os.getpid()}.pt"

    def after_step(self, learner: Learner) -> None:
        torch.save(learner.state_dict(), self.file)


class Judged(Regularizer):
    def start(self, learner: Learner, signature: Signature, optimizers: Any) -> None:
        module = learner.get_submodule("module")
        kinds = f"{signature.input.label()}-{signature.output.label()}"
        self.file = f"{os.environ['TOGETHER']}/{kinds}-{type(module).__name__.removeprefix('FSDP')}.pt"
        module.register_forward_hook(self.keep)

    def keep(self, module: nn.Module, given: Any, output: Any) -> None:
        if not module.training:
            torch.save({**dict(module.named_parameters()), **dict(module.named_buffers())}, self.file)


class Shaking(Regularizer):
    """Noise on gradients, which all processes must draw alike; dropout in the same model, which they must not."""

    def on_gradients(self, parameters: list[nn.Parameter]) -> None:
        for parameter in parameters:
            parameter.grad += 0.1 * torch.randn_like(parameter)


def dlbench_tasks() -> Any:
    kinds = {
        points: (Vector, Classes), pictures: (Image, Classes), texts: (Tokens, NextToken), clouds: (Vector, Sample),
        graphs: (Graph, GraphClasses), one_graph: (Graph, NodeClasses),
    }  # fmt: skip
    for load, (given, asked) in kinds.items():
        yield TaskSpec(
            name=f"tog_{load.__name__}", input_kind=given, output_kind=asked, load=load, metric=LOSS, floor=None,
            unit="examples", version="1", recipe=RECIPE,
        )  # fmt: skip
    yield TaskSpec(
        name="tog_nodes", input_kind=Graph, output_kind=NodeClasses, load=lambda data: graphs(data, level="node"),
        metric=LOSS, floor=None, unit="nodes", version="1", recipe=RECIPE,
    )  # fmt: skip


def dlbench_models() -> Any:
    vector = [(Vector, Classes)]
    yield ModelSpec(name="tog_mlp", build=mlp, accepts=vector)
    yield ModelSpec(name="tog_counting", build=lambda signature: Counting(), accepts=vector)
    for how in ("dies", "hangs", "raises"):
        yield ModelSpec(name=f"tog_{how}", build=failing(how), accepts=vector)
    yield ModelSpec(name="tog_dropping", build=dropping, accepts=vector)
    yield ModelSpec(name="tog_cnn", build=cnn, accepts=[(Image, Classes)])
    yield ModelSpec(name="tog_gnn", build=Gnn, accepts=[(Graph, GraphClasses), (Graph, NodeClasses)])
    yield ModelSpec(name="tog_lm", build=Lm, accepts=[(Tokens, NextToken)])
    yield ModelSpec(name="tog_gan", build=Gan, accepts=[(Vector, Sample)])
    yield ModelSpec(name="tog_tied", build=lambda signature: Tied(), accepts=[(Tokens, NextToken)])
    yield ModelSpec(name="tog_wide", build=wide, accepts=vector)
    yield ModelSpec(name="tog_outside", build=lambda signature: Outside(), accepts=vector)
    yield ModelSpec(name="tog_reaching", build=lambda signature: Reaching(), accepts=vector)


def dlbench_regularizers() -> Any:
    yield RegularizerSpec(name="kept", build=Kept)
    yield RegularizerSpec(name="judged", build=Judged)
    yield RegularizerSpec(name="shaking", build=Shaking)
