"""Where to compute."""

from __future__ import annotations

import torch

from arguments.errors import EGSTalkerError
from gaussian_renderer.render import DEVICE_BACKENDS


def choose_device(wanted: str | None) -> str:
    """``wanted``, or cuda where there is one and a rasterizer for it, else cpu.

    Raises EGSTalkerError where the wanted device is not there or nothing renders on it.
    """
    usable = {"cpu"} | ({"cuda"} if torch.cuda.is_available() and "cuda" in DEVICE_BACKENDS else set())
    if wanted is None:
        return "cuda" if "cuda" in usable else "cpu"
    if wanted not in usable:
        raise EGSTalkerError(f"nothing here computes on {wanted}; use --device cpu")
    return wanted
