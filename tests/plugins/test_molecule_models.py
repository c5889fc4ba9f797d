"""What draws molecules: likelihoods by hand, draws, whose parameters a step moves, counts, learning."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import dlbench_baseline
import dlbench_graphgen
from dlbench import Batch, Graph, GraphBatch, NotApplicable, Sample, Signature, TokenBatch, Tokens, UsageError
from dlbench.contract.choice import option_defaults
from dlbench.contract.optimizers import PartOptimizers
from dlbench.contract.recipe import resolve
from dlbench.data.batches import joined
from dlbench.plan.catalog import discover
from dlbench.testing import check_model, report
from dlbench_generation.molecules.graphs import MoleculeGraphs
from dlbench_graphgen.molgan import Critic, Generator
from dlbench_graphgen.molgan_learner import Draw, MolGAN, Shares
from workshop import catalog

pytestmark = pytest.mark.numbers

MODELS = {
    spec.name: spec for plugin in (dlbench_graphgen, dlbench_baseline) for spec in plugin.dlbench_models()
}  # fmt: skip
START, END = 1, 2
VOCAB, LENGTH = 5, 6
STRINGS = Signature(input=Tokens(vocab=VOCAB, length=LENGTH), output=Sample())
MOLECULES = Signature(input=Graph(node_features=2, edge_features=3, nodes_max=4), output=Sample())
TEXTS = {"train": ["CO", "CCO", "C=O", "CC#CC", "OCO", "CC", "C1CC1", "OC=O"], "val": ["C", "CCC"], "test": ["O", "OO"]}


@pytest.fixture(autouse=True)
def _one_seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="module")
def molecules(tmp_path_factory: pytest.TempPathFactory) -> MoleculeGraphs:
    return MoleculeGraphs(TEXTS, cache=tmp_path_factory.mktemp("molecules"))


def batch(*rows: list[int]) -> Batch:
    width = max(map(len, rows))
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
    return Batch(inputs=TokenBatch(ids, torch.tensor([len(row) for row in rows])), size=len(rows))


ROWS = batch([START, 3, 4, END], [START, END], [START, 3, 3, 4, 4, END])


def trained(model: Any, given: Batch, *, steps: int = 1, **settings: Any) -> Any:
    """After so many steps on one batch."""
    optimizers = PartOptimizers(model, resolve([("test", settings)]).recipe, catalog())
    for _ in range(steps):
        loss = model.train_step(given, optimizers)
        assert math.isfinite(loss)
    return model.eval()


# --- strings ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"cell": "lstm", "depth": 2, "dropout": 0.5}, {"temperature": 0.5}], ids=str)
def test_likelihood_of_a_string_is_that_of_its_tokens_one_after_the_other(options: dict[str, Any]) -> None:
    model = MODELS["smiles_rnn"].build(STRINGS, width=12, **options).eval()
    with torch.no_grad():
        found = model.log_density(ROWS.inputs)
        for row, length, value in zip(ROWS.inputs.ids, ROWS.inputs.lengths, found, strict=True):
            total = 0.0
            for place in range(1, int(length)):
                logits, _ = model.network(row[None, :place])  # all that was written so far
                total += (logits[0, -1] / options.get("temperature", 1.0)).log_softmax(0)[row[place]].item()
            assert value.item() == pytest.approx(total, rel=1e-4)
        alone = model.log_density(TokenBatch(torch.tensor([[START, 3, 4, END]])))
        assert alone.item() == pytest.approx(found[0].item(), rel=1e-5)  # padding says nothing


def endings(length: int) -> list[list[int]]:
    """All rows of exactly so many tokens between start and end, whatever they are."""
    inner = [token for token in range(VOCAB) if token != END]
    return [[START, *tokens, END] for tokens in itertools.product(inner, repeat=length)]


@pytest.mark.parametrize("name", ["smiles_rnn", "smiles_ngram"])
def test_probabilities_of_all_strings_add_up_to_one(name: str) -> None:
    """Those that end within three tokens, and those that go on."""
    model = MODELS[name].build(STRINGS, **({"width": 8} if name == "smiles_rnn" else {"order": 3}))
    trained(model, ROWS, steps=3)
    with torch.no_grad():
        ended = sum(model.log_density(batch(*endings(length)).inputs).double().exp().sum() for length in range(3))
        going = [[*row[:3], third] for row in endings(2) for third in range(VOCAB) if third != END]
        on = model.log_density(TokenBatch(torch.tensor(going))).double().exp().sum()  # no end is needed to ask
    assert float(ended + on) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("name", ["smiles_rnn", "smiles_ngram"])
def test_strings_are_drawn_as_likely_as_the_model_says(name: str) -> None:
    options = {"width": 16} if name == "smiles_rnn" else {}
    model = trained(MODELS[name].build(STRINGS, **options), ROWS, steps=60, lr=0.02)
    count = 4000
    with torch.no_grad():
        drawn = model.sample(count, torch.Generator().manual_seed(0))
        shares = model.log_density(ROWS.inputs).exp()
    rows = [tuple(row[:length]) for row, length in zip(drawn.ids.tolist(), drawn.lengths.tolist(), strict=True)]
    assert all(row[0] == START for row in rows)
    assert all(row[-1] == END or len(row) == LENGTH for row in rows)
    assert drawn.ids.shape[1] <= LENGTH
    assert bool((drawn.ids[torch.arange(drawn.ids.shape[1]) >= drawn.lengths[:, None]] == 0).all())
    for row, length, share in zip(ROWS.inputs.ids.tolist(), ROWS.inputs.lengths.tolist(), shares.tolist(), strict=True):
        seen = rows.count(tuple(row[:length])) / count
        assert share > 0.05
        assert abs(seen - share) < 4 * math.sqrt(share * (1 - share) / count)


@pytest.mark.parametrize("name", ["smiles_rnn", "smiles_ngram", "molgan", "graphvae", "erdos_renyi"])
def test_samples_depend_on_the_given_generator_alone(name: str, molecules: MoleculeGraphs) -> None:
    if name.startswith("smiles"):
        model = trained(MODELS[name].build(STRINGS), ROWS)
    else:
        model = trained(MODELS[name].build(molecules.signature), next(iter(molecules.batches("train", 8, None))))

    def draw(seed: int) -> list[Tensor]:
        with torch.no_grad():
            return [part for part in model.sample(40, torch.Generator().manual_seed(seed)) if isinstance(part, Tensor)]

    first = draw(1)
    torch.manual_seed(99)
    again, other = draw(1), draw(2)
    assert all(map(torch.equal, first, again))
    assert not all(a.shape == b.shape and torch.equal(a, b) for a, b in zip(first, other, strict=True))


def test_a_network_learns_its_strings_by_heart() -> None:
    model = trained(MODELS["smiles_rnn"].build(STRINGS, width=32), ROWS, steps=150, lr=0.01)
    with torch.no_grad():
        assert model.log_density(ROWS.inputs).exp().sum() > 0.9
        written = model.sample(200, torch.Generator().manual_seed(0))
    known = {(1, 3, 4, 2), (1, 2), (1, 3, 3, 4, 4, 2)}
    found = [tuple(row[:n]) in known for row, n in zip(written.ids.tolist(), written.lengths.tolist(), strict=True)]
    assert sum(found) > 150


def test_counts_of_strings_are_kneser_and_neys() -> None:
    """With two tokens to an n-gram, by hand: after the start came 3 twice and the end once, of four different pairs
    that led to 3, 4 or the end."""
    model = trained(MODELS["smiles_ngram"].build(STRINGS, order=2, discount=0.5), ROWS)
    pairs = {(1, 3): 2, (1, 2): 1, (3, 4): 2, (3, 3): 1, (4, 4): 1, (4, 2): 2}
    before = {token: sum(second == token for _, second in pairs) for token in range(VOCAB)}
    lowest = [0.5 * 3 / 6 / VOCAB + max(0, before[token] - 0.5) / 6 for token in range(VOCAB)]
    expected = (2 - 0.5) / 3 + 0.5 * 2 / 3 * lowest[3]
    with torch.no_grad():
        found = model.log_density(TokenBatch(torch.tensor([[START, 3]])))
    assert found.exp().item() == pytest.approx(expected)


def test_options_that_can_not_be_are_refused() -> None:
    rnn, ngram, molgan = (MODELS[name].build for name in ("smiles_rnn", "smiles_ngram", "molgan"))
    for build, signature, options in (
        (rnn, STRINGS, {"cell": "elman"}), (rnn, STRINGS, {"temperature": 0.0}), (rnn, STRINGS, {"dropout": 1.0}),
        (rnn, STRINGS, {"width": 0}), (ngram, STRINGS, {"order": 0}), (ngram, STRINGS, {"discount": 1.0}),
        (molgan, MOLECULES, {"shown": "plain"}), (molgan, MOLECULES, {"critic_steps": 0}),
    ):  # fmt: skip
        with pytest.raises(UsageError, match=r".+, not .+"):
            build(signature, **options)
    endless = Signature(input=Tokens(vocab=5), output=Sample())
    plain = Signature(input=Graph(node_features=2, nodes_max=4), output=Sample())
    unknown = Signature(input=Graph(node_features=2, edge_features=3), output=Sample())
    wide = Signature(input=Tokens(vocab=60_000, length=9), output=Sample())
    for name, signature in (
        ("smiles_rnn", endless), ("smiles_ngram", endless), ("smiles_ngram", wide), ("molgan", plain),
        ("molgan", unknown),
    ):  # fmt: skip
        with pytest.raises(NotApplicable, match="needs"):
            MODELS[name].build(signature)


# --- graphs -----------------------------------------------------------------------------------------------


def shares(model: MolGAN, count: int = 6) -> Shares:
    with torch.no_grad():
        return model.show(model.chance(count))


@pytest.mark.parametrize("shown", ["soft", "gumbel", "hard"])
def test_what_the_generator_shows_are_shares_of_symmetric_bonds(shown: str) -> None:
    model = MODELS["molgan"].build(MOLECULES, shown=shown)
    atoms, bonds = shares(model)
    assert atoms.shape == (6, 4, 3)
    assert bonds.shape == (6, 4, 4, 4)
    for part in (atoms, bonds):
        assert torch.allclose(part.sum(-1), torch.ones(part.shape[:-1]))
    assert torch.allclose(bonds, bonds.transpose(1, 2))
    assert torch.equal(bonds.diagonal(dim1=1, dim2=2)[:, 0], torch.ones(6, 4))
    assert (shown == "hard") == bool(((atoms - atoms.round()).abs() < 1e-6).all())


def test_true_molecules_are_one_hot_with_none_first(molecules: MoleculeGraphs) -> None:
    model = MODELS["molgan"].build(molecules.signature)
    whole = next(iter(molecules.batches("train", 8, None)))
    atoms, bonds = model.molecules(whole.inputs)
    assert atoms[0].tolist() == [[0, 1, 0], [0, 0, 1], [1, 0, 0], [1, 0, 0]]  # CO
    assert bonds[0].argmax(-1).tolist() == [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert torch.equal(bonds.sum(-1), torch.ones(8, 4, 4))


def test_the_critic_is_blind_to_the_order_of_atoms() -> None:
    critic = Critic(atom_kinds=3, bond_kinds=4, width=16)
    atoms, bonds = torch.rand(5, 4, 3), torch.rand(5, 4, 4, 4)
    order = torch.tensor([2, 0, 3, 1])
    with torch.no_grad():
        found = critic(atoms, bonds)
        assert torch.allclose(found, critic(atoms[:, order], bonds[:, order][:, :, order]), atol=1e-6)
        assert not torch.allclose(found, critic(atoms, bonds[:, order]), atol=1e-4)
        assert not torch.allclose(found, critic(atoms, bonds[..., [0, 2, 1, 3]]), atol=1e-4)  # kinds of bonds differ


def test_the_penalty_is_ten_where_the_critic_is_flat() -> None:
    model = MODELS["molgan"].build(MOLECULES)
    for parameter in model.critic.parameters():
        torch.nn.init.zeros_(parameter)
    real, fake = shares(model), shares(model)
    assert model.critic_loss(real, fake, torch.rand(6, 1, 1)).item() == pytest.approx(10)


def test_a_player_s_step_leaves_no_gradient_in_the_other(molecules: MoleculeGraphs) -> None:
    model = MODELS["molgan"].build(molecules.signature, critic_steps=2)
    whole = next(iter(molecules.batches("train", 8, None)))
    seen: list[str] = []

    class Looking:
        """Steps one player and looks at the other."""

        def minimize(self, loss: Any, part: str) -> Tensor:
            players = {name: list(parameters) for name, parameters in model.parts().items()}
            other = next(name for name in players if name != part)
            before = [p.detach().clone() for p in players[other]]
            steps = PartOptimizers(model, resolve([]).recipe, catalog())
            model.zero_grad()
            value = steps.minimize(loss, part)
            assert all(p.grad is None for p in players[other])
            assert all(p.grad is not None for p in players[part])
            assert all(map(torch.equal, before, players[other]))
            seen.append(part)
            return value

    model.train_step(whole, Looking())
    assert seen == ["critic", "critic", "generator"]


@pytest.mark.parametrize("shown", ["soft", "gumbel", "hard"])
def test_closures_are_functions_of_the_parameters_alone(molecules: MoleculeGraphs, shown: str) -> None:
    model = MODELS["molgan"].build(molecules.signature, shown=shown, critic_steps=1)
    whole = next(iter(molecules.batches("train", 8, None)))
    asked: list[str] = []

    class Twice:
        def minimize(self, loss: Any, part: str) -> Tensor:
            asked.append(part)
            first, second = loss().detach(), loss().detach()
            assert torch.equal(first, second)
            return first

    model.train_step(whole, Twice())
    assert asked == ["critic", "generator"]


def test_atoms_that_are_not_there_leave_no_gap() -> None:
    model = MODELS["molgan"].build(MOLECULES)
    atoms = torch.tensor([[[0, 9, 0], [9, 0, 0], [0, 0, 9], [9, 0, 0]], [[9, 0, 0]] * 4]).float()
    bonds = torch.zeros(2, 4, 4, 4)
    bonds[0, 0, 2, 2] = bonds[0, 2, 0, 2] = 9.0  # a double bond between those that are there
    bonds[0, 0, 1, 1] = bonds[0, 1, 0, 1] = 9.0  # and one to an atom that isn't
    model.generator.forward = lambda noise: (atoms, bonds)  # type: ignore[method-assign]
    drawn = model.sample(2, torch.Generator())
    assert drawn.nodes.tolist() == [[1, 0], [0, 1]]
    assert (drawn.graph_ids.tolist(), drawn.num_graphs) == ([0, 0], 2)  # the second has no atoms
    assert sorted(drawn.edges.T.tolist()) == [[0, 1], [1, 0]]
    assert drawn.edge_features.tolist() == [[0, 1, 0]] * 2
    assert joined([drawn, drawn]).num_graphs == 4


def test_molgan_learns_which_atoms_there_are() -> None:
    """All molecules are two atoms of the second kind with a triple bond."""
    one = GraphBatch(
        torch.tensor([[0.0, 1.0]] * 64), torch.stack([torch.arange(64), torch.arange(64) ^ 1]),
        torch.tensor([[0.0, 0.0, 1.0]] * 64), torch.arange(32).repeat_interleave(2), 32,
    )  # fmt: skip
    model = MODELS["molgan"].build(MOLECULES, width=32)
    trained(model, Batch(inputs=one, size=32), steps=120, lr=2e-3, optimizer="adam[beta1=0.0,beta2=0.9]")
    with torch.no_grad():
        drawn = model.sample(100, torch.Generator().manual_seed(0))
    assert drawn.graph_ids.bincount(minlength=100).float().mean() == pytest.approx(2, abs=0.3)
    assert drawn.nodes.mean(0)[1] > 0.9
    assert drawn.edge_features.mean(0)[2] > 0.9


def test_defaults_are_those_of_the_constructors() -> None:
    assert option_defaults(MolGAN).items() <= option_defaults(MODELS["molgan"].build).items()
    assert option_defaults(Generator).items() <= option_defaults(MolGAN).items()
    assert Draw(torch.zeros(1), None, None).noise.shape == (1,)


@pytest.mark.parametrize("name", ["smiles_rnn", "smiles_ngram", "molgan", "graphvae", "erdos_renyi"])
def test_model_conforms(name: str) -> None:
    found = discover([str(Path(__file__).parents[1] / "cuda" / "tiny.py")])
    tasks = found.specs["tasks"]
    found.specs["tasks"] = {task: tasks[task] for task in ("tiny_smiles", "tiny_molecules")}
    findings = check_model(found.model(name), found)
    assert all(finding.ok for finding in findings), report(findings)
