"""What must not be seen: labels outside the mask, later tokens, the rest of a batch. And scores beyond a bound."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dlbench import Batch, GraphBatch, TokenBatch
from dlbench.contract.learner import Supervised
from dlbench.data import Data
from dlbench.data.batches import HIDDEN, hide
from dlbench.tables.leaderboard import rows
from dlbench.testing.probing import beats_the_bound, depends_on_company, first_alone, hidden_targets, looks_ahead
from dlbench.train.cell import open_bench
from dlbench_graph.citation.hypergraph import SingleHypergraph, single_hypergraph
from factories import cells
from workshop import catalog, message, planned

DATA = Data(root=Path("no-data"), cache=Path("no-cache"))


def bench(task: str, options: str = "") -> Any:
    return open_bench(message(planned("constant", task + options)))


# --- targets outside the mask ---------------------------------------------------------------------------------


def graph_tasks() -> list[Any]:
    spec = catalog().task("sbm_small")
    edges = torch.tensor([[0, 1, 2, 3], [0, 0, 1, 1]])
    splits = {"train": torch.tensor([0, 1]), "val": torch.tensor([2]), "test": torch.tensor([3])}
    hyper = SingleHypergraph(
        graph=single_hypergraph(torch.eye(4), edges, 2), labels=torch.arange(4), splits=splits, num_classes=4
    )
    return [spec.load(DATA), spec.load(DATA, sampler="neighbour", fanout=3), catalog().task("karate").load(DATA), hyper]


def test_no_batch_of_a_task_on_nodes_holds_labels_outside_its_mask() -> None:
    for task in graph_tasks():
        hidden_targets(task)
        for split in ("train", "val", "test"):
            for batch in task.batches(split, 10, torch.Generator().manual_seed(0)):
                assert (batch.targets[~batch.mask] == HIDDEN).all()
                assert (batch.targets[batch.mask] >= 0).all()
                assert int(batch.mask.sum()) == batch.size


def test_a_loss_that_forgets_the_mask_never_learns_the_test_labels() -> None:
    (batch,) = graph_tasks()[0].batches("train", 1, None)
    with pytest.raises(IndexError, match="Target -1 is out of bounds"):
        nn.functional.cross_entropy(torch.zeros(600, 4), batch.targets)


def test_numbers_are_hidden_as_nan() -> None:
    mask = torch.tensor([True, False])
    assert hide(torch.tensor([1.5, 2.5]), mask).nan_to_num(-7).tolist() == [1.5, -7]
    assert hide(torch.tensor([3, 4]), mask).tolist() == [3, HIDDEN]


def test_the_kit_finds_labels_outside_the_mask() -> None:
    task = graph_tasks()[0]
    whole = task.batches

    def careless(split: str, batch_size: int, generator: Any) -> Any:
        return [Batch(b.inputs, task.labels, b.mask, b.size) for b in whole(split, batch_size, generator)]

    task.batches = careless
    with pytest.raises(AssertionError, match="holds 520 targets outside its mask: give them -1 or NaN"):
        hidden_targets(task)


# --- later tokens ---------------------------------------------------------------------------------------------


class Looking(nn.Module):
    """Sees the place itself and the one `ahead` of it."""

    def __init__(self, ahead: int) -> None:
        super().__init__()
        self.ahead, self.table = ahead, nn.Embedding(16, 16)

    def forward(self, inputs: TokenBatch) -> Tensor:
        seen = self.table(inputs.ids)
        return seen + seen.roll(-self.ahead, dims=1)


def test_logits_that_change_with_later_tokens_are_found() -> None:
    markov = bench("markov_chars")
    for ahead in (1, 5):
        with pytest.raises(AssertionError, match="it looks ahead"):
            looks_ahead(markov, Supervised(Looking(ahead), markov.task.loss))
    looks_ahead(markov, Supervised(Looking(0), markov.task.loss))


@pytest.mark.parametrize("model", ["gru", "gpt"])
def test_causal_models_pass(model: str) -> None:
    markov = open_bench(message(planned(model, "markov_chars")))
    learner = markov.build(markov.task)[0]
    looks_ahead(markov, learner)
    depends_on_company(markov, learner)


def test_what_a_decoder_has_written_later_is_not_seen() -> None:
    class Peeking(nn.Module):
        def forward(self, inputs: TokenBatch) -> Tensor:
            assert inputs.previous is not None
            logits = nn.functional.one_hot(inputs.previous.roll(-1, dims=1), reverse.task.signature.output.vocab)
            return logits.float()

    reverse = bench("reverse", "[num_train=64,num_val=32,num_test=32]")
    with pytest.raises(AssertionError, match="it looks ahead"):
        looks_ahead(reverse, Supervised(Peeking(), reverse.task.loss))


# --- the rest of the batch ------------------------------------------------------------------------------------


class Mean(nn.Linear):
    """Takes the batch's mean away, as a batch normalisation does that never leaves training."""

    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs - inputs.mean(0))


