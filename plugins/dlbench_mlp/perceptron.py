"""One linear layer: the perceptron as it is trained today.

Frank Rosenblatt, 1958, "The Perceptron: A Probabilistic Model for Information Storage and Organization in the Brain".

What differs: Rosenblatt's response units are thresholds, and his rule changes the weights only after a wrong answer,
until the classes are separated. Here the outputs stay linear and follow the gradient of the task's loss, so with
cross-entropy this is multinomial logistic regression, and with squared error linear regression. What the two share is
the decision: linear in the inputs, hence no XOR (Minsky and Papert, 1969).
"""

from __future__ import annotations

from torch import Tensor, nn


class Perceptron(nn.Module):
    """A linear map from `features` numbers to `num_classes`."""

    def __init__(self, *, features: int, num_classes: int) -> None:
        super().__init__()
        self.output = nn.Linear(features, num_classes)

    def forward(self, inputs: Tensor) -> Tensor:
        """(N, features) -> (N, num_classes)"""
        return self.output(inputs)
