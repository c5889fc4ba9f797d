"""The tasks on generated graphs. No torch."""

from __future__ import annotations

from typing import Any

from dlbench import DynamicGraph, EdgeClasses, Graph, GraphClasses, Metric, NodeClasses, Reference, TaskSpec
from dlbench.data import Data

from .files import MNIST

ACCURACY, F1 = Metric(name="accuracy"), Metric(name="f1")
LOSS = Metric(name="loss", unit="nats", higher_is_better=False)
PAPER = "Dwivedi et al. 2023, Benchmarking Graph Neural Networks"
SMALL_NODES = {"optimizer": "adam", "lr": 3e-3, "schedule": "cosine", "batch_size": 16, "budget.epochs": 20}


def published(*, patience: int, batch_size: int, epochs: int) -> dict[str, Any]:
    """The paper's recipe: Adam, its rate halved where the validation loss stands still, until a hundredth is left."""
    return {
        "optimizer": "adam",
        "lr": 1e-3,
        "schedule": f"plateau[factor=0.5,patience={patience},min_factor=0.01,stop=true]",
        "batch_size": batch_size,
        "budget.epochs": epochs,
        "select": "last",
    }


def sbm_small() -> TaskSpec:
    """One graph of four communities."""
    return TaskSpec(
        name="sbm_small",
        input_kind=Graph,
        output_kind=NodeClasses,
        load=load_sbm_small,
        unit="nodes",
        metric=ACCURACY,
        floor=0.3,
        recipe={"optimizer": "adam", "lr": 0.01, "weight_decay": 5e-4, "batch_size": 40, "budget.epochs": 100},
        description="Four communities of a generated graph of 600 nodes with weak node features, 80 nodes labelled.",
    )


def sbm() -> list[TaskSpec]:
    """PATTERN and CLUSTER, as published and small."""
    shared: dict[str, Any] = {
        "input_kind": Graph,
        "output_kind": NodeClasses,
        "unit": "graphs",
        "metric": ACCURACY,
        "metrics": (LOSS,),
    }
    full = {**shared, "recipe": published(patience=5, batch_size=128, epochs=1000), "monitor": "loss", "heavy": True}
    small = {**shared, "recipe": {**SMALL_NODES, "select": "last"}}
    return [
        TaskSpec(
            name="sbm_pattern",
            load=load_sbm_pattern,
            reference=Reference(value=0.85590, source=f"GIN, 100k parameters, 4 seeds: {PAPER}"),
            description="Which nodes belong to a planted graph? 10,000 / 2,000 / 2,000 graphs of about 117 nodes, "
            "drawn as published; accuracy is the mean recall of the classes per batch of 128; a threshold on degree / "
            "n alone reaches about 85 %",
            floor=1 / 2,
            **full,
        ),
        TaskSpec(
            name="sbm_pattern_small",
            load=load_sbm_pattern_small,
            description="400 / 100 / 200 graphs from the distribution of sbm_pattern, with 20 patterns",
            floor=1 / 2,
            **small,
        ),
        TaskSpec(
            name="sbm_cluster",
            load=load_sbm_cluster,
            reference=Reference(value=0.60404, source=f"GatedGCN, 100k parameters, 4 seeds: {PAPER}"),
            description="Six communities, one node of each labelled: 10,000 / 1,000 / 1,000 graphs of about 117 nodes, "
            "drawn as published; accuracy is the mean recall of the classes per batch of 128",
            floor=1 / 6,
            **full,
        ),
        TaskSpec(
            name="sbm_cluster_small",
            load=load_sbm_cluster_small,
            description="1,000 / 200 / 400 graphs from the distribution of sbm_cluster",
            floor=1 / 6,
            **small,
        ),
    ]


def tsp() -> list[TaskSpec]:
    """TSP, as published and small."""
    shared: dict[str, Any] = {
        "input_kind": Graph,
        "output_kind": EdgeClasses,
        "unit": "graphs",
        "metric": F1,
        "metrics": (LOSS,),
        "floor": 0.0,  # most edges aren't in the tour
        "bound": 1.0,
    }
    small = {"optimizer": "adam", "lr": 1e-3, "schedule": "cosine", "batch_size": 8, "budget.epochs": 30}
    return [
        TaskSpec(
            name="tsp",
            load=load_tsp,
            reference=Reference(value=0.808, source=f"GatedGCN with distances, 100k parameters, 4 seeds: {PAPER}"),
            recipe=published(patience=10, batch_size=64, epochs=500),
            monitor="loss",
            heavy=True,
            description="Which edges of the 25-nearest-neighbour graph are on the shortest round trip? 10,000 / 1,000 "
            "/ 1,000 instances of 50 to 500 points; labels by a local search (fast_tsp), equal to exact ones where "
            "that was tried; the first load solves all instances, which takes some 17 hours of one core; joining each "
            "point to its 2 nearest scores about 0.69",
            **shared,
        ),
        TaskSpec(
            name="tsp_small",
            load=load_tsp_small,
            recipe={**small, "select": "last"},
            description="300 / 60 / 120 instances of 50 to 100 points, as those of tsp",
            **shared,
        ),
    ]


