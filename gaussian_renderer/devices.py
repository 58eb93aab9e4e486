"""Where to compute."""

from __future__ import annotations

import os

from arguments.device import CPU, GPU, check_device, gpu_count, make_current, on_gpu
from arguments.errors import EGSTalkerError
from gaussian_renderer.render import backend_for


def choose_device(wanted: str | None) -> str:
    """``wanted``, or a GPU where there is one and a rasterizer for it, else the CPU; a GPU becomes the current one.

    Raises:
        EGSTalkerError: ``wanted`` is no device's name, the device is not there, or nothing renders on it.
    """
    if wanted is not None:
        check_device(wanted)
    device = wanted or (GPU if gpu_count() and backend_for(GPU) else CPU)
    if on_gpu(device):
        if not backend_for(GPU):
            raise EGSTalkerError(
                "no rasterizer for CUDA is installed: build the container (./build.sh) or install gsplat==1.5.3; "
                f"or use --device {CPU}"
            )
        os.environ.setdefault("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")  # sizes change in training
        make_current(device)
    return device
