"""What a CUDA graph of a step doesn't see: what happens between steps, and what Python reads of a batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from test_capture import GRAPH, ODD, _tape, net  # noqa: F401 - a fixture for every test

from dlbench import Batch, Learner, Regularizer
from dlbench.errors import NotApplicable
from dlbench.train import capture
from workshop import Blobs, trainer


class Replacing(Regularizer):
    """Puts other weights in the place of a learner's after each step."""

    def after_step(self, learner: Learner) -> None:
        for parameter in learner.parameters():
            parameter.data = parameter.data.clamp(-1, 1)


def test_weights_that_are_replaced_between_steps_are_a_skip() -> None:
    made = trainer(net(), Blobs(), ODD, runtime=GRAPH)
    made.regularizers.append(Replacing())
    with pytest.raises(NotApplicable, match=r"puts another tensor in the place of .*weight of Linear"):
        made.fit()


def test_numbers_that_python_reads_of_a_batch_tell_batches_apart() -> None:
    one, other = (Batch((torch.ones(2, 3), np.array([3, length])), size=2) for length in (1, 2))
    assert capture.Taken(one).form != capture.Taken(other).form
    lengths = [Batch((torch.ones(2, 3), torch.tensor([3, length])), size=2) for length in (1, 2)]
    assert capture.Taken(lengths[0], on_cuda=True).form != capture.Taken(lengths[1], on_cuda=True).form


def test_rates_are_numbers_though_a_graph_reads_them_on_the_device() -> None:
    made = trainer(net(), Blobs(), {"schedule": "cosine", "lr": 0.5}, runtime=GRAPH)
    made.optimizers.advance(made.optimizers.progress)
    ((_, rate),) = made.optimizers.rates()
    assert isinstance(rate, float)
    assert rate == pytest.approx(float(made.optimizers.all[0].param_groups[0]["lr"]))
