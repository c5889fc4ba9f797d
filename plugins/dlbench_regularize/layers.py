"""The weights of a network's linear, convolutional and recurrent layers, unit by unit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd


@dataclass(frozen=True)
class Weights:
    """A layer's weight matrix or filters. `groups`: how many matrices stand one below the other in it, each with inputs
    or outputs of its own: groups of a convolution, gates of a recurrent layer, the three projections of attention.
    `unit`: the dimension along which units lie, 1 for transposed convolutions and 0 for all others. `stride`: by how
    much a transposed convolution thins out what a unit reads."""

    parameter: nn.Parameter
    groups: int = 1
    unit: int = 0
    stride: int = 1

    def matrices(self) -> list[Tensor]:
        """Each matrix by itself, (units, inputs, *kernel), on the parameter's own memory."""
        return [part.transpose(0, self.unit) for part in self.parameter.chunk(self.groups)]

    @property
    def fan_in(self) -> float:
        """How many numbers a unit reads: of a convolution a whole field of each channel of its group; of a transposed
        one the share of it that `stride` leaves, on average over places."""
        return self.matrices()[0][0].numel() / self.stride

    @property
    def fan_out(self) -> float:
        """How many units of its own matrix read a number, as if none were left out by a convolution's stride."""
        return self.matrices()[0][:, 0].numel()


def weights_of(network: nn.Module) -> Iterator[Weights]:
    """Of every linear, bilinear, convolutional, recurrent and attention layer, shared ones once; nothing of norms,
    embeddings and parameters that belong to no such layer."""
    seen: set[int] = set()
    for module in network.modules():
        for found in _of_module(module):
            if id(found.parameter) not in seen:
                seen.add(id(found.parameter))
                yield found


def biases_of(network: nn.Module) -> Iterator[nn.Parameter]:
    """The biases of the same layers."""
    for module in network.modules():
        if isinstance(module, (nn.Linear, nn.Bilinear, _ConvNd)) and module.bias is not None:
            yield module.bias
        elif isinstance(module, (nn.RNNBase, nn.RNNCellBase)):
            yield from (p for name, p in module.named_parameters() if name.startswith("bias"))
        elif isinstance(module, nn.MultiheadAttention) and module.in_proj_bias is not None:
            yield module.in_proj_bias


def _of_module(module: nn.Module) -> Iterator[Weights]:
    if isinstance(module, (nn.Linear, nn.Bilinear)):
        yield Weights(module.weight)
    elif isinstance(module, _ConvTransposeNd):  # (in, out / groups, *kernel)
        yield Weights(module.weight, groups=module.groups, unit=1, stride=prod(module.stride))
    elif isinstance(module, _ConvNd):  # (out, in / groups, *kernel)
        yield Weights(module.weight, groups=module.groups)
    elif isinstance(module, (nn.RNNBase, nn.RNNCellBase)):
        for name, parameter in module.named_parameters():
            if name.startswith("weight"):  # a projection after the cell has fewer rows than the cell
                yield Weights(parameter, groups=max(1, len(parameter) // module.hidden_size))
    elif isinstance(module, nn.MultiheadAttention):
        if module.in_proj_weight is not None:
            yield Weights(module.in_proj_weight, groups=3)
        for projection in (module.q_proj_weight, module.k_proj_weight, module.v_proj_weight):
            if projection is not None:
                yield Weights(projection)
