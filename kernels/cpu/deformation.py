"""The moved head on a CPU, in one pass over the Gaussians that move: both layers of the KAN decoder and activation.

Twin of ``Deformation.forward`` and ``GaussianModel.activated`` without gradients. Everything that frames share is
prepared once. A block of Gaussians goes all the way from what it attends to to its attributes while its numbers, and
each node's weights, are in the first-level cache; the plain implementation goes through memory some forty times.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numba import njit, prange
from torch import Tensor

from kernels.columns import COLORS, LOG_SCALES, MEANS, OPACITIES, ROTATIONS, SCALES
from kernels.cpu.kan import PADDED, FlatLayers, two_layers
from kernels.cpu.threads import kernels


@dataclass(frozen=True)
class DeformationLayout:
    """Of M moving Gaussians, what all frames share."""

    moving: Int[np.ndarray, "M"]  # their rows among all N
    shared: Float[Tensor, "M W"]  # what the decoder's first layer makes of the spatial features
    gates: Float[np.ndarray, "M"]
    raw: Float[np.ndarray, "M 14"]  # attributes at rest before activation
    layers: FlatLayers
    units: Float[np.ndarray, "16"]  # of the decoder's outputs


def deform(
    attended: Float[Tensor, "B M W"],
    layout: DeformationLayout,
    means: Float[Tensor, "B N 3"],
    quats: Float[Tensor, "B N 4"],
    scales: Float[Tensor, "B N 3"],
    opacities: Float[Tensor, "B N"],
    colors: Float[Tensor, "B N K 3"],
) -> None:
    """Write the moving Gaussians of B frames, activated, into the fields of all. ``attended``: by ESAA."""
    decoded = two_layers(attended, layout.shared, layout.layers)
    outputs = (field.numpy() for field in (means, quats, scales, opacities, colors))
    with kernels():
        _activate(layout.moving, decoded.numpy(), layout.gates, layout.raw, layout.units, *outputs)


MEAN, ROTATION, SCALE, COLOR = MEANS.start, ROTATIONS.start, SCALES.start, COLORS.start
ONE, SMALLEST, LARGEST = np.float32(1), np.float32(LOG_SCALES[0]), np.float32(LOG_SCALES[1])


@njit(parallel=True, fastmath=True, cache=True, nogil=True)
def _activate(moving, decoded, gates, raw, units, means, quats, scales, opacities, colors):
    """Add what was decoded to the attributes at rest, and activate them."""
    batch, count = decoded.shape[0], decoded.shape[1]
    for frame in range(batch):
        for m in prange(count):
            n, out = moving[m], decoded[frame, m]
            for o in range(PADDED):
                out[o] *= gates[m] * units[o]
            length = np.float32(1e-24)
            for k in range(3):
                means[frame, n, k] = raw[m, MEAN + k] + out[MEAN + k]
                scales[frame, n, k] = np.exp(min(max(raw[m, SCALE + k] + out[SCALE + k], SMALLEST), LARGEST))
                colors[frame, n, 0, k] = raw[m, COLOR + k] + out[COLOR + k]
            for k in range(4):
                length += (raw[m, ROTATION + k] + out[ROTATION + k]) ** 2
            length = ONE / np.sqrt(length)
            for k in range(4):
                quats[frame, n, k] = (raw[m, ROTATION + k] + out[ROTATION + k]) * length
            opacities[frame, n] = ONE / (ONE + np.exp(-(raw[m, OPACITIES] + out[OPACITIES])))
