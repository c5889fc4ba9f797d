"""distmult, complex, transe, rgcn and frequent_links against formulas and loops."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import dlbench_gnn
from dlbench import Batch, KnowledgeGraph, LinkBatch, Links, Signature, Triples, UsageError
from dlbench.contract.optimizers import PartOptimizers
from dlbench.contract.recipe import Recipe
from dlbench.testing import check_model, report
from dlbench_gnn.declare import links
from dlbench_gnn.rgcn import RGCN
from dlbench_graph.knowledge.links import LinkTask
from workshop import catalog

SPECS = {spec.name: spec for spec in links.specs()}
COUNTING = SPECS["frequent_links"]
E, R, D = 7, 3, 6
SIGNATURE = Signature(input=KnowledgeGraph(entities=E, relations=R), output=Links(num_classes=E))
KNOWN = Triples(
    torch.tensor([0, 1, 1, 2, 3, 0, 4, 4]),
    torch.tensor([0, 0, 1, 2, 1, 1, 0, 2]),
    torch.tensor([1, 2, 2, 0, 2, 2, 0, 4]),
)  # the last is a loop; nobody knows of 5 and 6


@pytest.fixture(autouse=True)
def _one_seed() -> None:
    torch.manual_seed(0)


def everything(known: Triples = KNOWN) -> tuple[LinkBatch, LinkBatch]:
    """All questions for tails, by anchor and relation, and all for heads."""
    anchors, relations = torch.cartesian_prod(torch.arange(E), torch.arange(R)).T
    backward = torch.zeros(len(anchors), dtype=torch.bool)
    return LinkBatch(known, anchors, relations, backward), LinkBatch(known, anchors, relations, ~backward)


def scores(model: nn.Module) -> Tensor:
    """(heads, relations, tails), asked for by tails; asked for by heads they must be the same."""
    tails, heads = (model.eval()(asked).view(E, R, E) for asked in everything())
    assert torch.allclose(tails, heads.permute(2, 1, 0), atol=1e-5)
    return tails


@pytest.mark.parametrize("name", ["distmult", "complex", "transe", "transe1"])
def test_scores_are_those_of_the_papers(name: str) -> None:
    options = {"norm": 1} if name == "transe1" else {}
    model = SPECS[name.removesuffix("1")].build(SIGNATURE, width=D, **options)
    found = scores(model)
    x, r = model.entities.weight.detach(), model.decoder.relations.weight.detach()
    if name == "distmult":
        expected = torch.einsum("hd,rd,td->hrt", x, r, x)
    elif name == "complex":
        x, r = (torch.complex(*each.chunk(2, dim=1)) for each in (x, r))
        expected = torch.einsum("hd,rd,td->hrt", x, r, x.conj()).real
    else:
        expected = -(x[:, None, None] + r[None, :, None] - x[None, None]).norm(p=options.get("norm", 2), dim=3)
    assert torch.allclose(found, expected, atol=1e-5)
    mirrored = torch.allclose(found, found.permute(2, 1, 0), atol=1e-5)
    assert mirrored == (name == "distmult")


@pytest.mark.parametrize("norm", ["node", "relation"])
def test_rgcn_is_the_sum_over_relations(norm: str) -> None:
    model = SPECS["rgcn"].build(SIGNATURE, width=D, depth=2, bases=2, norm=norm).eval()
    x = model.entities.weight
    edges = [(h, r, t) for h, r, t in zip(*(part.tolist() for part in KNOWN), strict=True)]
    edges += [(t, r + R, h) for h, r, t in edges]
    for number, layer in enumerate(model.layers):
        x = x if number == 0 else x.clamp(min=0)
        weights = torch.einsum("rb,bij->rij", layer.mixture, layer.bases)
        rows = []
        for node in range(E):
            row = layer.loop.weight @ x[node] + layer.loop.bias
            arriving = [(source, kind) for source, kind, target in edges if target == node]
            for source, kind in arriving:
                alike = [1 for _, other in arriving if norm == "node" or other == kind]
                row = row + x[source] @ weights[kind] / len(alike)
            rows.append(row)
        x = torch.stack(rows)
    assert torch.allclose(model.encode(KNOWN), x, atol=1e-5)
    assert torch.allclose(scores(model), torch.einsum("hd,rd,td->hrt", x, model.decoder.relations.weight, x), atol=1e-5)


def test_rgcn_averages_what_training_keeps_and_drops_both_directions() -> None:
    model = SPECS["rgcn"].build(SIGNATURE, width=D, edge_dropout=0.5)
    target = torch.cat([KNOWN.tails, KNOWN.heads])
    types = torch.cat([KNOWN.relations, KNOWN.relations + R])
    kept = []
    for _ in range(400):
        there, back = (weights := model.train().weigh(target, types)).chunk(2)
        assert torch.equal(there > 0, back > 0)
        kept.append((there > 0).float().mean())
        sums = torch.zeros(E).index_add(0, target, weights)
        reached = torch.zeros(E).index_add(0, target, (weights > 0).float()) > 0
        assert torch.allclose(sums, reached.float())
    assert abs(float(torch.stack(kept).mean()) - 0.5) < 4 * (0.25 / (8 * 400)) ** 0.5
    assert (model.eval().weigh(target, types) > 0).all()


def test_rgcn_rests_on_what_is_known() -> None:
    model = SPECS["rgcn"].build(SIGNATURE, width=D).eval()
    nothing = Triples(*(part[:0] for part in KNOWN))
    alone = model.encode(nothing)
    assert torch.allclose(alone, model.layers[0].loop(model.entities.weight), atol=1e-6)
    changed = (model.encode(KNOWN) - alone).abs().sum(dim=1) > 1e-6
    assert changed.tolist() == [True] * 5 + [False] * 2


@pytest.mark.parametrize("decoder", ["distmult", "complex", "transe"])
def test_rgcn_takes_every_decoder(decoder: str) -> None:
    model = SPECS["rgcn"].build(SIGNATURE, width=D, decoder=decoder)
    assert scores(model).shape == (E, R, E)
    assert set(model.parts()) == {"encoder", "decoder"}
    parts = [parameter for part in model.parts().values() for parameter in part]
    assert {id(parameter) for parameter in parts} == {id(parameter) for parameter in model.parameters()}


def test_options_that_fit_nothing_are_refused() -> None:
    with pytest.raises(UsageError, match="distmult"):
        SPECS["rgcn"].build(SIGNATURE, decoder="distmul")
    with pytest.raises(UsageError, match="an even width, not 7"):
        SPECS["complex"].build(SIGNATURE, width=7)
    with pytest.raises(UsageError, match="norm"):
        SPECS["rgcn"].build(SIGNATURE, norm="edge")
    with pytest.raises(UsageError, match="norm"):
        SPECS["transe"].build(SIGNATURE, norm=3)
    assert isinstance(SPECS["rgcn"].build(SIGNATURE), RGCN)


def test_frequent_links_counts_each_end_of_each_relation() -> None:
    model = COUNTING.build(SIGNATURE)
    heads, relations, tails = KNOWN
    backward = torch.arange(2).repeat_interleave(len(heads)) > 0
    asked = LinkBatch(KNOWN, torch.cat([heads, tails]), torch.cat([relations, relations]), backward)
    batch = Batch(inputs=asked, targets=torch.cat([tails, heads]), size=len(heads))
    model.train_step(batch, PartOptimizers(model, Recipe(), None))
    expected = torch.zeros(2, R, E)
    for head, relation, tail in zip(heads.tolist(), relations.tolist(), tails.tolist(), strict=True):
        expected[0, relation, tail] += 1
        expected[1, relation, head] += 1
    prior = expected.sum(dim=(0, 1)) + 1
    expected = expected + prior / prior.sum()
    for side, questions in enumerate(everything()):
        found = model.predict(questions).view(E, R, E)
        assert torch.allclose(found.exp(), (expected[side] / expected[side].sum(-1, keepdim=True)).expand(E, R, E))


@pytest.mark.parametrize("name", ["distmult", "complex", "transe", "rgcn"])
def test_they_conform(name: str) -> None:
    spec = next(spec for spec in dlbench_gnn.dlbench_models() if spec.name == name)
    findings = check_model(spec, catalog())
    assert all(finding.ok for finding in findings), report(findings)


class Judged:
    """A network as a task sees it."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model.eval()

    def predict(self, batch: Batch) -> Tensor:
        return self.model(batch.inputs).detach()  # type: ignore[no-any-return]


@pytest.mark.parametrize(("name", "most"), [("distmult", 11 / 14), ("complex", 1), ("transe", 1)])
def test_who_follows_whom_in_a_line(name: str, most: float) -> None:
    """What is the same both ways can't tell the next from the last: of two links that meet one wins, from both ends. So
    6 of the 14 answers to 7 links are second at best."""
    steps = torch.arange(7)
    line = torch.stack([steps, torch.zeros_like(steps), steps + 1])
    other = torch.tensor([[0], [1], [1]])
    task = LinkTask(
        {"train": line, "val": other, "test": other + 1}, entities=[*"abcdefgh"], relations=["next", "none", "nor"]
    )  # fmt: skip
    model = SPECS[name].build(task.signature, width=16, dropout=0.0)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    (batch,) = task.batches("train", 8, None)
    for _ in range(150):
        optimizer.zero_grad()
        task.loss(model(batch.inputs), batch).backward()
        optimizer.step()
    assert task.judge(Judged(model), "train")["mrr"] == pytest.approx(most)
