"""How the tasks are loaded: their options. Torch comes with the tasks' own modules, on the first call."""

from __future__ import annotations

from typing import Any

from dlbench.data import Data


def adding(data: Data, *, length: int = 100, num_train: int = 50_000, num_val: int = 1000, num_test: int = 2000) -> Any:
    from .generated.adding import make_task

    return make_task(length=length, num_train=num_train, num_val=num_val, num_test=num_test, device=data.device)


def copying(data: Data, *, length: int = 50, num_train: int = 50_000, num_val: int = 500, num_test: int = 2000) -> Any:
    """`length` is the pause; sequences have 20 places more."""
    from .generated.copying import make_task

    return make_task(length=length, num_train=num_train, num_val=num_val, num_test=num_test, device=data.device)


def parity(
    data: Data,
    *,
    length: int = 12,
    test_length: int | None = None,
    num_train: int = 20_000,
    num_val: int = 500,
    num_test: int = 1000,
) -> Any:
    """`test_length`: of the test strings, where they shall be longer than `length`."""
    from .generated.parity import make_task

    return make_task(
        length=length, test_length=test_length, num_train=num_train, num_val=num_val, num_test=num_test,
        device=data.device,
    )  # fmt: skip


def reber(
    data: Data,
    *,
    length: int = 40,
    min_length: int = 9,
    num_train: int = 4000,
    num_val: int = 500,
    num_test: int = 2000,
) -> Any:
    """Strings of `min_length` to `length` symbols."""
    from .generated.reber import make_task

    return make_task(
        length=length, min_length=min_length, num_train=num_train, num_val=num_val, num_test=num_test,
        device=data.device,
    )  # fmt: skip


def listops(
    data: Data,
    *,
    length: int = 100,
    min_length: int = 20,
    max_depth: int = 5,
    max_args: int = 5,
    num_train: int = 20_000,
    num_val: int = 2000,
    num_test: int = 2000,
) -> Any:
    """Expressions of `min_length` to `length` symbols, brackets included."""
    from .generated.listops import make_task

    return make_task(
        length=length, min_length=min_length, max_depth=max_depth, max_args=max_args, num_train=num_train,
        num_val=num_val, num_test=num_test, device=data.device,
    )  # fmt: skip


def order(
    data: Data,
    *,
    length: int = 20,
    vocab: int = 10,
    num_train: int = 10_000,
    num_val: int = 1000,
    num_test: int = 2000,
) -> Any:
    from .generated.order import make_task

    return make_task(
        length=length, vocab=vocab, num_train=num_train, num_val=num_val, num_test=num_test, device=data.device
    )  # fmt: skip


def reverse(
    data: Data,
    *,
    length: int = 10,
    vocab: int = 10,
    beam: int = 1,
    num_train: int = 20_000,
    num_val: int = 500,
    num_test: int = 1000,
) -> Any:
    """`beam`: how many continuations are kept while writing; 1 writes the likeliest token each time."""
    from .generated.reverse import make_task

    return make_task(
        length=length, vocab=vocab, beam=beam, num_train=num_train, num_val=num_val, num_test=num_test,
        device=data.device,
    )  # fmt: skip


def hmm_tags(
    data: Data,
    *,
    length: int = 30,
    states: int = 5,
    vocab: int = 10,
    num_train: int = 4000,
    num_val: int = 500,
    num_test: int = 2000,
) -> Any:
    from .generated.hidden_markov import make_task

    return make_task(
        length=length, states=states, vocab=vocab, num_train=num_train, num_val=num_val, num_test=num_test,
        device=data.device,
    )  # fmt: skip


def digits_rows(data: Data, *, permuted: bool = False, pixels: bool = False) -> Any:
    """`pixels`: one pixel per step, not a row; `permuted`: all pixels in another order, the same for all images."""
    from dlbench_vision.digits import load

    from .images.rows import ImageRows

    return ImageRows(load(data), permuted=permuted, pixels=pixels)


def mnist_rows(data: Data, *, permuted: bool = False, pixels: bool = False) -> Any:
    """`pixels`: one pixel per step, not a row; `permuted`: all pixels in another order, the same for all images."""
    from dlbench_vision.mnist import load

    from .images.rows import ImageRows

    return ImageRows(load(data, folder="vision/mnist"), permuted=permuted, pixels=pixels)
