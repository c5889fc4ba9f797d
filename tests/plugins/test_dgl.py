"""dlbench_dgl: both engines agree, layer by layer and as networks, forward and gradients."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import pytest
import torch
import torch_geometric.nn as pyg
from dglparts import (
    AS_VALUE,
    FAMILIES,
    GRAPHS,
    NODES,
    ON_MANY,
    ON_ONE,
    build,
    carried,
    close,
    everything,
    gradients,
    many,
    one,
    run,
    undirected,
)
from torch import Tensor, nn

from dlbench import GraphBatch, Signature
from dlbench.data.graphs import single_graph
from dlbench_dgl.available import MISSING
from workshop import cell

pytestmark = pytest.mark.skipif(find_spec("dgl") is None, reason=MISSING)


@pytest.fixture(autouse=True)
def _one_thread_one_seed() -> Iterator[None]:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "Sparse (CSR tensor support|invariant checks)")
        yield


# --- layer by layer, against PyTorch Geometric's own --------------------------------------------------------


def mlp() -> nn.Sequential:
    return nn.Sequential(nn.Linear(9, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 5))


def gmm(aggregation: str) -> pyg.GMMConv:
    conv = pyg.GMMConv(9, 5, dim=2, kernel_size=3, aggr=aggregation)
    conv.root = None
    nn.init.uniform_(conv.sigma, 0.5, 1.5)
    return conv


def places(edges: Tensor) -> Tensor:
    """MoNet's pseudo-coordinates of the edges, with a self-loop at each node counted."""
    scale = (torch.bincount(edges[1], minlength=NODES) + 1).float().rsqrt()
    return torch.stack([scale[edges[1]], scale[edges[0]]], dim=1)


# PyG's layer, how it is called, and dlbench's layer on DGL's.
LAYERS: dict[str, tuple[Callable[[], nn.Module], Callable[..., Tensor], str, dict[str, Any]]] = {
    "gcn": (lambda: pyg.GCNConv(9, 5), lambda conv, x, e: conv(x, e), "GCNLayer", {}),
    "gcn narrow": (lambda: pyg.GCNConv(9, 12), lambda conv, x, e: conv(x, e), "GCNLayer", {"after": 12}),
    "chebnet": (
        lambda: pyg.ChebConv(9, 5, K=4), lambda conv, x, e: conv(x, e, lambda_max=2.0), "ChebLayer", {"hops": 4},
    ),
    "graphsage mean": (lambda: pyg.SAGEConv(9, 5), lambda conv, x, e: conv(x, e), "SAGELayer", {}),
    "graphsage max": (
        lambda: pyg.SAGEConv(9, 5, aggr="max", project=True), lambda conv, x, e: conv(x, e),
        "SAGELayer", {"aggregator": "max"},
    ),
    "graphsage unit": (
        lambda: pyg.SAGEConv(9, 5, normalize=True), lambda conv, x, e: conv(x, e), "SAGELayer", {"normalize": True},
    ),
    "gat": (
        lambda: pyg.GATConv(9, 5, heads=3), lambda conv, x, e: conv(x, e), "GATLayer", {"heads": 3, "dropout": 0.0},
    ),
    "gat mean": (
        lambda: pyg.GATConv(9, 5, heads=3, concat=False), lambda conv, x, e: conv(x, e),
        "GATLayer", {"last": True, "output_heads": 3, "dropout": 0.0},
    ),
    "gin": (lambda: pyg.GINConv(mlp(), train_eps=True), lambda conv, x, e: conv(x, e), "GINLayer", {}),
    "monet mean": (
        lambda: gmm("mean"), lambda conv, x, e: conv(x, e, places(e)), "MoNetLayer", {"loops": False},
    ),
    "monet sum": (
        lambda: gmm("add"), lambda conv, x, e: conv(x, e, places(e)),
        "MoNetLayer", {"loops": False, "aggregation": "sum"},
    ),
}  # fmt: skip


class Holder(nn.Module):
    """PyG's layer as the attribute that dlbench's layers have it in."""

    def __init__(self, conv: nn.Module) -> None:
        super().__init__()
        self.conv = conv


@pytest.mark.parametrize("name", LAYERS)
def test_layers_agree_with_those_of_pytorch_geometric(name: str) -> None:
    from dlbench_dgl import layers
    from dlbench_dgl.weights import weights_for
    from dlbench_gnn.structure import Structure

    make, call, twin, options = LAYERS[name]
    edges, x = undirected(), torch.randn(NODES, 9)
    theirs = Holder(make())
    for bias in [p for key, p in theirs.named_parameters() if key.endswith("bias")]:
        nn.init.normal_(bias)
    ours = getattr(layers, twin)(9, **{"after": 5, **options})
    translated = weights_for(theirs)
    ours.load_state_dict(translated)
    structure = Structure(single_graph(x, edges))
    expected = run(theirs, lambda x: call(theirs.conv, x, edges), x)
    found = run(ours, lambda x: ours(x, structure), x)
    close(found[0], expected[0], "outputs")
    close(found[1], expected[1], "gradient by the input")
    wanted = gradients(theirs)
    assert any(gradient.abs().max() > 1e-3 for gradient in wanted.values())
    for key, gradient in carried(translated, gradients(ours), theirs).items():
        close(gradient, wanted[key], key)


