"""Which compiled function serves which plain one, on which kind of device.

A plain function in torch, written where its idea belongs, is decorated with :func:`served`. Its twin has the same name
and signature in the module that the table names, is tried first, and returns NotImplemented where it does not know a
call's types or sizes. Rasterizers have a table of their own, ``gaussian_renderer.render.BACKENDS``.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ParamSpec, TypeVar

import numpy as np
from torch import Tensor

from arguments.device import CPU, GPU, kind_of

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Twins:
    """Modules that hold a function's twins; None where the plain one serves."""

    cpu: str | None = None  # numba
    gpu: str | None = None  # Triton


TWINS = {
    "scene.triplane.hash_lookup": Twins("kernels.cpu.triplane", "kernels.cuda.triplane"),
    "scene.kan.spline_edges": Twins(None, "kernels.cuda.kan"),
    "scene.kan.spline_sum": Twins("kernels.cpu.kan", None),
    "scene.kan.decode": Twins("kernels.cpu.kan", None),
    "scene.backdrop.over": Twins("kernels.cpu.backdrop", None),
    "imaging.ssim.similarity": Twins(None, "kernels.cuda.ssim"),
    "imaging.ssim.filtered": Twins("kernels.cpu.ssim", None),
    "training.losses.multi_scale_gradients": Twins(None, "kernels.cuda.losses"),
    "training.deformed_gaussians.deformed_gaussians": Twins(None, "kernels.cuda.deformed_gaussians"),
    "training.optimizer.make_adam": Twins(None, "kernels.cuda.optimizer"),
}
"""The plain functions by module and name. A whole head's deformation is laid out by ``scene.compiled_head``."""


def served(plain: Callable[P, R]) -> Callable[P, R]:
    """Let the twin of ``plain`` serve the calls that it knows; its device is that of the first tensor or array.

    ``served(f).__wrapped__`` is the plain function.
    """
    name = f"{plain.__module__}.{plain.__qualname__}"
    if name not in TWINS:
        raise KeyError(f"{name} is not in the table of kernels")

    @functools.wraps(plain)
    def dispatched(*args: P.args, **kwargs: P.kwargs) -> R:
        kernel = twin(name, _device_of((*args, *kwargs.values())))
        if kernel is not None:
            result = kernel(*args, **kwargs)
            if result is not NotImplemented:
                return result
        return plain(*args, **kwargs)

    return dispatched


@lru_cache
def twin(name: str, kind: str) -> Callable[..., Any] | None:
    """The twin of a plain function for a kind of device; None where there is none or it cannot be compiled here."""
    module = TWINS[name].gpu if kind == GPU else TWINS[name].cpu
    if module is None or (kind == GPU and not can_compile_for_gpu()):
        return None
    return getattr(importlib.import_module(module), name.rpartition(".")[2])


def can_compile_for_gpu() -> bool:
    """Whether Triton is here (torch brings it on Linux with CUDA), and a compiler for what starts its kernels.

    It takes CC, or else gcc or clang.
    """
    if importlib.util.find_spec("triton") is None:
        return False
    return bool(os.environ.get("CC")) or any(shutil.which(name) for name in ("gcc", "clang"))


def _device_of(values: Iterable[object]) -> str:
    tensor = next((value for value in values if isinstance(value, (Tensor, np.ndarray))), None)
    return kind_of(tensor) if isinstance(tensor, Tensor) else CPU
