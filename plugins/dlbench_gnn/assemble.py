"""From a signature and the options that all families share to a network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch.nn.functional as F
from torch import nn

from dlbench import EdgeClasses, NodeClasses, NodeValue, NotApplicable, Signature, Value

from .deep import DeepNetwork, OneNumber
from .plain import Activation, PlainNetwork
from .shared import Shared

COMMON = ("width", "depth", "dropout", "residual", "batch_norm", "jump")


def assemble(
    signature: Signature,
    layer: Callable[[int, int, bool], nn.Module],
    shared: Shared,
    *,
    plain: dict[str, Any],
    deep: dict[str, Any],
    activation: Activation = F.relu,
) -> nn.Module:
    """The plain form for one graph, the deep form for many; `plain` and `deep` are the family's own defaults."""
    features = signature.input.node_features
    if level_of(signature) == "nodes" and signature.input.single:
        if shared.readout is not None:
            raise NotApplicable("has nothing to read out on one graph: readout is for many")
        options = {**plain, **shared.given(*COMMON)}
        network: nn.Module = PlainNetwork(
            layer=layer, features=features, num_classes=outputs_of(signature), activation=activation, **options
        )
        return answering(network, signature)
    if shared.jump not in (None, "last", "sum"):
        raise NotApplicable(f"has jump=last and jump=sum on many graphs, not {shared.jump}")
    network = DeepNetwork(
        layer=layer, features=features, num_outputs=outputs_of(signature), level=level_of(signature),
        activation=activation, **{**deep, **shared.given(*COMMON, "readout")},
    )  # fmt: skip
    return answering(network, signature)


def answering(network: nn.Module, signature: Signature) -> nn.Module:
    """The network with outputs in the shape of the signature's kind."""
    return OneNumber(network) if isinstance(signature.output, (Value, NodeValue)) else network


def level_of(signature: Signature) -> str:
    """What gets a row of the output: nodes, edges or graphs."""
    if isinstance(signature.output, (NodeClasses, NodeValue)):
        return "nodes"
    return "edges" if isinstance(signature.output, EdgeClasses) else "graphs"


def outputs_of(signature: Signature) -> int:
    """How many numbers a row of the output has."""
    return 1 if isinstance(signature.output, (Value, NodeValue)) else int(signature.output.num_classes)
