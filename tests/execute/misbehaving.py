"""A plugin with every way to fail, one model each, and one that behaves."""

from dlbench import Classes, Image, ModelSpec, NotApplicable

NAMES = ("good", "build_raises", "step_raises", "wrong_shape", "nan", "segfault", "sleeps", "allocates", "chatters",
         "leaves", "forks", "daemon", "not_applicable")  # fmt: skip


def builder(name):
    def build(signature):
        import ctypes
        import os
        import subprocess
        import time

        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.linear = nn.Linear(64, 10)

            def forward(self, x):
                out = self.linear(x.flatten(1))
                if name == "step_raises":
                    raise RuntimeError("this step raises")
                if name == "wrong_shape":
                    return out.repeat(1, 2)
                if name == "nan":
                    return out * float("nan")
                if name == "segfault":
                    ctypes.string_at(0)
                if name == "sleeps":
                    time.sleep(10_000)
                if name == "allocates":
                    self.hoard = [torch.ones(1 << 28) for _ in range(64)]
                if name == "chatters":
                    print("x" * 100_000, flush=True)
                if name == "leaves":
                    os._exit(0)
                return out

        if name == "build_raises":
            raise ValueError("this build raises")
        if name == "not_applicable":
            raise NotApplicable("needs a side of at least 1,000 pixels")
        if name == "forks":
            subprocess.Popen(["sleep", "9876"])
        if name == "daemon":
            subprocess.Popen(["sleep", "9876"], start_new_session=True)
        return Net()

    return build


def dlbench_models():
    for name in NAMES:
        yield ModelSpec(name=f"bad_{name}", build=builder(name), accepts=[(Image, Classes)])
