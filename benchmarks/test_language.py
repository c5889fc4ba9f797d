"""Language models beside loops and scripts written by hand, and decoding with and without a cache.

Needs the data root (DLBENCH_DATA) with Tiny Shakespeare.
"""

from __future__ import annotations

import time
from statistics import median
from typing import Any

import pytest
import torch
from torch import nn

from dlbench import TokenBatch, TokenSequence
from dlbench.contract.choice import Choice
from dlbench.contract.kinds import Signature, Tokens
from dlbench.data import Data
from dlbench.data.root import default_cache, default_root
from dlbench.decoding import Recomputed, generate
from dlbench.plan.catalog import Catalog, discover
from dlbench.train.cell import build_model
from loops import Shared, trainer
from plain_gpt import PlainGPT, loop
from turns import cpu_s, in_turns

LENGTH, BATCH, STEPS, ROUNDS = 64, 12, 150, 30
NANO = {"width": 128, "depth": 4, "heads": 4}
pytestmark = pytest.mark.skipif(
    not (default_root() / "text/tinyshakespeare").is_dir(), reason="Tiny Shakespeare isn't in the data root"
)


@pytest.fixture(scope="module")
def found() -> Catalog:
    return discover()


@pytest.fixture(scope="module")
def shakespeare(found: Catalog) -> Any:
    return found.task("shakespeare_char").open(Data(root=default_root(), cache=default_cache()), {"length": LENGTH})


@pytest.fixture(scope="module")
def text(shakespeare: Any) -> torch.Tensor:
    """Enough of the text, as ids."""
    batches = shakespeare.batches("train", BATCH, torch.Generator().manual_seed(0))
    return torch.cat([batch.inputs.ids.flatten() for batch, _ in zip(batches, range(100), strict=False)])


def built(found: Catalog, task: Any, model: str) -> nn.Module:
    torch.manual_seed(0)
    choice = Choice.parse(model)
    network: nn.Module = build_model(found.model(choice.name), task, dict(choice.options))
    return network


@pytest.mark.benchmark(timer=time.process_time)
@pytest.mark.parametrize("model", ["gpt[width=128,depth=4,heads=4,bias=false]", "lstm[width=384]", "gru"])
def test_training_beside_a_bare_loop(
    benchmark: Any, found: Catalog, shakespeare: Any, text: torch.Tensor, model: str
) -> None:
    """The same network, AdamW, clipping and cosine, each loop with its own batches."""
    network = built(found, shakespeare, model)
    by_hand = loop(network, text, length=LENGTH, batch=BATCH, steps=STEPS, predict=lambda ids: network(TokenBatch(ids)))
    shared = Shared(shakespeare, STEPS, by_hand, fetch_counts=True)
    settings = {
        "optimizer": "adamw[beta2=0.99]", "lr": 1e-3, "weight_decay": 0.1, "schedule": "cosine[end=0.1]", "clip": 1.0,
        "batch_size": BATCH, "select": "last", "budget.steps": STEPS, "evaluate_every": STEPS,
    }  # fmt: skip
    public = trainer(found, built(found, shakespeare, model), shared, settings)
    benchmark.pedantic(public.fit, rounds=1, warmup_rounds=0)
    step, overhead = shared.race.step_s(), shared.race.overhead_s()
    benchmark.extra_info |= {
        "step_ms": round(1e3 * step, 2), "overhead_us": round(1e6 * overhead), "share": round(overhead / step, 4),
        "tokens_per_s": round(LENGTH * BATCH / (step + overhead)),
    }  # fmt: skip
    assert overhead <= 0.02 * step, benchmark.extra_info


@pytest.mark.benchmark(timer=time.process_time)
def test_gpt_beside_a_plain_script(benchmark: Any, found: Catalog, shakespeare: Any, text: torch.Tensor) -> None:
    """nanoGPT's CPU configuration in both: the public loop's network against one written for this alone."""
    ours = built(found, shakespeare, "gpt[width=128,depth=4,heads=4,bias=false]")
    torch.manual_seed(0)
    plain = PlainGPT(vocab=65, length=LENGTH, **NANO)
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in plain.parameters())
    steps = {
        "dlbench": loop(ours, text, length=LENGTH, batch=BATCH, steps=10_000, predict=lambda i: ours(TokenBatch(i))),
        "plain": loop(plain, text, length=LENGTH, batch=BATCH, steps=10_000, predict=plain),
    }

    def several(step: Any) -> float:
        return cpu_s(lambda: [step() for _ in range(5)])

    readings = {name: (lambda step=step: several(step)) for name, step in steps.items()}
    times = benchmark.pedantic(in_turns, (readings, ROUNDS), rounds=1, warmup_rounds=0)
    ratios = [ours_s / plain_s for ours_s, plain_s in zip(times["dlbench"], times["plain"], strict=True)]
    benchmark.extra_info |= {"plain_step_ms": round(200 * median(times["plain"]), 2), "ratio": round(median(ratios), 3)}
    assert median(ratios) <= 1.01, benchmark.extra_info  # as fast, to within what this machine can tell


@pytest.mark.benchmark(timer=time.process_time)
def test_decoding_with_a_cache(benchmark: Any, found: Catalog) -> None:
    """The translation Transformer of the short form writes 40 tokens for each of 64 sources, which never end."""
    output = TokenSequence(vocab=6000, length=40, start=2, end=3)

    class Task:
        signature = Signature(input=Tokens(vocab=8000), output=output)

    network = built(found, Task, "transformer").eval()
    sources = TokenBatch(torch.randint(4, 8000, (64, 15), generator=torch.Generator().manual_seed(0)))

    def write(of: Any) -> float:
        with torch.no_grad():
            return cpu_s(lambda: generate(of, sources, output))

    class Whole:
        """The same network without its cache."""

        def __init__(self) -> None:
            recomputed = Recomputed(network, output)
            self.start, self.step = recomputed.start, recomputed.step

    with torch.no_grad():
        cached, whole = generate(network, sources, output), generate(Whole(), sources, output)
    assert torch.equal(cached[1], whole[1])
    readings = {"cached": lambda: write(network), "whole": lambda: write(Whole())}
    times = benchmark.pedantic(in_turns, (readings, 5), rounds=1, warmup_rounds=0)
    ratio = median(w / c for w, c in zip(times["whole"], times["cached"], strict=True))
    benchmark.extra_info |= {
        "cached_s": round(median(times["cached"]), 3), "whole_s": round(median(times["whole"]), 3),
        "faster": round(ratio, 2), "tokens": int(cached[1].sum()),
    }  # fmt: skip
    assert ratio >= 3, benchmark.extra_info
