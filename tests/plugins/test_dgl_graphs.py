"""dlbench_dgl: what the catalog sees, copies, graphs that become DGL's, the page."""

from __future__ import annotations

import copy
import pickle
import re
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from dglparts import FAMILIES, NODES, ON_ONE, awkward, build, everything, many, one, undirected

import dlbench_dgl
import dlbench_gnn
from dlbench import Graph, NodeClasses
from dlbench.contract.choice import Choice, option_defaults
from dlbench_dgl.available import MISSING

pytestmark = pytest.mark.skipif(find_spec("dgl") is None, reason=MISSING)


@pytest.fixture(autouse=True)
def _one_thread_one_seed() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


# --- what the catalog sees ----------------------------------------------------------------------------------


def test_specs_are_those_of_the_namesakes() -> None:
    namesakes = {spec.name: spec for spec in dlbench_gnn.dlbench_models()}
    specs = list(dlbench_dgl.dlbench_models())
    assert [spec.name for spec in specs] == [f"dgl:{name}" for name in FAMILIES]
    for spec in specs:
        twin = namesakes[spec.name.removeprefix("dgl:")]
        assert option_defaults(spec.build) == option_defaults(twin.build) != {}
        assert (spec.accepts, spec.recipes, spec.paper) == (twin.accepts, twin.recipes, twin.paper)


def test_the_catalog_takes_names_with_a_colon_without_an_open_family() -> None:
    catalog = everything()
    names = [f"dgl:{name}" for name in FAMILIES]
    assert [choice.name for choice in catalog.expand("models", "dgl:*")] == names
    assert [choice.name for choice in catalog.expand("models", "dgl:gi*")] == ["dgl:gin"]
    assert catalog.model("dgl:gat").member is None
    assert catalog.provider("models", "dgl:gat").target == "dlbench_dgl"
    assert catalog.checked("models", Choice.parse("dgl:gat[heads=2,width=4]")).options_text == "heads=2,width=4"


def test_options_reach_the_layers() -> None:
    network = build("dgl:gat", ON_ONE, heads=3, width=4, depth=3)
    assert [tuple(layer.conv.attn_l.shape) for layer in network.layers] == [(1, 3, 4), (1, 3, 4), (1, 1, 4)]
    with pytest.raises(TypeError, match="hops"):
        build("dgl:gat", ON_ONE, hops=2)


