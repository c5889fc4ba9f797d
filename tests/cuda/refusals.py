"""What the pretend tensors refuse and count; run by `test_pretend.py` under `driver.python`. Prints JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pretend

pretend.install()

import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence  # noqa: E402


def there(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32).to("cuda:0")


def tied() -> bool:
    first, second = nn.Linear(3, 3), nn.Linear(3, 3)
    second.weight = first.weight
    both = nn.Sequential(first, second).to("cuda:0")
    return both[0].weight is both[1].weight and both[0].weight.device.type == "cuda"


def same_gradients(network: nn.Module, x: torch.Tensor) -> bool:
    """Whether a network's gradients are those of the CPU."""
    loss = network(x)[0].square().sum()
    loss.backward()
    here = [p.grad.clone() for p in network.parameters()]
    network.zero_grad()
    network.to("cuda:0")
    network(x.to("cuda:0"))[0].square().sum().backward()
    return all(torch.allclose(a, p.grad.cpu(), atol=1e-5) for a, p in zip(here, network.parameters(), strict=True))


def packed() -> list[float]:
    lstm = nn.LSTM(1, 2, batch_first=True).to("cuda:0")
    sequence = pack_padded_sequence(torch.ones(2, 3, 1, device="cuda:0"), [3, 2], batch_first=True)
    states, _ = pad_packed_sequence(lstm(sequence)[0], batch_first=True)
    return states[1, 2].tolist()


def places(mask: torch.Tensor) -> bool:
    """Whether the branch of `places` for a GPU gives what the one for the CPU does, and waits for nothing."""
    from dlbench_gnn.hypergcn import places as find

    moved = mask.to("cuda:0")
    pretend.SYNCS.clear()
    found = find(moved, 3)
    return not pretend.SYNCS and torch.equal(found.cpu(), find(mask, 3))


def under(dtype: torch.dtype) -> list[str]:
    """The types that autocast gives to a product and to a root."""
    with torch.autocast("cuda", dtype=dtype):
        product = there(1, 2)[None] @ there(1, 2)[:, None]
        return [str(product.dtype), str(product.rsqrt().dtype)]


REFUSED: dict[str, Callable[[], Any]] = {
    "mixed devices": lambda: there(1) + torch.ones(1),
    "weights on the CPU": lambda: nn.Linear(1, 1)(there(1)),
    "in place": lambda: torch.ones(1).add_(there(1)),
    "an indexed CPU tensor": lambda: torch.ones(3)[there(1).long()],
    "a CPU generator": lambda: torch.rand(2, device="cuda:0", generator=torch.Generator()),
    "numpy": lambda: there(1).numpy(),
    "lengths on the GPU": lambda: pack_padded_sequence(there(1, 2)[:, None, None], there(1, 1).long(), True),
}
WAITS: dict[str, tuple[Callable[[torch.Tensor], Any], int]] = {
    "item": (lambda x: x[0].item(), 1), "bool": (lambda x: bool(x[0] > 0), 1), "float": (lambda x: float(x.sum()), 1),
    "tolist": (lambda x: x.tolist(), 1), "cpu": (lambda x: x.cpu(), 1), "nonzero": (lambda x: x.nonzero(), 1),
    "mask": (lambda x: x[x > 1], 1), "mask written": (lambda x: x.index_put_((x > 1,), x.new_zeros(())), 1),
    "where": (lambda x: torch.where(x > 1), 1), "unique": (lambda x: x.unique(), 1),
    "bincount": (lambda x: torch.bincount(x.long(), minlength=4), 2), "equal": (lambda x: torch.equal(x, x), 1),
    "repeat_interleave": (lambda x: torch.repeat_interleave(x, x.long()), 1),
    "tensor": (lambda x: torch.tensor([1.0, 2.0], device=x.device), 1), "to": (lambda x: torch.ones(2).to(x.device), 1),
    "synchronize": (lambda x: torch.cuda.synchronize(), 1), "list as index": (lambda x: x[[0, 1]], 1),
    "large and not waited for": (lambda x: torch.ones(2**15).to(x.device, non_blocking=True), 1),
    # and these don't wait
    "small and not waited for": (lambda x: torch.ones(2).to(x.device, non_blocking=True), 0),
    "repeat_interleave with a size": (lambda x: torch.repeat_interleave(x, x.long(), output_size=6), 0),
    "arithmetic": (lambda x: (x * 2 + 1).softmax(0).cumsum(0), 0), "zeros": (lambda x: torch.zeros_like(x), 0),
    "gather": (lambda x: x[x.long() - 1], 0), "sort": (lambda x: x.sort(), 0), "filled": (lambda x: x.fill_(3.0), 0),
    "scalar written": (lambda x: x.index_put_((x.long() - 1,), x.new_zeros(())), 0),
}  # fmt: skip


def refusal(ask: Callable[[], Any]) -> str:
    try:
        ask()
    except (RuntimeError, TypeError) as error:
        return type(error).__name__
    return ""


def counted(ask: Callable[[torch.Tensor], Any]) -> int:
    x = there(1, 2, 3)
    pretend.SYNCS.clear()
    ask(x)
    return sum(pretend.SYNCS.values())


def main() -> None:
    with pretend.Device():
        x = torch.randn(2, 3, 4)
        said = {
            "refused": {name: refusal(ask) for name, ask in REFUSED.items()},
            "waits": {name: [counted(ask), expected] for name, (ask, expected) in WAITS.items()},
            "device": [str(there(1).device), there(1).is_cuda, str((there(1) + 1).cpu().device)],
            "tied": tied(),
            "gradients": {
                name: same_gradients(network, x)
                for name, network in {"lstm": nn.LSTM(4, 3, 2, batch_first=True), "gru": nn.GRU(4, 3)}.items()
            },
            "packed": packed(),
            "places": places(torch.tensor([True, False, True, True])),
            "autocast": [under(torch.bfloat16), under(torch.float16)],
        }
    print(json.dumps(said))


if __name__ == "__main__":
    main()
