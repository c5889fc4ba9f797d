"""Between a network on rows of numbers and the runtime values of the kinds."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from dlbench import EdgeClasses, Graph, Hypergraph, Image, NodeClasses, NodeValue, NotApplicable, Signature, Value

from .mlp import MLP
from .readout import ReadoutMLP


def sizes(signature: Signature) -> tuple[int, int]:
    """How many numbers an example, or a node of it, has, and how many come out."""
    kind, output = signature.input, signature.output
    if isinstance(kind, Image):
        features = kind.channels * kind.height * kind.width
    else:
        features = kind.node_features if isinstance(kind, (Graph, Hypergraph)) else kind.features
    return features, 1 if isinstance(output, (Value, NodeValue)) else output.num_classes


def multilayer(signature: Signature, readout: str | None, **options: Any) -> nn.Module:
    """The multi-layer perceptron that takes and gives what the signature asks for."""
    features, num_classes = sizes(signature)
    output = signature.output
    of_graphs = isinstance(signature.input, Graph) and not isinstance(output, (NodeClasses, NodeValue, EdgeClasses))
    if readout is not None and not of_graphs:
        raise NotApplicable("has nothing to read out here: readout is for whole graphs")
    if of_graphs:
        network = ReadoutMLP(
            features=features, num_classes=num_classes, level="graphs", readout=readout or "mean", **options
        )
        return _one_number(network) if isinstance(output, Value) else network
    if isinstance(output, EdgeClasses):
        return ReadoutMLP(features=features, num_classes=num_classes, level="edges", **options)
    return fit(MLP(features=features, num_classes=num_classes, **options), signature)


def fit(network: nn.Module, signature: Signature) -> nn.Module:
    """Wrap a network (N, features) -> (N, num_classes) so that it takes and gives what the signature asks for."""
    if isinstance(signature.input, (Graph, Hypergraph)):
        on_nodes = OnNodes(network)
        return _one_number(on_nodes) if isinstance(signature.output, NodeValue) else on_nodes
    if isinstance(signature.input, Image):
        return nn.Sequential(nn.Flatten(), network)  # (B, C, H, W) -> (B, C * H * W)
    return _one_number(network) if isinstance(signature.output, Value) else network


class OnNodes(nn.Module):
    """Applies a network to each node's features alone; edges and hyperedges have no say."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Any) -> Tensor:
        """A batch with `nodes` (N, features), dense or CSR -> (N, num_classes)"""
        return self.network(inputs.nodes)


def _one_number(network: nn.Module) -> nn.Module:
    return nn.Sequential(network, nn.Flatten(start_dim=0))  # (B, 1) -> (B,)
