"""Where tensors are: the kinds of device, named here and nowhere else, and what there is of them."""

from __future__ import annotations

import re
from typing import Any, TypeVar

from arguments.errors import EGSTalkerError

CPU, GPU = "cpu", "cuda"
KINDS = (CPU, GPU)
DEVICE = re.compile(rf"{CPU}|{GPU}(:\d+)?")
T = TypeVar("T")


def kind_of(place: Any) -> str:
    """The kind of a device, a device's name ("cuda:1"), a tensor or a module's first parameter: CPU or GPU."""
    device = getattr(place, "device", place)
    return str(getattr(device, "type", device)).split(":")[0]


def on_gpu(place: Any) -> bool:
    """Whether :func:`kind_of` is GPU."""
    return kind_of(place) == GPU


def by_device(place: Any, *, cpu: T, gpu: T) -> T:
    """One of two values, by the kind of device."""
    return gpu if on_gpu(place) else cpu


def gpu_count() -> int:
    """How many GPUs PyTorch can use here."""
    import torch  # takes seconds to load

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def fastest_device() -> str:
    """The first GPU, or else the CPU."""
    return GPU if gpu_count() else CPU


def check_device(name: str) -> str:
    """``name``, if it is one of a device that is here: "cpu", "cuda", "cuda:1".

    Raises:
        EGSTalkerError: it is no name of a device, or there is no such GPU.
    """
    if not DEVICE.fullmatch(name):
        raise EGSTalkerError(f"--device is {CPU}, {GPU} or, of several GPUs, {GPU}:1 and so on, not {name!r}")
    if not on_gpu(name):
        return name
    count, index = gpu_count(), int(name.partition(":")[2] or 0)
    if count == 0:
        raise EGSTalkerError(f"there is no CUDA device here; use --device {CPU}")
    if index >= count:
        there = f"{GPU}:0" if count == 1 else f"{GPU}:0 to {GPU}:{count - 1}"
        raise EGSTalkerError(f"there is no {name} here; there is {there}")
    return name


def synchronize(place: Any) -> None:
    """Wait until a GPU has done all that it was given; nothing for a CPU."""
    if on_gpu(place):
        import torch

        torch.cuda.synchronize()


def make_current(name: str) -> None:
    """Let what names no GPU of its own run on this one ("cuda" is the first)."""
    import torch

    torch.cuda.set_device(name if ":" in name else f"{name}:0")


def current_gpu() -> str | None:
    """The name of the GPU that :func:`make_current` chose in this thread; None where no GPU is in use."""
    import torch

    return f"{GPU}:{torch.cuda.current_device()}" if torch.cuda.is_initialized() else None


def gpu_name() -> str:
    """The current GPU's, as its driver says it."""
    import torch

    return torch.cuda.get_device_name()


def cuda_version() -> str | None:
    """Of the CUDA that PyTorch was built for; None for a build without."""
    import torch

    return torch.version.cuda


def multiplies_bfloat16() -> bool:
    """Whether the current GPU does."""
    import torch

    return torch.cuda.is_bf16_supported()


def forget_peak_memory() -> None:
    """Let :func:`peak_memory` start from now."""
    import torch

    torch.cuda.reset_peak_memory_stats()


def peak_memory() -> int:
    """The most bytes of the current GPU that tensors have taken at once."""
    import torch

    return torch.cuda.max_memory_allocated()


def memory_share() -> float:
    """Of the current GPU's memory, what this process has taken at most so far, 0..1; CUDA's own part is not counted."""
    import torch

    return torch.cuda.max_memory_reserved() / torch.cuda.mem_get_info()[1]


def free_memory(place: Any) -> int:
    """Bytes of a GPU's memory that are free."""
    import torch

    return torch.cuda.mem_get_info(getattr(place, "device", place))[0]
