"""The multi-layer perceptron.

David Rumelhart, Geoffrey Hinton and Ronald Williams, 1986, "Learning Representations by Back-Propagating Errors".

What differs: rectified linear units in place of sigmoids (Nair and Hinton, 2010), and optional dropout after each of
them (Srivastava et al., 2014). Dropout never acts on the inputs.
"""

from __future__ import annotations

from torch import Tensor, nn


class MLP(nn.Module):
    """`depth` hidden layers of `width` units from `features` numbers to `num_classes`; `dropout` is a probability.

    Raises ValueError for a depth below 1: without a hidden layer this is a perceptron.
    """

    def __init__(
        self, *, features: int, num_classes: int, width: int = 256, depth: int = 2, dropout: float = 0.0
    ) -> None:
        super().__init__()
        if depth < 1:
            raise ValueError(f"depth counts hidden layers and must be at least 1, not {depth}")
        layers: list[nn.Module] = []
        for size in [features] + [width] * (depth - 1):
            layers += [nn.Linear(size, width), nn.ReLU()]
            if dropout:
                layers.append(nn.Dropout(dropout))
        self.hidden = nn.Sequential(*layers)
        self.output = nn.Linear(width, num_classes)

    def forward(self, inputs: Tensor) -> Tensor:
        """(N, features), dense or CSR -> (N, num_classes)"""
        return self.output(self.hidden(inputs))
