"""SSIM's window over many maps at once on a CPU: each row of pixels is filtered both ways while it is in the cache."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from numba import njit, prange
from torch import Tensor

from kernels.cpu.threads import kernels


def filtered(maps: Float[Tensor, "B H W K"], window: Float[Tensor, "T"]) -> Float[Tensor, "B h w K"]:
    """Convolve with the separable, symmetric ``window``, without padding (h = H - T + 1), without gradient.

    NotImplemented but for float32.
    """
    if maps.dtype != torch.float32:
        return NotImplemented
    maps = maps.detach().contiguous()
    batch, height, width, count = maps.shape
    taps = len(window)
    out = torch.empty(batch, height - taps + 1, width - taps + 1, count)
    with kernels():
        _filter(maps.numpy().reshape(batch, height, -1), window.numpy(), count, out.numpy().reshape(*out.shape[:2], -1))
    return out


@njit(parallel=True, fastmath=True, cache=True, nogil=True)
def _filter(maps, window, count, out):
    batch, length = len(maps), maps.shape[2]
    rows, kept = out.shape[1], out.shape[2]
    for job in prange(batch * rows):
        b, y = job // rows, job % rows
        column = np.zeros(length, np.float32)
        for tap in range(len(window)):
            weight, row = window[tap], maps[b, y + tap]
            for i in range(length):
                column[i] += weight * row[i]
        target = out[b, y]
        target[:] = np.float32(0)
        for tap in range(len(window)):
            weight, shifted = window[tap], column[tap * count : tap * count + kept]
            for i in range(kept):
                target[i] += weight * shifted[i]
