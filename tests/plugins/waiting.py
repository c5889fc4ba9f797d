"""A plugin whose model waits until its folder has a file `go`, and notes that it does: for tests that act meanwhile."""

import os
import time
from pathlib import Path

from dlbench import Classes, ModelSpec, Vector


def build(signature, *, folder="."):
    from torch import nn

    class Net(nn.Linear):
        waited = False

        def forward(self, x):
            if not self.waited:
                self.waited = True
                wait(Path(folder))
            return super().forward(x)

    return Net(2, 2)


def wait(folder):
    """The number of this process is a line of the file `begun`; then nothing happens until there is a `go`."""
    with (folder / "begun").open("a") as file:
        file.write(f"{os.getpid()}\n")
    while not (folder / "go").exists():
        time.sleep(0.05)


def dlbench_models():
    yield ModelSpec(name="waits", build=build, accepts=[(Vector, Classes)])