def test_an_answer_that_changes_with_the_rest_of_the_batch_is_found() -> None:
    digits = bench("digits")

    def network(first: nn.Module) -> Supervised:
        return Supervised(nn.Sequential(nn.Flatten(), first), digits.task.loss)

    with pytest.raises(AssertionError, match="changes with the rest of the batch"):
        depends_on_company(digits, network(Mean(64, 10)))
    depends_on_company(digits, network(nn.Linear(64, 10)))
    depends_on_company(digits, network(nn.Sequential(nn.BatchNorm1d(64), nn.Linear(64, 10))))


def test_the_first_example_alone() -> None:
    assert first_alone(torch.zeros(3, 2)).shape == (1, 2)
    assert first_alone(torch.zeros(1, 2)) is None
    tokens = first_alone(TokenBatch(torch.ones(3, 5), torch.tensor([5, 3, 2]), sizes=[5, 3, 2]))
    assert (tokens.ids.shape, tokens.lengths.tolist(), tokens.previous) == ((1, 5), [5], None)
    assert tokens.sizes == [5]
    edges = torch.tensor([[1, 0, 3, 2, 4], [0, 1, 2, 3, 3]])
    graphs = GraphBatch(torch.eye(5), edges, torch.arange(5.0)[:, None], torch.tensor([0, 0, 1, 1, 1]), 2)
    alone = first_alone(graphs)
    assert alone.nodes.shape == (2, 5)
    assert alone.edges.tolist() == [[1, 0], [0, 1]]
    assert alone.edge_features.flatten().tolist() == [0, 1]
    assert (alone.graph_ids.tolist(), alone.num_graphs) == ([0, 0], 1)


# --- better than the best possible ----------------------------------------------------------------------------


def table(values: list[float], **task: Any) -> Any:
    nats = {"name": "nats", "unit": "nats", "higher_is_better": False}
    described = {"floor": 2.6, "bound": 1.5, "metric": nats, "options": "", **task}
    others = cells([1.6, 1.61, 1.62], task=described, model={"name": "honest"})
    return rows({"s": cells(values, task=described, model={"name": "peek"}) + others}).set_index("model")


@pytest.mark.parametrize("values", [[0.05], [0.05, 0.06], [0.05, 0.06, 0.05]])
def test_a_score_better_than_the_bound_is_flagged_and_not_ranked(values: list[float]) -> None:
    found = table(values)
    assert "beyond_bound" in found.loc["peek", "flags"].split()
    assert found["rank"].to_dict() == {"honest": "1", "peek": ""}
    assert list(found.index) == ["honest", "peek"]


@pytest.mark.parametrize(
    ("values", "task"),
    [
        ([1.5, 1.5, 1.5], {}),
        ([1.495, 1.495, 1.495], {}),  # luck on the test split
        ([1.2, 1.5, 1.7], {}),  # within three standard errors
        ([0.05, 0.06, 0.05], {"bound": None}),
        ([0.05, 0.06, 0.05], {"options": "order=2"}),
    ],
    ids=str,
)
def test_a_score_near_the_bound_is_ranked(values: list[float], task: dict[str, Any]) -> None:
    found = table(values, **task)
    assert "beyond_bound" not in found.loc["peek", "flags"].split()
    assert (found["rank"] != "").all()


def test_the_kit_finds_a_model_that_beats_the_bound_in_a_short_training() -> None:
    markov = bench("markov_chars")
    beats_the_bound(markov)

    class Knows(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.tensor(9.0))

        def forward(self, inputs: TokenBatch) -> Tensor:
            ahead = inputs.ids.roll(-1, dims=1)
            return nn.functional.one_hot(ahead, 16) * self.scale

    markov.build = lambda task: (Supervised(Knows(), task.loss), NoSteps(), [])  # type: ignore[assignment]
    with pytest.raises(AssertionError, match=r"better than the best possible \(1.50596\)"):
        beats_the_bound(markov)
    beats_the_bound(bench("digits"))  # there is no bound


class NoSteps:
    """Optimizers that leave the weights alone."""

    has_closures = False

    def minimize(self, loss: Any) -> Tensor:
        return loss().detach()
