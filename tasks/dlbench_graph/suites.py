"""The suites on graphs. No torch."""

from __future__ import annotations

from collections.abc import Iterable

from dlbench import Block, ProfileProtocol, Suite

BRIEF = ProfileProtocol(rounds=5, block_s=0.1, warmup_s=0.2)
SEEDS = (41, 95, 12, 35)  # of Dwivedi et al. 2023
ON_NODES = "mlp[width=16,depth=1,dropout=0.5,input_dropout=0.5]"  # GCN without the edges
FAMILIES = ("gcn", "graphsage", "gat", "gin", "monet", "gatedgcn")
SIZED = {"budget.params": "100k"}
DEPTHS = (2, 4, 8, 16, 32, 64)


def suites() -> Iterable[Suite]:
    yield _graph()
    yield _citation()
    yield _molecules()
    yield _benchmarking_gnns()
    yield _benchmarking_gnns_small()
    yield _oversmoothing()
    yield _links()


def _graph() -> Suite:
    return Suite(
        name="graph",
        blocks=(
            Block(models=("constant", "mlp", "gcn", "graphsage", "gat"), tasks=("karate", "sbm_small")),
            Block(models=("constant", "degree_threshold", "gcn", "gin"), tasks=("sbm_pattern_small",),
                  set={"budget.epochs": 5}, variant="5 epochs"),
            Block(models=("constant", "gcn", "gin"), tasks=("csl",), set={"budget.epochs": 5}, variant="5 epochs"),
            Block(models=("constant", "nearest_edges"), tasks=("tsp_small",)),
            Block(models=("constant", "gconv_gru"), tasks=("contacts",)),
        ),
        seeds=2,
        profile=BRIEF,
        description="Nodes, edges and whole graphs, and graphs in time: embedded and generated data, in CPU minutes",
    )  # fmt: skip


def _citation() -> Suite:
    plain = ("constant", ON_NODES, "gcn", "chebnet", "graphsage", "gat", "monet", "sgc", "appnp")
    return Suite(
        name="citation",
        blocks=(
            Block(models=plain, tasks=("cora",)),
            Block(models=("constant", ON_NODES, "gcn", "gat", "appnp"), tasks=("citeseer", "pubmed")),
            Block(models=("constant", "dgi"), tasks=("cora_probe",)),
            Block(models=("constant", ON_NODES, "hypergcn"), tasks=("cora_coauthorship",)),
            Block(models=("constant", ON_NODES, "gcn", "graphsage"), tasks=("cornell", "texas", "wisconsin")),
        ),
        seeds=10,
        profile=BRIEF,
        description="Classes of the nodes of one graph: the public splits of Cora, CiteSeer and PubMed, Cora by a "
        "linear probe, its authors as a hypergraph, and web pages without homophily",
    )


def _molecules() -> Suite:
    zinc = {**SIZED, "budget.epochs": 15, "lr": 3e-3, "schedule": "cosine"}
    models = ("mlp", "gcn", "gin", "gatedgcn[edge_features=false]", "gatedgcn")
    return Suite(
        name="molecules",
        blocks=(
            Block(models=("constant",), tasks=("zinc", "aqsol")),
            Block(models=models, tasks=("zinc",), set=zinc, variant="100k parameters, 15 epochs"),
            Block(models=("constant", "gin[width=32]"), tasks=("mutag", "mutag[protocol=published]")),
        ),
        seeds=SEEDS,
        profile=BRIEF,
        description="Solubility-like values of ZINC's molecules with 100,000 parameters and 15 epochs, and MUTAG under "
        "two protocols",
    )


