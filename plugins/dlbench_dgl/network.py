"""A network of `dlbench_gnn` with DGL's layers in place of PyTorch Geometric's, and the same weights.

So the forms, the options and the weights that a seed gives are the same for both engines, and what differs between two
rows is the engine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

import dlbench_gnn.chebnet
import dlbench_gnn.gat
import dlbench_gnn.gcn
import dlbench_gnn.gin
import dlbench_gnn.graphsage
import dlbench_gnn.monet

from . import layers
from .compat import load_dgl
from .weights import weights_for


def to_dgl_layers(network: nn.Module) -> nn.Module:
    """The network itself, after each of its graph layers was replaced by its twin. DGL gets torch's number of threads;
    torch's random numbers go on as if nothing had been replaced."""
    load_dgl().utils.set_num_threads(torch.get_num_threads())
    with torch.random.fork_rng(devices=[]):
        for module in list(network.modules()):
            for name, child in module.named_children():
                if type(child) in TWINS:
                    setattr(module, name, twin(child))
    return network


def twin(layer: Any) -> nn.Module:
    """DGL's layer for one of `dlbench_gnn`'s, with its options and its weights. Raises KeyError for another layer."""
    made = TWINS[type(layer)](layer).to(next(layer.parameters()).device)
    made.load_state_dict(weights_for(layer))
    return made.train(layer.training)


def _gcn(layer: Any) -> nn.Module:
    return layers.GCNLayer(layer.conv.in_channels, layer.out_features, norm=layer.norm)


def _chebnet(layer: Any) -> nn.Module:
    return layers.ChebLayer(layer.conv.in_channels, layer.out_features, hops=len(layer.conv.lins))


def _graphsage(layer: Any) -> nn.Module:
    before = layer.conv.in_channels if layer.narrow is None else layer.narrow.in_features
    return layers.SAGELayer(
        before, layer.out_features, aggregator=layer.aggregator, normalize=layer.normalize, activated=layer.activated
    )


def _gat(layer: Any) -> nn.Module:
    conv = layer.conv
    heads = {"heads": conv.heads} if conv.concat else {"output_heads": conv.heads}
    return layers.GATLayer(
        conv.in_channels, conv.out_channels, not conv.concat, dropout=conv.dropout, loops=layer.loops, **heads
    )


def _gin(layer: Any) -> nn.Module:
    first = layer.conv.nn[0]
    return layers.GINLayer(first.in_features, layer.out_features, first.out_features != layer.out_features)


def _monet(layer: Any) -> nn.Module:
    conv = layer.conv
    return layers.MoNetLayer(
        conv.in_channels, conv.out_channels, kernels=conv.kernel_size, aggregation=conv.aggr, loops=layer.loops,
        project=layer.project is not None,
    )  # fmt: skip


TWINS: dict[type, Callable[[Any], nn.Module]] = {
    dlbench_gnn.gcn.GCNLayer: _gcn,
    dlbench_gnn.chebnet.ChebLayer: _chebnet,
    dlbench_gnn.graphsage.SAGELayer: _graphsage,
    dlbench_gnn.gat.GATLayer: _gat,
    dlbench_gnn.gin.GINLayer: _gin,
    dlbench_gnn.monet.MoNetLayer: _monet,
}
