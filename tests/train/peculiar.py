"""Models that train together in part, or not at all."""

from __future__ import annotations

from dlbench import Classes, Image, ModelSpec


def linear(signature):
    from torch import nn

    image = signature.input
    features = image.channels * image.height * image.width
    return nn.Sequential(nn.Flatten(), nn.Linear(features, signature.output.num_classes))


def odd_batch_norm(signature):
    """A convolutional network with batch normalisation, shallow enough for rounding to stay small."""
    from torch import nn

    image = signature.input

    def block(channels):
        return nn.Conv2d(channels, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.Tanh()

    last = nn.Linear(8 * image.height * image.width, signature.output.num_classes)
    return nn.Sequential(*block(image.channels), *block(8), nn.Flatten(), last)


def odd_fragile(signature):
    """A third of the seeds have a weight that isn't a number."""
    import torch

    net = linear(signature)
    if torch.rand(()).item() < 1 / 3:
        net[1].weight.data[0, 0] = float("nan")
    return net


def odd_unregistered(signature):
    """Each seed has a factor of its own that is no buffer."""
    import torch
    from torch import nn

    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.net, self.factor = linear(signature), 10 * torch.rand(())

        def forward(self, x):
            return self.factor * self.net(x)

    return Scaled()


def odd_branching(signature):
    from torch import nn

    class Branching(nn.Sequential):
        def forward(self, x):
            return super().forward(x if x.sum() > 0 else -x)

    return Branching(*linear(signature))


def odd_in_place(signature):
    from torch import nn

    class InPlace(nn.Sequential):
        def forward(self, x):
            return super().forward(x.sub_(0.5))

    return InPlace(*linear(signature))


def odd_numpy(signature):
    """Draws from NumPy's global generator."""
    import numpy as np
    from torch import nn

    class Noisy(nn.Sequential):
        def forward(self, x):
            return super().forward(x + float(np.random.rand()))

    return Noisy(*linear(signature))


def odd_hooked(signature):
    net = linear(signature)
    net[1].register_forward_hook(lambda module, inputs, output: output)
    return net


def odd_own_loss(signature):
    from torch.nn.functional import cross_entropy

    from dlbench import Learner

    class Own(Learner):
        def __init__(self):
            super().__init__()
            self.net = linear(signature)

        def predict(self, x):
            return self.net(x)

        def loss(self, batch):
            return cross_entropy(self.net(batch.inputs), batch.targets)

    return Own()


def odd_killed(signature):
    """A group of it is killed: of its builders only the first in a process comes back."""
    import os

    if globals().setdefault("BUILT", 0) > 1:
        os.kill(os.getpid(), 9)
    globals()["BUILT"] += 1
    return linear(signature)


def dlbench_models():
    for name, build in list(globals().items()):
        if name.startswith("odd_"):
            yield ModelSpec(name=name, build=build, accepts=[(Image, Classes)])
