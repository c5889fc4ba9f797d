"""Tensors that say they lie on cuda:0 and compute on the CPU.

They go through torch's own CUDA autocast and autograd, refuse what CUDA refuses (another device's tensors, a CPU
generator, numpy), and count what makes the host wait for a GPU. Their values are real, so code that depends on data
runs as on a GPU. They can't show limits or rounding of CUDA's kernels, memory, or races. `install` changes this process
for good: it is for one that does nothing else, started by `driver.python`.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)
SYNCS: Counter[str] = Counter()
"""How often the host has waited, by what made it wait."""

STAGE = 64 * 1024  # bytes; the driver copies so much of pageable memory aside at once
LOW = (torch.float16, torch.bfloat16)
MIXES = {"copy_", "_to_copy", "_pack_padded_sequence", "_pad_packed_sequence", "_pack_padded_sequence_backward"}
INDEXES = {"index", "_unsafe_index", "index_put", "index_put_", "_unsafe_index_put", "_index_put_impl_"}
WAITS = {
    "_local_scalar_dense", "nonzero", "masked_select", "unique_dim", "unique_consecutive", "_unique", "_unique2",
    "equal", "bincount", "_linalg_check_errors", "linalg_eigvals", "histogramdd",
}  # fmt: skip


class MixedDevices(RuntimeError):
    """Tensors of the CPU and of the GPU meet in one operator."""


class Pretend(Tensor):
    """`inner`: the CPU tensor with the values."""

    inner: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, inner: Tensor) -> Pretend:
        form: dict[str, Any] = {"dtype": inner.dtype, "device": CUDA, "requires_grad": False}
        if inner.layout == torch.strided:
            form |= {"strides": inner.stride(), "storage_offset": inner.storage_offset()}
        else:
            form["dispatch_layout"] = True
        made = Tensor._make_wrapper_subclass(cls, inner.size(), **form)
        made.inner = inner
        return made

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return run(func, args, kwargs or {})

    def __tensor_flatten__(self) -> tuple[list[str], None]:
        return ["inner"], None  # torch then moves a module's parameters by swapping, and shared ones stay shared

    @staticmethod
    def __tensor_unflatten__(inner: dict[str, Tensor], context: None, size: Any, stride: Any) -> Pretend:
        return Pretend(inner["inner"])

    def data_ptr(self) -> int:
        return self.inner.data_ptr()

    def tolist(self) -> Any:
        return self.cpu().tolist()

    def numpy(self, **options: Any) -> Any:
        raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first.")

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if id(self) not in memo:
            copy = Pretend(self.inner.detach().clone())
            is_parameter = isinstance(self, torch.nn.Parameter)
            memo[id(self)] = torch.nn.Parameter(copy, self.requires_grad) if is_parameter else copy
        return memo[id(self)]

    def __repr__(self) -> str:
        return f"Pretend({tuple(self.shape)}, {self.dtype})"


class Device(TorchDispatchMode):
    """While this is on, `device="cuda:0"` makes pretend tensors."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return run(func, args, kwargs or {})


