"""The weights of PyTorch Geometric's layers as DGL's layers have them.

Everything here is differentiable, so that gradients can be carried from one engine to the other too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch_geometric.nn as pyg
from torch import Tensor, nn

Weights = dict[str, Tensor]


def weights_for(layer: nn.Module) -> Weights:
    """The state of the twin of a layer of `dlbench_gnn`, whose attribute `conv` is PyG's layer; what other parts it has
    are called the same in the twin."""
    conv: Any = layer.conv
    state = dict(layer.named_parameters()) | dict(layer.named_buffers())
    others = {name: value for name, value in state.items() if not name.startswith("conv.")}
    translated = weights_of_conv(conv)
    if isinstance(conv, pyg.GATConv):  # its bias comes after the heads' mean
        others["bias"] = translated.pop("bias")
    return others | {f"conv.{name}": value for name, value in translated.items()}


def weights_of_conv(conv: nn.Module) -> Weights:
    """The state of DGL's layer that computes the same as this one of PyG's. Raises KeyError for another kind."""
    return CONVS[type(conv)](conv)


def _gcn(conv: Any) -> Weights:
    return {"weight": conv.lin.weight.T, "bias": conv.bias}


def _cheb(conv: Any) -> Weights:
    return {"linear.weight": torch.cat([lin.weight for lin in conv.lins], dim=1), "linear.bias": conv.bias}


def _sage(conv: Any) -> Weights:
    """PyG has the bias on the neighbours' side, DGL on the node's own."""
    weights = {
        "fc_neigh.weight": conv.lin_l.weight,
        "fc_self.weight": conv.lin_r.weight,
        "fc_self.bias": conv.lin_l.bias,
    }
    if conv.project:
        weights |= {f"fc_pool.{name}": value for name, value in conv.lin.named_parameters()}
    return weights | dict(conv.aggr_module.named_parameters())  # lstm.*, where there is one


def _gat(conv: Any) -> Weights:
    return {"fc.weight": conv.lin.weight, "attn_l": conv.att_src, "attn_r": conv.att_dst, "bias": conv.bias}


def _gin(conv: Any) -> Weights:
    state = dict(conv.nn.named_parameters()) | dict(conv.nn.named_buffers())
    return {"eps": conv.eps} | {f"apply_func.{name}": value for name, value in state.items()}


def _gmm(conv: Any) -> Weights:
    return {"fc.weight": conv.g.T, "mu": conv.mu, "inv_sigma": 1 / conv.sigma, "bias": conv.bias}


CONVS: dict[type, Callable[[Any], Weights]] = {
    pyg.GCNConv: _gcn,
    pyg.ChebConv: _cheb,
    pyg.SAGEConv: _sage,
    pyg.GATConv: _gat,
    pyg.GINConv: _gin,
    pyg.GMMConv: _gmm,
}