def _benchmarking_gnns() -> Suite:
    whole = ("zinc", "aqsol", "sbm_pattern", "sbm_cluster", "mnist_superpixels")
    return Suite(
        name="benchmarking_gnns",
        blocks=(
            Block(models=("constant",), tasks=(*whole, "tsp")),
            Block(models=("mlp[depth=4]", *FAMILIES), tasks=(*whole, "tsp"), set=SIZED, variant="100k parameters"),
            Block(models=("gatedgcn[edge_features=false]",), tasks=("zinc", "aqsol", "mnist_superpixels", "tsp"),
                  set=SIZED, variant="100k parameters"),
            Block(models=("degree_threshold",), tasks=("sbm_pattern",)),
            Block(models=("nearest_edges",), tasks=("tsp",)),
            Block(models=("mlp[depth=4]", *FAMILIES), tasks=("csl", "csl[pe=20]"), set={**SIZED, "budget.epochs": 1000},
                  variant="100k parameters, 1000 epochs"),
        ),
        seeds=SEEDS,
        description="The tables of Dwivedi et al. 2023, Benchmarking Graph Neural Networks: its sets, models, seeds "
        "and schedule with 100,000 parameters; for a GPU",
    )  # fmt: skip


def _benchmarking_gnns_small() -> Suite:
    plain = ("gcn", "chebnet", "graphsage", "gat", "gin", "monet", "gatedgcn", "nn4g", "dcnn", "dgc")
    return Suite(
        name="benchmarking_gnns_small",
        blocks=(
            Block(models=("constant", "degree_threshold", "mlp[width=64,depth=4]", "gcn[width=64]",
                          "graphsage[width=64]", "gin[width=64]", "monet[width=64]"), tasks=("sbm_pattern_small",)),
            Block(models=("constant", "mlp[width=64,depth=4]", "gcn[width=64]", "gat[width=8]"),
                  tasks=("sbm_cluster_small",)),
            Block(models=("constant", "nearest_edges", "gcn[width=64]", "gatedgcn[width=64]"), tasks=("tsp_small",)),
            Block(models=("constant", *plain), tasks=("csl",), set={"budget.epochs": 5}, variant="5 epochs"),
            Block(models=("mlp[width=64,depth=4]", "gcn[width=64]", "graphsage[width=64]", "gat[width=8]",
                          "gatedgcn[width=64]"), tasks=("csl[pe=20]",)),
        ),
        seeds=SEEDS,
        profile=BRIEF,
        description="The generated sets of benchmarking_gnns in their small forms, with narrower models, for a CPU",
    )  # fmt: skip


def _oversmoothing() -> Suite:
    stacks = tuple(f"gcn[width=64,depth={depth}]" for depth in DEPTHS)
    residual = tuple(f"gcn[width=64,depth={depth},residual=true]" for depth in DEPTHS[1:])
    jumping = tuple(f"gcn[width=64,depth={depth},jump=max]" for depth in DEPTHS[1:])
    return Suite(
        name="oversmoothing",
        blocks=(
            Block(models=(*stacks, *residual, *jumping), tasks=("cora",)),
            Block(models=(*stacks, *residual), tasks=("cora",), set={"regularizers": "dropedge[rate=0.3]"},
                  variant="DropEdge 0.3"),
            Block(models=tuple(f"gcnii[depth={depth}]" for depth in DEPTHS), tasks=("cora",)),
        ),
        seeds=3,
        profile=BRIEF,
        description="What depth does to graph convolutions on Cora, from 2 to 64 layers: plain, residual, with jumping "
        "knowledge, with DropEdge, and GCNII",
    )  # fmt: skip


def _links() -> Suite:
    models = ("constant", "frequent_links", "distmult", "complex", "transe", "rgcn", "rgcn[decoder=complex]")
    return Suite(
        name="links",
        blocks=(
            Block(models=models, tasks=("family_links", "family_links[inverses=false]")),
            Block(models=models, tasks=("umls_links",)),
        ),
        seeds=3,
        profile=BRIEF,
        description="The missing ends of triples: generated families, and medical types of UMLS; scoring functions "
        "under one loss, with and without a graph network before them",
    )
