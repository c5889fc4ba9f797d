"""Runtime values with more than one tensor: what a batch holds and a network's `forward` gets. No torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor


class TokenBatch(NamedTuple):
    """`ids` (B, T) int64; `lengths` (B,) int64 of at least 1, or None where every sequence fills all T places. What
    stands in places beyond a length is padding: any id, and no answer may depend on it.

    `characters` (B, T, W) int64: each token's spelling, filled up with 0; None where the kind has no characters.
    `previous` (B, U) int64: where a `TokenSequence` is asked for, what a decoder has written before each of its U
    places: the start token, then the targets but the last. None elsewhere, and while a decoder writes by itself.
    `sizes`: the lengths once more, as numbers on the CPU, where the task has them there: what packs sequences asks for
    them.
    """

    ids: Tensor
    lengths: Tensor | None = None
    characters: Tensor | None = None
    previous: Tensor | None = None
    sizes: list[int] | None = None

    @property
    def batch_size(self) -> int:
        return self.ids.shape[0]


class SeriesBatch(NamedTuple):
    """`values` (B, T, F) float; `lengths` (B,) int64 of at least 1, or None where every series fills all T steps.
    Steps beyond a length hold zeros. `previous` and `sizes`: as in `TokenBatch`."""

    values: Tensor
    lengths: Tensor | None = None
    previous: Tensor | None = None
    sizes: list[int] | None = None

    @property
    def batch_size(self) -> int:
        return self.values.shape[0]


class ImageBatch(NamedTuple):
    """Images that a text is asked for: `values` (B, channels, height, width) float. `previous`: as in `TokenBatch`."""

    values: Tensor
    previous: Tensor | None = None

    @property
    def batch_size(self) -> int:
        return self.values.shape[0]


class GraphBatch(NamedTuple):
    """Several graphs as one: `nodes` (N, F) float, dense or CSR; `edges` (2, E) int64, source then target, each
    undirected edge in both directions; `edge_features` (E, D) or None; `graph_ids` (N,) int64, ascending.

    `by_target`: the edges are known to ascend by target; `loopless`: none is known to lead from a node to itself. A
    model that is told needn't find out, for which a GPU would have to be waited for. Who changes the edges takes back
    what holds no longer. `dlbench.data.graphs` makes PyG's type of it.
    """

    nodes: Tensor
    edges: Tensor
    edge_features: Tensor | None
    graph_ids: Tensor
    num_graphs: int
    by_target: bool = False
    loopless: bool = False

    @property
    def batch_size(self) -> int:
        return self.num_graphs


class HypergraphBatch(NamedTuple):
    """One hypergraph: `nodes` (N, F) float, dense or CSR; `members` (2, M) int64, a node and a hyperedge that holds
    it, ascending by hyperedge, each once."""

    nodes: Tensor
    members: Tensor
    num_hyperedges: int

    @property
    def batch_size(self) -> int:
        return 1


class DynamicGraphBatch(NamedTuple):
    """Several graphs whose edges change with time, as one: `nodes` (N, F) float; `edges` (2, E) int64, source then
    target; `times` (E,) int64, ascending, the step 0 .. num_steps - 1 at which an edge is there; `graph_ids` (N,)
    int64, ascending. `step_sizes`: how many edges each step has, on the CPU, where it is known."""

    nodes: Tensor
    edges: Tensor
    times: Tensor
    num_steps: int
    graph_ids: Tensor
    num_graphs: int
    step_sizes: list[int] | None = None

    @property
    def batch_size(self) -> int:
        return self.num_graphs


class Triples(NamedTuple):
    """Facts of a knowledge graph: `heads`, `relations`, `tails` (T,) int64."""

    heads: Tensor
    relations: Tensor
    tails: Tensor


class LinkBatch(NamedTuple):
    """Triples with an end left out: `anchors` (B,) int64, the end that is there; `relations` (B,) int64; `backward`
    (B,) bool: the anchor is the tail and the head is asked for, else the other way round.

    `known`: the facts that an answer may rest on, which are those of the training split. Those that a training batch
    asks for are missing there, so that none can be read off.
    """

    known: Triples
    anchors: Tensor
    relations: Tensor
    backward: Tensor

    @property
    def batch_size(self) -> int:
        return self.anchors.shape[0]


def batch_size_of(inputs: Any) -> int:
    """The number of examples in a runtime value."""
    size = getattr(inputs, "batch_size", None)
    return int(size if size is not None else inputs.shape[0])
