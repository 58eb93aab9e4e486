"""Where to compute."""

from __future__ import annotations

import os

import torch

from arguments.errors import EGSTalkerError
from gaussian_renderer.render import backend_for


def choose_device(wanted: str | None) -> str:
    """``wanted``, or cuda where there is one and a rasterizer for it, else cpu.

    Raises EGSTalkerError where the wanted device is not there or nothing renders on it.
    """
    if wanted in (None, "cuda") and torch.cuda.is_available():
        if backend_for("cuda"):
            os.environ.setdefault("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")  # sizes change in training
            return "cuda"
        problem = "no rasterizer for CUDA is installed: build the container (./build.sh) or install gsplat==1.5.3"
    else:
        problem = "there is no CUDA device here"
    if wanted == "cuda":
        raise EGSTalkerError(f"{problem}; or use --device cpu")
    return "cpu"
