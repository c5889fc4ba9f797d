"""What is written on the CPU and on the pretend device, and how often the host waits for it; run by `test_writing.py`
under `driver.python`. Prints JSON."""

from __future__ import annotations

import json
from typing import Any

import pretend

pretend.install()

import torch  # noqa: E402

from dlbench import TokenBatch, TokenSequence, decoding  # noqa: E402

VOCAB, LENGTH = 6, 40
OUTPUT = TokenSequence(vocab=VOCAB, length=LENGTH, start=0, end=1)


class Falling:
    """Each source ends at a place of its own."""

    def __init__(self, device: str) -> None:
        table = torch.randn(VOCAB, LENGTH, VOCAB, generator=torch.Generator().manual_seed(0))
        table[..., 1:3] = -20.0  # the ends of what is searched, and of what is drawn
        table[torch.arange(VOCAB), 3 * torch.arange(VOCAB) + 2, 1:3] = 20.0
        self.table = table.to(device)

    def start(self, inputs: TokenBatch) -> Any:
        return inputs.ids[:, 0], torch.zeros_like(inputs.ids[:, 0])

    def step(self, token: torch.Tensor, state: Any) -> Any:
        source, place = state
        return self.table[source, place], (source, place + 1)


def written(device: str, beam: int) -> list[Any]:
    generator, inputs = Falling(device), TokenBatch(torch.arange(VOCAB)[:, None].to(device))
    pretend.SYNCS.clear()
    ids, lengths = decoding.generate(generator, inputs, OUTPUT, beam=beam)
    waits = sum(pretend.SYNCS.values())
    return [ids.tolist(), lengths.tolist(), waits]


def drawn(device: str) -> list[Any]:
    generator, source = Falling(device), torch.arange(VOCAB).to(device)
    pretend.SYNCS.clear()
    rows = decoding.draw(
        generator.step, (source, torch.zeros_like(source)), count=VOCAB, length=LENGTH, device=torch.device(device),
        generator=torch.Generator().manual_seed(0),
    )  # fmt: skip
    waits = sum(pretend.SYNCS.values())
    return [rows.ids.tolist(), rows.lengths.tolist(), waits]


def main() -> None:
    with pretend.Device():
        said = {
            device: {"greedy": written(device, 1), "beam": written(device, 3), "drawn": drawn(device)}
            for device in ("cpu", "cuda:0")
        }
    print(json.dumps(said))


if __name__ == "__main__":
    main()
