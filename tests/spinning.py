"""A plugin with models whose training step can be made longer by a known share: a linear layer, and a wait.

`spinning` waits for a processor time: other processes on the same core stretch the linear layer but not the wait, which
ends by the process's own clock. `working` waits by rounds of work, which a slower machine stretches as it does any
program.
"""

from dlbench import Classes, Image, ModelSpec


def build(signature, wait):
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            image = signature.input
            self.linear = nn.Linear(image.channels * image.height * image.width, signature.output.num_classes)

        def forward(self, images):
            if self.training:
                with torch.no_grad():
                    wait(images)
            return self.linear(images.flatten(1))

    return Net()


def build_spinning(signature, *, spin_ms: float = 0.0):
    import time

    def wait(images):
        end = time.process_time() + spin_ms / 1000
        while time.process_time() < end:
            pass

    return build(signature, wait)


def build_working(signature, *, rounds: int = 0):
    def wait(images):
        x = images.flatten(1)
        for _ in range(rounds):
            x = (x.T @ x @ x.T).tanh().T

    return build(signature, wait)


def dlbench_models():
    for name, build in (("spinning", build_spinning), ("working", build_working)):
        yield ModelSpec(name=name, build=build, accepts=[(Image, Classes)])