def superpixels() -> list[TaskSpec]:
    """MNIST as graphs of superpixels, all of it and some."""
    shared: dict[str, Any] = {
        "input_kind": Graph,
        "output_kind": GraphClasses,
        "unit": "graphs",
        "metric": ACCURACY,
        "metrics": (LOSS,),
        "data": MNIST,
    }
    return [
        TaskSpec(
            name="mnist_superpixels",
            load=load_mnist_superpixels,
            floor=0.1135,  # the ones: 1,135 of the 10,000 test images
            reference=Reference(value=0.97340, source=f"GatedGCN, 100k parameters, 4 seeds: {PAPER}"),
            recipe=published(patience=10, batch_size=128, epochs=1000),
            monitor="loss",
            heavy=True,
            description="Handwritten digits as graphs of at most 75 superpixels, each joined to its 8 most similar; "
            "made from MNIST as published, 55,000 / 5,000 / 10,000, validation is the start of the training set",
            **shared,
        ),
        TaskSpec(
            name="mnist_superpixels_small",
            load=load_mnist_superpixels_small,
            floor=45 / 500,  # the threes, most frequent in this training part
            recipe={**SMALL_NODES, "lr": 1e-3, "select": "last"},
            description="The first 1,000 / 200 / 500 images of each part of mnist_superpixels",
            **shared,
        ),
    ]


def contacts() -> TaskSpec:
    """An infection that spreads over contacts in time."""
    return TaskSpec(
        name="contacts",
        input_kind=DynamicGraph,
        output_kind=NodeClasses,
        load=load_contacts,
        unit="graphs",
        metric=ACCURACY,
        metrics=(LOSS,),
        floor=0.51,  # 3,060 of the 6,000 nodes of the test graphs stay healthy
        bound=1.0,
        recipe={
            "optimizer": "adam", "lr": 3e-3, "schedule": "cosine", "batch_size": 25, "budget.epochs": 30,
            "select": "last",
        },
        description="Who is infected after 8 steps, given the contacts of each step and who was infected at first? "
        "500 / 100 / 300 graphs of 20 nodes; the order of the contacts decides",
    )  # fmt: skip


# --- loaders ----------------------------------------------------------------------------------------------


def load_sbm_small(data: Data, *, sampler: str = "full", hops: int = 2, fanout: int | None = None) -> Any:
    """`sampler`: `full`, or `neighbour` with the nodes up to `hops` steps from a batch's seed nodes and, in training,
    at most `fanout` drawn neighbours per node (None: all of them)."""
    from .communities import make_task

    return make_task(sampler=sampler, hops=hops, fanout=fanout, device=data.device)


def load_sbm_pattern(data: Data, *, pe: int = 0) -> Any:
    """`pe`: Laplacian eigenvectors among the node features."""
    from .sbm import PATTERN, make_task

    return make_task(data, PATTERN, pe=pe)


def load_sbm_pattern_small(data: Data, *, pe: int = 0) -> Any:
    """As `load_sbm_pattern`."""
    from .sbm import PATTERN_SMALL, make_task

    return make_task(data, PATTERN_SMALL, pe=pe)


def load_sbm_cluster(data: Data, *, pe: int = 0) -> Any:
    """As `load_sbm_pattern`."""
    from .sbm import CLUSTER, make_task

    return make_task(data, CLUSTER, pe=pe)


def load_sbm_cluster_small(data: Data, *, pe: int = 0) -> Any:
    """As `load_sbm_pattern`."""
    from .sbm import CLUSTER_SMALL, make_task

    return make_task(data, CLUSTER_SMALL, pe=pe)


def load_tsp(data: Data, *, distances: bool = True) -> Any:
    """`distances`: lengths as edge features."""
    from .tsp import TSP, make_task

    return make_task(data, TSP, distances=distances)


def load_tsp_small(data: Data, *, distances: bool = True) -> Any:
    """As `load_tsp`."""
    from .tsp import TSP_SMALL, make_task

    return make_task(data, TSP_SMALL, distances=distances)


def load_mnist_superpixels(data: Data, *, train: int = 55_000, val: int = 5_000, test: int = 10_000) -> Any:
    """`train`, `val`, `test`: how many images of each part, from its start."""
    from .mnist import make_task

    return make_task(data, train=train, val=val, test=test)


def load_mnist_superpixels_small(data: Data, *, train: int = 1_000, val: int = 200, test: int = 500) -> Any:
    """As `load_mnist_superpixels`."""
    from .mnist import make_task

    return make_task(data, train=train, val=val, test=test)


def load_contacts(data: Data) -> Any:
    """No options."""
    from .contacts import make_task

    return make_task(data.device)