def run(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """One operator: refuse, count, compute on the CPU, say that the result is on the GPU."""
    if func is torch.ops.prim.layout.default:
        return args[0].inner.layout
    if func is torch.ops.prim.device.default:
        return CUDA
    name = func._schema.name.partition("::")[2]
    leaves = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    ours = any(isinstance(leaf, Pretend) for leaf in leaves)
    target = kwargs.get("device")
    there = ours if target is None else torch.device(target).type == "cuda"
    if not ours and not there:
        return func(*args, **kwargs)
    refuse(name, args, kwargs, leaves, ours and there)
    count(name, args, kwargs, ours, there)
    inner_args, inner_kwargs = tree_map(unwrapped, (args, kwargs))
    if target is not None:
        inner_kwargs = {**inner_kwargs, "device": CPU, "pin_memory": False}
        inner_kwargs = {key: value for key, value in inner_kwargs.items() if key in kwargs}
    out = computed(func, name, inner_args, inner_kwargs)
    if name in ("_pack_padded_sequence", "_pad_packed_sequence"):
        return wrapped(out[0]), out[1]  # the second one is on the CPU, on a GPU too
    written = written_arguments(func, args, kwargs)
    return written if written is not None else tree_map(wrapped, out) if there else out


def unwrapped(value: Any) -> Any:
    return value.inner if isinstance(value, Pretend) else value


def wrapped(value: Any) -> Any:
    return Pretend(value) if isinstance(value, Tensor) and not isinstance(value, Pretend) else value


def refuse(name: str, args: Any, kwargs: dict[str, Any], leaves: list[Tensor], on_gpu: bool) -> None:
    """Raise what CUDA would raise on these arguments."""
    generator = kwargs.get("generator")
    if isinstance(generator, torch.Generator) and generator.device.type == "cpu":
        raise RuntimeError(f"{name}: Expected a 'cuda' device type for generator but found 'cpu'")
    if name == "_pack_padded_sequence" and isinstance(args[1], Pretend):
        raise RuntimeError("'lengths' argument should be a 1D CPU int64 tensor, but got 1D cuda:0 tensor")
    if name in MIXES or not on_gpu:
        return
    if name in INDEXES:  # indices may lie on the CPU: they are moved
        leaves = [leaf for leaf in (args[0], *args[2:3]) if isinstance(leaf, Tensor)]
    for leaf in leaves:
        if not isinstance(leaf, Pretend) and (leaf.dim() or leaf is args[0]):
            raise MixedDevices(f"{name}: Expected all tensors to be on the same device, but found cuda:0 and cpu")


def count(name: str, args: Any, kwargs: dict[str, Any], ours: bool, there: bool) -> None:
    """Note what this operator makes the host wait for."""
    if name in WAITS:
        SYNCS[name] += 2 if name == "bincount" else 1  # bincount asks for the smallest and the largest
    elif name == "repeat_interleave" and kwargs.get("output_size") is None:
        SYNCS["repeat_interleave without output_size"] += 1
    elif name == "_to_copy" and ours != there:
        count_copy(args[0], kwargs.get("non_blocking", False), ours)
    elif name == "copy_" and isinstance(args[0], Pretend) != isinstance(args[1], Pretend):
        given = args[2] if len(args) > 2 else kwargs.get("non_blocking", False)
        count_copy(args[1], given, isinstance(args[1], Pretend))
    elif name in INDEXES:
        for index in args[1]:
            if isinstance(index, Tensor) and not isinstance(index, Pretend):
                SYNCS["index moved to the GPU"] += 1
            if isinstance(index, Tensor) and index.dtype in (torch.bool, torch.uint8):
                SYNCS["boolean mask"] += 1


def count_copy(source: Tensor, non_blocking: bool, to_cpu: bool) -> None:
    """A copy between the devices. What isn't pinned is staged before it is sent: the host needn't wait where it says so
    and all fits into the stage."""
    if to_cpu or not non_blocking or source.numel() * source.element_size() > STAGE:
        SYNCS["copy to the CPU" if to_cpu else "copy to the GPU"] += 1


def computed(func: Any, name: str, args: Any, kwargs: dict[str, Any]) -> Any:
    """The operator on the CPU; in float32 where the CPU has no kernel for a lower precision."""
    if name in ("_softmax", "_log_softmax") and args[2]:  # from a lower precision to float32
        return func(args[0].float(), args[1], False)
    if name in ("_softmax_backward_data", "_log_softmax_backward_data") and args[3] != args[0].dtype:
        return func(*args[:3], args[0].dtype).to(args[3])
    try:
        return func(*args, **kwargs)
    except (RuntimeError, NotImplementedError) as error:
        low = [leaf.dtype for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor) and leaf.dtype in LOW]
        if not low or "not implemented for" not in str(error):
            raise
        up, down = _cast(LOW, torch.float32), _cast((torch.float32,), low[0])
        return tree_map(down, func(*tree_map(up, args), **tree_map(up, kwargs)))


def _cast(dtypes: tuple[torch.dtype, ...], to: torch.dtype) -> Callable[[Any], Any]:
    return lambda value: value.to(to) if isinstance(value, Tensor) and value.dtype in dtypes else value


def written_arguments(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """What an operator that writes into its arguments returns: these. None for any other."""
    returns = func._schema.returns
    if not returns or not all(r.alias_info is not None and r.alias_info.is_write for r in returns):
        return None
    given = {}
    for place, argument in enumerate(func._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            value = args[place] if place < len(args) else kwargs.get(argument.name)
            given.update(dict.fromkeys(argument.alias_info.before_set, value))
    found = [given[next(iter(r.alias_info.before_set))] for r in returns]
    return found[0] if len(found) == 1 else tuple(found)


def install() -> None:
    """Make this process believe in one CUDA device."""
    import cudnn

    torch._C._ensureCUDADeviceGuardSet()  # type: ignore[attr-defined]
    ctypes.c_int.in_dll(ctypes.CDLL(None), "pretend_devices").value = 127  # as many as that guard says
    card = SimpleNamespace(
        name="pretend", uuid="0", major=9, minor=0, total_memory=80 << 30, multi_processor_count=132,
        L2_cache_size=50 << 20, warp_size=32, regs_per_multiprocessor=65536, max_threads_per_multi_processor=2048,
    )  # fmt: skip
    answers: dict[str, Callable[..., Any]] = {
        "_lazy_init": lambda: None, "is_available": lambda: True, "is_initialized": lambda: True,
        "device_count": lambda: 1, "current_device": lambda: 0, "set_device": lambda device: None,
        "synchronize": lambda device=None: SYNCS.update(["torch.cuda.synchronize"]),
        "get_per_process_memory_fraction": lambda device=None: 1.0,
        "is_bf16_supported": lambda *_, **__: True, "get_device_properties": lambda device=None: card,
        "get_device_capability": lambda device=None: (9, 0), "get_device_name": lambda device=None: card.name,
        "manual_seed_all": lambda seed: None, "manual_seed": lambda seed: None,
        "is_current_stream_capturing": lambda: False, "device_of": lambda tensor: contextlib.nullcontext(),
    }  # fmt: skip
    for name, answer in answers.items():
        setattr(torch.cuda, name, answer)
    torch._C._set_only_lift_cpu_tensors(True)  # type: ignore[attr-defined]  # torch.tensor(x, device=...) moves x
    for module in ("torch.optim.optimizer", "torch.utils._foreach_utils"):
        known = getattr(importlib.import_module(module), "_foreach_supported_types", None)
        if known is not None and Pretend not in known:
            known.append(Pretend)
    cudnn.install()
