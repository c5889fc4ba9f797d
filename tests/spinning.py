"""A plugin with a model whose training step takes a known processor time: a linear layer, and a wait that keeps the
core busy.

Other processes on the same core stretch the linear layer's time but not the wait's, which ends by the process's own
clock. So a known share can be added to a step, on a busy machine too.
"""

from dlbench import Classes, Image, ModelSpec


def build(signature, *, spin_ms: float = 0.0):
    import time

    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            image = signature.input
            self.linear = nn.Linear(image.channels * image.height * image.width, signature.output.num_classes)

        def forward(self, images):
            end = time.process_time() + (spin_ms / 1000 if self.training else 0.0)
            while time.process_time() < end:
                pass
            return self.linear(images.flatten(1))

    return Net()


def dlbench_models():
    yield ModelSpec(name="spinning", build=build, accepts=[(Image, Classes)])
