"""Jordan network: Jordan 1986, "Serial Order: A Parallel Distributed Processing Approach".

h_t = tanh(W x_t + U y_{t-1} + b), where y is the network's output at the place before, as probabilities; that is the
form in which Mesnil et al. 2013, "Investigation of Recurrent-Neural-Network Architectures and Learning Methods for
Spoken Language Understanding", label with it. Differs from Jordan's: no decaying trace of earlier outputs, and tanh in
place of the logistic function.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .fused import State


class JordanLayer(nn.Module):
    """(B, T, features), state -> (B, T, width), state; the state is (output,), (B, num_classes), at first zeros.

    `output` makes the logits of a place of its hidden units. A network of one direction uses that of its top layer as
    its head; lower layers, and both directions of a bidirectional one, feed back an output of their own. What is fed
    back are the logits' softmax, with one class alone (a value) that number itself.
    """

    def __init__(self, features: int, width: int, *, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.state_sizes = (num_classes,)
        self.input = nn.Linear(features, width)
        self.feedback = nn.Linear(num_classes, width, bias=False)
        self.output = nn.Linear(width, num_classes)

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """(B, T, features) -> (B, T, width), and the state after place T."""
        fed_back = state[0] if state else x.new_zeros(len(x), self.num_classes)
        shares = self.input(x.transpose(0, 1))  # (T, B, width): the input's share at all places is one product
        feedback = self.feedback.weight.t()
        places = []
        for share in shares.unbind(0):
            hidden = torch.addmm(share, fed_back, feedback).tanh()
            fed_back = self.output(hidden)
            if self.num_classes > 1:
                fed_back = F.softmax(fed_back, -1)
            places.append(hidden)
        return torch.stack(places, 1), (fed_back,)