def test_each_is_a_layer_of_dgl_and_none_of_pytorch_geometric_is_left() -> None:
    kinds = {"gcn": "GraphConv", "chebnet": "ChebConv", "graphsage": "SAGEConv", "gat": "GATConv", "gin": "GINConv",
             "monet": "GMMConv"}  # fmt: skip
    for name in FAMILIES:
        for signature in (ON_ONE, ON_MANY):
            modules = [type(module) for module in build(f"dgl:{name}", signature).modules()]
            of_dgl = {kind.__name__ for kind in modules if kind.__module__.startswith("dgl.nn.pytorch.conv")}
            assert of_dgl == {kinds[name]}
            assert not any(kind.__module__.startswith("torch_geometric") for kind in modules)


# --- whole networks -----------------------------------------------------------------------------------------

VARIANTS: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in FAMILIES),
    ("gcn", {"norm": "sum"}),
    ("chebnet", {"hops": 1}),
    ("graphsage", {"aggregator": "mean", "residual": True}),
    ("graphsage", {"aggregator": "max", "normalize": True}),
    ("graphsage", {"aggregator": "lstm", "width": 5}),
    ("gat", {"heads": 2, "output_heads": 3}),
    ("gat", {"self_loops": False}),
    ("gat", {"self_loops": True}),
    ("monet", {"kernels": 2, "jump": "sum"}),
]


def agree(name: str, signature: Signature, graphs: GraphBatch, **options: Any) -> None:
    """Both engines' networks of one seed, in training, dropout included: outputs and gradients."""
    from dlbench_dgl.network import TWINS
    from dlbench_dgl.weights import weights_for

    theirs, ours = (build(prefix + name, signature, **options) for prefix in ("", "dgl:"))
    results = []
    for network in (theirs, ours):
        torch.manual_seed(7)
        results.append(run(network, lambda x, network=network: network(graphs._replace(nodes=x)), graphs.nodes))
    close(results[1][0], results[0][0], "outputs")
    close(results[1][1], results[0][1], "gradient by the input")
    wanted, found = gradients(theirs), gradients(ours)
    for path, module in theirs.named_modules():
        if type(module) in TWINS:
            prefix = f"{path}."
            own = {key.removeprefix(prefix): found.pop(key) for key in list(found) if key.startswith(prefix)}
            found |= {prefix + key: value for key, value in carried(weights_for(module), own, module).items()}
    assert found.keys() == wanted.keys()
    for key, gradient in found.items():
        close(gradient, wanted[key], key)


@pytest.mark.parametrize(("name", "options"), VARIANTS)
@pytest.mark.parametrize("edges", GRAPHS)
def test_networks_on_one_graph_agree_from_the_same_seed(name: str, options: dict[str, Any], edges: str) -> None:
    agree(name, ON_ONE, one(GRAPHS[edges]()), **options)


@pytest.mark.parametrize(("name", "options"), VARIANTS)
@pytest.mark.parametrize("signature", [ON_MANY, AS_VALUE])
def test_networks_on_many_graphs_agree_from_the_same_seed(
    name: str, options: dict[str, Any], signature: Signature
) -> None:
    agree(name, signature, many(), **options)


@pytest.mark.parametrize("name", FAMILIES)
def test_csr_features_give_the_same_logits_and_gradients(name: str) -> None:
    network, graphs = build(f"dgl:{name}", ON_ONE, dropout=0.0, width=3), one(undirected())
    network.eval()
    results = []
    for nodes in (graphs.nodes, graphs.nodes.to_sparse_csr()):
        network.zero_grad()
        outputs = network(graphs._replace(nodes=nodes))
        outputs.square().mean().backward()
        results.append({"outputs": outputs.detach(), **{k: g.clone() for k, g in gradients(network).items()}})
    for key, value in results[0].items():
        close(results[1][key], value, key)


@pytest.mark.parametrize("name", FAMILIES)
def test_renumbered_nodes_get_renumbered_logits(name: str) -> None:
    network, graphs = build(f"dgl:{name}", ON_ONE, depth=3).eval(), one(undirected())
    order = torch.randperm(NODES)
    place = order.argsort()
    moved = single_graph(graphs.nodes[order], place[graphs.edges])
    assert (network(moved) - network(graphs)[order]).abs().max() < 1e-5


def test_a_cell_ends_where_the_other_engine_ends() -> None:
    settings = {"budget.epochs": 5}
    first, second = (cell(name, "karate", settings, among=everything()) for name in ("gcn", "dgl:gcn"))
    assert second["params"] == first["params"] == 594
    losses = [[point["val"]["loss"] for point in record["curves"][0]] for record in (first, second)]
    assert losses[1] == pytest.approx(losses[0], abs=1e-5)
    assert losses[0][-1] < losses[0][0]
    assert second["metrics"]["test"]["accuracy"] == first["metrics"]["test"]["accuracy"]