@pytest.mark.parametrize("name", FAMILIES)
def test_parts_state_and_copies_survive_a_forward_pass(name: str) -> None:
    graphs = one(undirected())
    network = build(f"dgl:{name}", ON_ONE).eval()
    expected = network(graphs)
    held = [id(p) for parameters in network.parts().values() for p in parameters]
    assert sorted(held) == sorted(id(p) for p in network.parameters())
    other = build(f"dgl:{name}", ON_ONE, seed=2).eval()
    assert not torch.equal(other(graphs), expected)
    other.load_state_dict(network.state_dict())
    for twin in (other, copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert torch.equal(twin(graphs), expected)


def test_dgl_gets_the_threads_of_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    from dlbench_dgl.compat import load_dgl

    utils, asked = load_dgl().utils, []
    monkeypatch.setattr(utils, "set_num_threads", asked.append)
    torch.set_num_threads(2)
    build("dgl:gcn", ON_ONE)
    torch.set_num_threads(1)
    monkeypatch.undo()
    assert asked == [2]
    build("dgl:gcn", ON_ONE)
    assert utils.get_num_threads() == 1


# --- graphs -------------------------------------------------------------------------------------------------


def test_a_structures_graph_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from dlbench_dgl import convert

    made: list[int] = []
    make = convert.dgl_graph
    monkeypatch.setattr(convert, "dgl_graph", lambda edges, count: made.append(edges.shape[1]) or make(edges, count))
    graphs = one(undirected())
    network = build("dgl:gcn", ON_ONE, depth=3)
    for _ in range(3):
        network(graphs).sum().backward()
    assert made == [graphs.edges.shape[1] + NODES]
    network(graphs._replace(edges=graphs.edges.clone()))
    assert len(made) == 2


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")
def test_self_loops_are_removed_then_added() -> None:
    from dlbench_dgl.compat import load_dgl
    from dlbench_dgl.convert import graph_of
    from dlbench_gnn.structure import Structure

    dgl = load_dgl()
    structure = Structure(one(awkward()))
    wanted = dgl.add_self_loop(dgl.remove_self_loop(graph_of(structure)))
    assert torch.equal(graph_of(structure, loops=True).adj_external().to_dense(), wanted.adj_external().to_dense())
    assert (graph_of(structure, loops=True).in_degrees() > 0).all()
    assert (graph_of(structure).in_degrees() == 0).any()


def test_a_batch_becomes_dgls_without_copying() -> None:
    from dlbench_dgl.convert import to_dgl

    graphs = many(edge_features=3)
    batch = to_dgl(graphs)
    source, target = batch.edges()
    shared = [(source, graphs.edges[0]), (target, graphs.edges[1]), (batch.ndata["x"], graphs.nodes),
              (batch.edata["e"], graphs.edge_features)]  # fmt: skip
    for found, given in shared:
        assert found.data_ptr() == given.data_ptr()
        assert torch.equal(found, given)


def test_a_batch_equals_dgls_own_of_the_single_graphs() -> None:
    from dlbench_dgl.compat import load_dgl
    from dlbench_dgl.convert import to_dgl

    dgl = load_dgl()
    graphs = many(edge_features=3)
    assert graphs.edge_features is not None
    singles = []
    for index in range(graphs.num_graphs):
        nodes = (graphs.graph_ids == index).nonzero().squeeze(1)
        mine = (graphs.graph_ids[graphs.edges[1]] == index).nonzero().squeeze(1)
        ends = graphs.edges[:, mine] - nodes[0]
        graph = dgl.graph((ends[0], ends[1]), num_nodes=len(nodes))
        graph.ndata["x"], graph.edata["e"] = graphs.nodes[nodes], graphs.edge_features[mine]
        singles.append(graph)
    ours, theirs = to_dgl(graphs), dgl.batch(singles)
    assert torch.equal(ours.batch_num_nodes(), theirs.batch_num_nodes())
    assert torch.equal(ours.batch_num_edges(), theirs.batch_num_edges())
    for a, b in [*zip(ours.edges(), theirs.edges(), strict=True), (ours.ndata["x"], theirs.ndata["x"]),
                 (ours.edata["e"], theirs.edata["e"])]:  # fmt: skip
        assert torch.equal(a, b)
    assert torch.equal(dgl.mean_nodes(ours, "x"), dgl.mean_nodes(theirs, "x"))
    for single, again in zip(singles, dgl.unbatch(ours), strict=True):
        assert torch.equal(torch.stack(single.edges()), torch.stack(again.edges()))
        assert torch.equal(single.ndata["x"], again.ndata["x"])


def test_a_batch_without_edge_features_and_csr_nodes() -> None:
    from dlbench_dgl.convert import to_dgl

    graphs = many()
    batch = to_dgl(graphs._replace(nodes=graphs.nodes.to_sparse_csr()))
    assert list(batch.edata) == []
    assert batch.ndata["x"].layout == torch.sparse_csr


def test_edges_that_mix_graphs_are_refused() -> None:
    from dlbench_dgl.convert import to_dgl

    graphs = many()
    with pytest.raises(ValueError, match="edges of each graph together"):
        to_dgl(graphs._replace(edges=graphs.edges.flip(1)))


def test_the_code_on_the_page_runs() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "engines.md"
    (code,) = re.findall(r"```python[^\n]*\n(.*?)```", page.read_text(), flags=re.DOTALL)
    exec(compile(code, "engines.py", "exec"), {})


def test_the_page_gives_the_reasons_to_skip_word_for_word() -> None:
    from dlbench.contract.runtime import Runtime
    from dlbench_dgl.available import built_for_cuda, why_not

    page = (Path(__file__).resolve().parents[2] / "docs" / "engines.md").read_text()
    assert f'"{MISSING}"' in page
    if not built_for_cuda():
        assert f'"{why_not(Graph, NodeClasses, Runtime(device="cuda:0"))}"' in page
