"""Between a network on rows of numbers and the runtime values of the kinds."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from dlbench import Graph, Image, Signature, Value


def fit(network: nn.Module, signature: Signature) -> nn.Module:
    """Wrap a network (N, features) -> (N, num_classes) so that it takes and gives what the signature asks for."""
    if isinstance(signature.input, Graph):
        return OnNodes(network)
    if isinstance(signature.input, Image):
        return nn.Sequential(nn.Flatten(), network)  # (B, C, H, W) -> (B, C * H * W)
    if isinstance(signature.output, Value):
        return nn.Sequential(network, nn.Flatten(start_dim=0))  # (B, 1) -> (B,)
    return network


class OnNodes(nn.Module):
    """Applies a network to each node's features alone; the edges have no say."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Any) -> Tensor:
        """A graph batch with `nodes` (N, features), dense or CSR -> (N, num_classes)"""
        return self.network(inputs.nodes)
