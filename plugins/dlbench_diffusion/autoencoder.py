"""The two networks of a variational autoencoder, as perceptrons: Kingma & Welling 2014.

Differs from the paper: SiLU in place of tanh, and as many hidden layers as asked for. A class, where there is one, is
added to the first hidden layer of both, as Sohn, Lee & Yan 2015, "Learning Structured Output Representation using Deep
Conditional Generative Models", give it to both.
"""

from __future__ import annotations

from torch import Tensor, nn


class Perceptron(nn.Module):
    """Vectors (B, features), and classes int64 (B,) where there are some -> vectors (B, out)."""

    def __init__(self, features: int, out: int, *, width: int, depth: int, num_classes: int = 0) -> None:
        super().__init__()
        self.first = nn.Linear(features, width)
        self.classes = nn.Embedding(num_classes, width) if num_classes else None
        layers: list[nn.Module] = [nn.SiLU()]
        for _ in range(depth - 1):
            layers += [nn.Linear(width, width), nn.SiLU()]
        self.rest = nn.Sequential(*layers, nn.Linear(width, out))

    def forward(self, vectors: Tensor, classes: Tensor | None = None) -> Tensor:
        hidden = self.first(vectors)
        if self.classes is not None:
            hidden = hidden + self.classes(classes)
        return self.rest(hidden)
