"""FLOPs against published and hand-counted figures."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from dlbench.measure.flops import count_flops

pytestmark = pytest.mark.numbers


def test_resnet18_takes_1_814_gmac() -> None:
    torchvision = pytest.importorskip("torchvision")
    network, image = torchvision.models.resnet18().eval(), torch.randn(1, 3, 224, 224)
    forward = count_flops(lambda: network(image))
    assert forward is not None
    assert forward / 2e9 == pytest.approx(1.814, abs=0.001)
    both = count_flops(lambda: network(image).sum().backward())
    # weights' and inputs' gradients cost a forward each, but nobody asks for the gradient of the image itself
    first_layer = 2 * 64 * 112 * 112 * 3 * 7 * 7
    assert both == 3 * forward - first_layer


def test_a_network_without_products_takes_none() -> None:
    assert count_flops(lambda: torch.relu(torch.randn(10))) == 0


@pytest.mark.parametrize(("layer", "gates"), [(nn.LSTM, 4), (nn.GRU, 3), (nn.RNN, 1)])
@pytest.mark.parametrize("train", [False, True])
def test_recurrent_layers_count_their_gates(layer: type[nn.RNNBase], gates: int, train: bool) -> None:
    places, batch, features, width = 5, 3, 7, 11
    network, words = layer(features, width), torch.randn(places, batch, features)

    def forward() -> torch.Tensor:
        return network(words)[0].sum()

    inputs = 2 * places * batch * gates * width * features
    states = 2 * places * batch * gates * width * width
    if not train:
        with torch.no_grad():
            assert count_flops(forward) == inputs + states
    elif layer is nn.LSTM:  # one kernel does it all, for the gradient of the words too
        assert count_flops(lambda: forward().backward()) == 3 * (inputs + states)
    else:  # the words need no gradient, and neither does the first state
        gradient_of_first_state = states // places
        assert count_flops(lambda: forward().backward()) == 2 * inputs + 3 * states - gradient_of_first_state


@pytest.mark.parametrize("layout", [torch.sparse_csr, torch.sparse_coo])
@pytest.mark.parametrize("product", [torch.mm, torch.sparse.mm])
def test_sparse_products_count_non_zeros_only(layout: torch.layout, product: object) -> None:
    dense = torch.randn(20, 30).relu()
    sparse, weight = dense.to_sparse(layout=layout), torch.randn(30, 5, requires_grad=True)
    non_zeros = int((dense != 0).sum())
    assert 0 < non_zeros < 600
    assert count_flops(lambda: product(sparse, weight)) == 2 * non_zeros * 5
    assert count_flops(lambda: product(sparse, weight).sum().backward()) == 2 * 2 * non_zeros * 5


def test_a_product_at_chosen_places_counts_those_only() -> None:
    places = torch.randn(20, 30).relu().to_sparse_csr()
    a, b = torch.randn(20, 7), torch.randn(7, 30)
    flops = count_flops(lambda: torch.sparse.sampled_addmm(places, a, b, beta=0.0))
    assert flops == 2 * 7 * places.values().numel()


def test_vectors_count_too() -> None:
    matrix, vector = torch.randn(6, 9), torch.randn(9)
    assert count_flops(lambda: matrix @ vector) == 2 * 6 * 9
    assert count_flops(lambda: vector @ vector) == 2 * 9


def test_the_encoders_fused_path_is_looked_into() -> None:
    encoder, words = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True).eval(), torch.randn(3, 5, 16)
    with torch.no_grad():
        flops = count_flops(lambda: encoder(words))
    projections = 2 * 15 * (4 * 16 * 16 + 2 * 16 * 32)
    attention = 2 * 2 * 3 * 5 * 5 * 16
    assert flops == projections + attention
    assert torch.backends.mha.get_fastpath_enabled()


class Kernels(TorchDispatchMode):
    """Notes which kinds of attention torch runs."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if "attention" in func.name():
            self.seen.add(func.name())
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("backend", [SDPBackend.MATH, SDPBackend.FLASH_ATTENTION])
def test_attention_counts_the_same_whichever_kernel_torch_picks(backend: SDPBackend, train: bool) -> None:
    """Which it picks depends on version, processor and gradients; so both are asked for, and torch says which ran."""
    query, key, value = (torch.randn(3, 2, places, 8, requires_grad=train) for places in (5, 7, 7))

    def attend() -> None:
        outputs = scaled_dot_product_attention(query, key, value)
        if train:
            outputs.sum().backward()

    with sdpa_kernel(backend):
        with Kernels() as kernels:
            attend()
        flops = count_flops(attend)
    assert len(kernels.seen) == (0 if backend is SDPBackend.MATH else 2 if train else 1)  # unfused is plain products
    forward = 2 * (2 * 3 * 2 * 5 * 7 * 8)
    assert flops == (3 if train else 1) * forward


def test_a_kind_of_attention_without_a_formula_makes_it_uncountable(monkeypatch: pytest.MonkeyPatch) -> None:
    query = torch.randn(3, 2, 5, 8)
    monkeypatch.setattr("dlbench.measure.flops._ATTENTION", ())
    with sdpa_kernel(SDPBackend.FLASH_ATTENTION), Kernels() as kernels:
        flops = count_flops(lambda: scaled_dot_product_attention(query, query, query))
    (name,) = kernels.seen
    assert (flops is None) == (getattr(torch.ops.aten, name.removeprefix("aten::")) not in flop_registry)


def test_compiled_networks_are_counted_without_compiling() -> None:
    network = nn.Linear(7, 5)
    network.compile()
    assert count_flops(lambda: network(torch.randn(2, 7))) == 2 * 2 * 7 * 5


def test_an_operator_from_elsewhere_makes_it_uncountable() -> None:
    @torch.library.custom_op("dlbench_test::product", mutates_args=())
    def product(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(a.numpy() @ b.numpy())

    matrix = torch.randn(3, 3)
    assert count_flops(lambda: product(matrix, matrix) @ matrix) is None
